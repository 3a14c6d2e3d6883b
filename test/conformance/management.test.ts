/**
 * The daemon's side of the protocol judged by a client that shares no code with it: Node's own modules, the bytes
 * as pgmoneta's client was recorded to write them.
 */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../../src/log/index.ts";
import {
  createManagementServer,
  encodeJson,
  deleteResponse,
  infoResponse,
  listBackupResponse,
  managementErrors,
  modeResponse,
  parseJson,
  pingResponse,
  progressResponse,
  statusDetailsResponse,
  statusResponse,
} from "../../src/management/index.ts";
import type { ManagementHandler, ManagementServer, ResponseResult } from "../../src/management/index.ts";
import { readMasterKey } from "../../src/vault/index.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { missing, readCapture, recordedPayload } from "../unit/management/captures.ts";
import { details, newer, older, primary, repository, server as facts } from "../unit/management/facts.ts";

/** The stranger: it is no part of the program, and not even of its types. */
const client = join(import.meta.dirname, "../fixtures/plain-management-client.mjs");
const {
  buildFrame,
  converse,
  openFrame,
  readMasterKey: deriveElsewhere,
} = (await import(client)) as {
  readonly buildFrame: (document: object, compression: number, encryption: number, master?: Buffer) => Buffer;
  readonly converse: (socketPath: string, bytes: Buffer) => Promise<Buffer>;
  readonly openFrame: (frame: Buffer, master?: Buffer) => string;
  readonly readMasterKey: (path: string) => Buffer;
};

const handle: ManagementHandler = (request) => {
  const yes = (response: ResponseResult & { status: true }): Promise<ResponseResult> => Promise.resolve(response);
  if (request.fields.Server !== undefined && request.fields.Server !== "primary") {
    throw managementErrors.serverUnknown(`there is no server ${String(request.fields.Server)}`);
  }
  switch (request.command) {
    case "ping":
      return yes({ status: true, response: pingResponse("test") });
    case "status":
      return yes({ status: true, response: statusResponse({ ...repository, freeSpace: 76_236_754_944 }, [facts]) });
    case "status details":
      return yes({ status: true, response: statusDetailsResponse(repository, [facts], false) });
    case "list-backup":
      return yes({
        status: true,
        response: listBackupResponse(primary, [older, newer], request.fields.Sort === "desc" ? "desc" : "asc"),
      });
    case "info":
      return yes({ status: true, response: infoResponse(details) });
    case "mode":
      return yes({ status: true, response: modeResponse(primary, request.fields.Action === "online") });
    case "delete":
      return yes({ status: true, response: deleteResponse(primary, older.label) });
    case "progress":
      return yes({ status: true, response: progressResponse(primary, []) });
    case "shutdown":
      return yes({ status: true, response: null });
    default:
      throw managementErrors.serverOffline("the server primary is offline");
  }
};

let server: ManagementServer;
let keyFile: string;
let strangersKey: Buffer;
beforeAll(async () => {
  const directory = temporaryDirectory({ prefix: "mc" }).path;
  mkdirSync(join(directory, "key"), { mode: 0o700 });
  keyFile = join(directory, "key", "master.key");
  writeFileSync(
    keyFile,
    `${Buffer.from("a long pass phrase").toString("base64")}\n${Buffer.alloc(16, 7).toString("base64")}\n`,
  );
  chmodSync(keyFile, 0o600);
  const key = await readMasterKey(keyFile);
  strangersKey = deriveElsewhere(keyFile);
  server = await createManagementServer({
    socketPath: join(directory, ".s.pgmoneta"),
    masterKeys: async () => [key],
    handle,
    logger: silentLogger,
  });
});
afterAll(() => server.close(true));

interface Answer {
  readonly frame: readonly number[];
  readonly payload: string;
  readonly text: string;
  readonly document: unknown;
}

const requestOf = (name: string): string => encodeJson(readCapture(name).request);

async function ask(name: string, compression = 0, encryption = 0): Promise<Answer> {
  const sent = buildFrame(JSON.parse(requestOf(name)) as object, compression, encryption, strangersKey);
  const answer = await converse(server.socketPath, sent);
  expect(answer.readUInt32BE(2)).toBe(answer.length - 6);
  const text = openFrame(answer, strangersKey);
  const payload = answer.subarray(6).toString("latin1");
  return { frame: [...answer.subarray(0, 2)], payload, text, document: JSON.parse(text) };
}

const shapes = [0, 1].flatMap((compression) => [0, 1, 2, 3].map((encryption) => [compression, encryption] as const));

describe("management protocol, as a stranger sees it", () => {
  it.each(shapes)("answers with compression %i and encryption %i in the same form", async (compression, encryption) => {
    const answer = await ask("ping", compression, encryption);
    expect(answer.frame).toEqual([compression, encryption]);
    expect(answer.document).toMatchObject({ Outcome: { Status: true }, Response: { ServerVersion: "0.22.0" } });
  });

  it("serves a program of its own as well", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      client,
      server.socketPath,
      requestOf("ping"),
      "--key",
      keyFile,
      "--compression=1",
      "--encryption=1",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ frame: [1, 1], document: { Outcome: { Status: true } } });
  });

  it("sends an encrypted answer in the form that was recorded: base64 of salt, IV, one gzip member, tag", async () => {
    const answer = await ask("ping", 1, 1);
    for (const payload of [answer.payload, recordedPayload("ping-gzip-aes")]) {
      expect(payload).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
      expect(payload.length % 4).toBe(0);
      const sealed = Buffer.from(payload, "base64").length;
      expect(sealed - 16 - 12 - 16).toBeGreaterThan(100);
    }
  });

  const conversations: readonly (readonly [string, readonly string[]])[] = [
    ["ping", []],
    ["status", []],
    ["status-details", []],
    ["list-backup", ["Response.Backups[0].WAL"]],
    ["list-backup-desc", ["Response.Backups[0].WAL", "Response.Backups[1].WAL"]],
    ["info", []],
    ["mode-online", []],
    ["mode-offline", []],
    ["delete", []],
    ["progress", ["Response.Elapsed", "Response.Percentage"]],
    ["shutdown", []],
    ["backup-offline", []],
    ["error-no-server", []],
  ];
  it.each(conversations)("holds the recorded conversation %s", async (name, differing) => {
    const answer = await ask(name);
    expect(answer.frame).toEqual([0, 0]);
    expect(missing(parseJson(answer.text), readCapture(name).response, ["Outcome.Time", ...differing])).toEqual([]);
  });

  it("answers the commands that it only knows with a clear no", async () => {
    expect((await ask("s3-ls")).document).toMatchObject({ Outcome: { Status: false, Code: "COMMAND_NOT_AVAILABLE", Exit: 11 } });
  });

  it("writes the document compact, keys in byte order", async () => {
    const { text } = await ask("status-details");
    expect(text).not.toMatch(/[\n\t]/);
    const ordered = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      const keys = Array.isArray(value) ? [] : Object.keys(value);
      expect(keys).toEqual([...keys].sort());
      Object.values(value).forEach(ordered);
    };
    ordered(JSON.parse(text));
  });

  it("refuses what was sealed with another key, and says so in the same sealed form", async () => {
    const other = Buffer.alloc(64, 1);
    const sent = buildFrame({ Header: { Command: 9 }, Request: {} }, 1, 1, other);
    const answer = await converse(server.socketPath, sent);
    expect([...answer.subarray(0, 2)]).toEqual([1, 1]);
    expect(() => openFrame(answer, other)).toThrow();
  });

  it("says in clear that it has no master key", async () => {
    const socketPath = `${server.socketPath}2`;
    const keyless = await createManagementServer({ socketPath, handle, logger: silentLogger });
    const answer = await converse(
      socketPath,
      buildFrame({ Header: { Command: 9 }, Request: {} }, 0, 1, Buffer.alloc(64, 1)),
    );
    await keyless.close(true);
    expect(JSON.parse(openFrame(answer))).toMatchObject({
      Outcome: { Status: false, Error: 1, Code: "MANAGEMENT_MASTER_KEY_MISSING" },
    });
  });
});
