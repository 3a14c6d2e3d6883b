import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cliErrors, runCli } from "../../../src/cli/index.ts";
import type { Terminal } from "../../../src/cli/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import {
  backupResponse,
  conversionResponse,
  createManagementServer,
  filesProgressResponse,
  isJsonObject,
  listBackupResponse,
  managementErrors,
  parseJson,
  pingResponse,
  progressResponse,
} from "../../../src/management/index.ts";
import type {
  JobSummary,
  JsonObject,
  ManagementHandler,
  ManagementRequest,
  ManagementServer,
} from "../../../src/management/index.ts";
import { readMasterKey } from "../../../src/vault/index.ts";
import { createServer } from "node:net";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { newer, older, primary } from "../management/facts.ts";

let directory: string;
let server: ManagementServer | undefined;
let requests: ManagementRequest[];
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "cli" }).path;
  requests = [];
});
afterEach(async () => {
  await server?.close(true);
  server = undefined;
});

const answering: ManagementHandler = (request) => {
  if (request.command === "ping") return Promise.resolve({ status: true, response: pingResponse("1.2.3") });
  if (request.command === "list-backup")
    return Promise.resolve({ status: true, response: listBackupResponse(primary, [older, newer]) });
  throw managementErrors.serverUnknown(`there is no server ${String(request.fields.Server)} in the configuration`);
};

async function startDaemon(handle: ManagementHandler = answering, keyFile?: string): Promise<void> {
  const key = keyFile === undefined ? undefined : await readMasterKey(keyFile);
  server = await createManagementServer({
    socketPath: join(directory, ".s.pgmoneta"),
    masterKeys: async () => (key === undefined ? [] : [key]),
    logger: silentLogger,
    handle: (request, session) => {
      requests.push(request);
      return handle(request, session);
    },
  });
}

/** `~/.pgmoneta/master.key` of the user who types. */
function createMasterKey(): string {
  mkdirSync(join(directory, ".pgmoneta"), { mode: 0o700 });
  const path = join(directory, ".pgmoneta", "master.key");
  writeFileSync(
    path,
    `${Buffer.from("a long pass phrase").toString("base64")}\n${Buffer.alloc(16, 3).toString("base64")}\n`,
  );
  chmodSync(path, 0o600);
  return path;
}

function configure(...lines: string[]): void {
  writeFileSync(
    join(directory, "pgmoneta_cli.conf"),
    ["[pgmoneta]", `unix_socket_dir = ${directory}`, ...lines, ""].join("\n"),
  );
}

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A terminal at which nobody sits. */
const nobodyAnswers = {
  ask: () => Promise.reject(cliErrors.noInput("the input ended")),
  askSecret: () => Promise.reject(cliErrors.noInput("the input ended")),
  interactive: false,
  onInterrupt: () => () => undefined,
} satisfies Partial<Terminal>;

async function run(words: readonly string[], more: Partial<Terminal> & { readonly tty?: boolean } = {}): Promise<Run> {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write: (text: string) => void (written[name] += text),
    isTTY: more.tty === true,
    columns: 80,
  });
  const status = await runCli(words, {
    stdout: output("stdout"),
    stderr: output("stderr"),
    environment: {},
    userId: 1000,
    homeDirectory: directory,
    clock: systemClock,
    ...nobodyAnswers,
    interrupted: new AbortController().signal,
    version: "1.2.3",
    defaultDirectory: directory,
    ...more,
  });
  return { status, ...written };
}

const documentOf = ({ stdout }: Run): JsonObject => {
  const value = parseJson(stdout.trim());
  if (!isJsonObject(value)) throw new Error(`no document: ${stdout}`);
  return value;
};

describe("moneta-cli", () => {
  it("prints an answer and ends with 0", async () => {
    configure();
    await startDaemon();
    expect(await run(["ping"])).toEqual({ status: 0, stdout: "The daemon answers (Moneta 1.2.3).\n", stderr: "" });
  });

  it("ends with the exit status of the error, and explains it, when the outcome is false", async () => {
    configure();
    await startDaemon();
    const { status, stdout, stderr } = await run(["info", "nope", "newest"]);
    expect({ status, stdout }).toEqual({ status: 5, stdout: "" });
    expect(stderr).toContain("info failed: there is no server nope in the configuration");
    expect(stderr).toContain("fix:  Use the name of a server section");
    expect(stderr).toContain("code: SERVER_UNKNOWN, error 2201");
  });

  const outcomes: readonly (readonly [string, object, number])[] = [
    ["pgmoneta's own failure", { Status: false, Error: 600, Workflow: "restore" }, 40],
    ["an unknown number", { Status: false, Error: 4711, Workflow: "x" }, 1],
    ["a failure that claims status 0", { Status: false, Error: 113, Exit: 0 }, 1],
    ["a failure that claims status 256", { Status: false, Error: 113, Exit: 256 }, 1],
    ["a failure that claims a negative status", { Status: false, Error: 113, Exit: -1 }, 1],
  ];
  it.each(outcomes)("never ends with 0 for %s", async (_what, outcome, expected) => {
    configure();
    const text = JSON.stringify({ Header: {}, Request: {}, Response: { Server: "primary" }, Outcome: outcome });
    const fake = createServer((socket) => {
      const header = Buffer.alloc(6);
      header.writeUInt32BE(text.length, 2);
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(Buffer.concat([header, Buffer.from(text)])));
    });
    await new Promise<void>((resolve) => fake.listen(join(directory, ".s.pgmoneta"), resolve));
    const { status, stderr } = await run(["restore", "primary", "newest", "/r"]);
    fake.close();
    expect(status).toBe(expected);
    expect(stderr).toContain("restore failed");
  });

  it("ends with 3 and says what to do when there is no daemon", async () => {
    configure();
    const { status, stderr } = await run(["ping"]);
    expect(status).toBe(3);
    expect(stderr).toContain("no daemon has created it");
    expect(stderr).toContain("--offline");
  });

  it("refuses root before it does anything", async () => {
    configure();
    await startDaemon();
    const { status, stderr } = await run(["ping"], { userId: 0 });
    expect({ status, asked: requests.length }).toEqual({ status: 2, asked: 0 });
    expect(stderr).toContain("does not run as root");
    expect((await run(["-V"], { userId: 0 })).status).toBe(0);
  });

  it("prints pgmoneta's documents with --format json and raw, also from the configuration", async () => {
    configure();
    await startDaemon();
    expect(documentOf(await run(["ping", "-F", "json"]))).toMatchObject({
      Header: { Command: "ping", Output: "json" },
      Outcome: { Status: true },
    });
    const raw = documentOf(await run(["list-backup", "primary", "-F", "raw"]));
    expect(raw).toMatchObject({
      Header: { Command: 2, Output: 2 },
      Response: { Backups: [{ BackupSize: 8_060_928, Valid: 1 }, {}] },
    });
    configure("output = json");
    expect(documentOf(await run(["ping"]))).toMatchObject({ Header: { Output: "json" } });
    expect((await run(["ping", "-F", "text"])).stdout).toContain("The daemon answers");
    expect(await run(["ping", "-F", "yaml"])).toMatchObject({ status: 2, stdout: "" });
  });

  it("prints a document for a failure too, whoever noticed it", async () => {
    configure();
    const unreachable = await run(["info", "primary", "newest", "-F", "json"]);
    expect(unreachable.status).toBe(3);
    expect(documentOf(unreachable)).toMatchObject({
      Header: { Command: "info" },
      Outcome: { Status: false, Code: "DAEMON_UNREACHABLE", Exit: 3 },
    });
    await startDaemon();
    const unknown = await run(["info", "nope", "newest", "-F", "raw"]);
    expect(unknown.status).toBe(5);
    expect(documentOf(unknown)).toMatchObject({ Outcome: { Status: false, Error: 2201, Code: "SERVER_UNKNOWN" } });
  });

  it("says how it ended with --verbose, without spoiling a document", async () => {
    configure();
    await startDaemon();
    expect((await run(["-v", "ping"])).stdout).toMatch(/\nSuccess \(0\)\n$/);
    expect((await run(["-v", "info", "nope", "newest"])).stdout).toBe("Error (2201)\n");
    const json = await run(["-v", "ping", "-F", "json"]);
    documentOf(json);
    expect(json.stderr).toBe("Success (0)\n");
  });

  it("speaks zstd and AES when there is no client configuration and a master key, as pgmoneta does", async () => {
    const keyFile = createMasterKey();
    writeFileSync(join(directory, "pgmoneta.conf"), "");
    await startDaemon(answering, keyFile);
    const environment = { PGMONETA_CONFIG_DIR: directory };
    // Only the socket's directory is taken from the configuration of the daemon.
    writeFileSync(
      join(directory, "pgmoneta.conf"),
      `[pgmoneta]\nhost = *\nbase_dir = ${directory}\nunix_socket_dir = ${directory}\n[primary]\nhost = /tmp\nport = 5432\nuser = repl\nwal_slot = repl\n`,
    );
    const { status, stderr } = await run(["ping"], { environment });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(requests[0]?.document.Header).toMatchObject({ Compression: 2, Encryption: 1 });
  });

  it("asks in clear when only the default encrypted and the daemon has no master key", async () => {
    createMasterKey();
    writeFileSync(
      join(directory, "pgmoneta.conf"),
      `[pgmoneta]\nhost = *\nbase_dir = ${directory}\nunix_socket_dir = ${directory}\n[primary]\nhost = /tmp\nport = 5432\nuser = repl\nwal_slot = repl\n`,
    );
    await startDaemon();
    expect((await run(["ping"])).status).toBe(0);
    expect(requests.map((request) => request.document.Header.Encryption)).toEqual([0]);
    const asked = await run(["ping", "-E", "aes"]);
    expect(asked.status).toBe(4);
    expect(asked.stderr).toContain("MANAGEMENT_MASTER_KEY_MISSING");
  });

  it("speaks in clear without a master key, unless encryption was asked for", async () => {
    writeFileSync(
      join(directory, "pgmoneta.conf"),
      `[pgmoneta]\nhost = *\nbase_dir = ${directory}\nunix_socket_dir = ${directory}\n[primary]\nhost = /tmp\nport = 5432\nuser = repl\nwal_slot = repl\n`,
    );
    await startDaemon();
    expect((await run(["ping"])).status).toBe(0);
    expect(requests[0]?.document.Header).toMatchObject({ Compression: 2, Encryption: 0 });
    const refused = await run(["ping", "-E", "aes192"]);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("MASTER_KEY_MISSING");
    expect(requests).toHaveLength(1);
  });

  it("speaks plainly when a client configuration was found, and what an option or the file says", async () => {
    const keyFile = createMasterKey();
    await startDaemon(answering, keyFile);
    configure();
    await run(["ping"]);
    configure("compression = lz4", "encryption = aes128");
    await run(["ping"]);
    await run(["-C", "bz2", "-E", "none", "ping"]);
    expect(requests.map(({ document: { Header } }) => [Header.Compression, Header.Encryption])).toEqual([
      [0, 0],
      [3, 3],
      [4, 0],
    ]);
  });

  it("says where it looked when it cannot tell where the daemon listens", async () => {
    const { status, stderr } = await run(["ping"]);
    expect(status).toBe(2);
    expect(stderr).toContain("there is no pgmoneta_cli.conf");
    expect(stderr).toContain(`there is no pgmoneta.conf in "${directory}"`);
    writeFileSync(join(directory, "pgmoneta.conf"), "[pgmoneta]\nhots = x\n");
    expect((await run(["ping"])).stderr).toContain("pgmoneta.conf:2: hots: expected a key of this section: did you mean host?");
  });

  it("reaches the daemon by a pgmoneta.conf that became wrong: it is the daemon that must say so", async () => {
    await startDaemon();
    const conf = join(directory, "pgmoneta.conf");
    writeFileSync(conf, `[pgmoneta]\nunix_socket_dir = ${directory}\nhots = x\n[a\n`);
    expect(await run(["-D", directory, "ping"])).toMatchObject({ status: 0, stderr: "" });
    writeFileSync(conf, `[pgmoneta]\nhots = x\nunix_socket_dir = ""\n`);
    const { status, stderr } = await run(["-D", directory, "ping"]);
    expect(status).toBe(2);
    expect(stderr).toContain("pgmoneta.conf:2: hots: expected a key of this section");
    expect(requests).toHaveLength(1);
  });

  it("names file and line of a wrong configuration", async () => {
    configure("compresion = none");
    const { status, stderr } = await run(["ping"]);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/pgmoneta_cli\.conf:3: .*compresion/);
  });

  it("writes its own log where it is told to", async () => {
    configure();
    await startDaemon();
    const log = join(directory, "cli.log");
    await run(["-L", log, "ping"]);
    await run(["-L", log, "info", "nope", "x"]);
    expect(readFileSync(log, "utf8")).toMatch(/ping: success[\s\S]*info: there is no server nope/);
    configure("log_type = file", `log_path = ${directory}/other.log`, "log_level = error");
    await run(["ping"]);
    expect(existsSync(join(directory, "other.log"))).toBe(true);
    expect(readFileSync(join(directory, "other.log"), "utf8")).toBe("");
  });
});

describe("moneta-cli and a job", () => {
  const job: JobSummary = {
    id: "7",
    server: "primary",
    command: "backup",
    state: "running",
    phase: "base backup",
    doneBytes: 500,
    totalBytes: 1000,
    elapsedMs: 1000,
    bytesPerSecond: 500,
    remainingMs: 1000,
  };

  /** A daemon whose backup ends when the client has looked at its progress, or when `release` is called. */
  function backingUp(until: "looked" | "released"): {
    readonly handle: ManagementHandler;
    release(): void;
    readonly looks: () => number;
  } {
    let release = (): void => undefined;
    let looks = 0;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const handle: ManagementHandler = async (request) => {
      if (request.command === "progress") {
        looks += 1;
        if (until === "looked" && looks >= 3) release();
        return {
          status: true,
          response: progressResponse(primary, [
            { ...job, id: "3", doneBytes: 990, reason: "another" },
            { ...job, doneBytes: looks * 100 },
          ]),
        };
      }
      await gate;
      return { status: true, response: backupResponse(primary, newer, 1234) };
    };
    return { handle, release: () => release(), looks: () => looks };
  }

  it("shows a bar on a terminal, follows its own job, and takes the bar away at the end", async () => {
    configure();
    await startDaemon(backingUp("looked").handle);
    const { status, stdout, stderr } = await run(["backup", "primary"], { tty: true });
    expect(status).toBe(0);
    expect(stdout).toBe("Backup 20261120090138 of primary is valid: 7.68 MB stored in 4.09 MB in 1.2 s.\n");
    const frames = stderr.split("\r").filter((frame) => frame.includes("%"));
    expect(frames.length).toBeGreaterThanOrEqual(2);
    expect(frames.every((frame) => frame.includes("base backup  [") && !frame.includes("99 %"))).toBe(true);
    expect(stderr.endsWith("\r\u001b[K")).toBe(true);
  });

  it("writes plain lines where there is no terminal, and none for documents", async () => {
    configure();
    await startDaemon(backingUp("looked").handle);
    const { stderr } = await run(["backup", "primary"]);
    expect(stderr).toBe("backup (job 7): base backup, 10 %, 100 B of 1000 B, 500 B/s, 1.0 s left\n");
    await server?.close(true);
    const raw = backingUp("released");
    await startDaemon(raw.handle);
    const waiting = run(["backup", "primary", "-F", "raw"]);
    await waitFor("it was asked", () => requests.length > 0);
    raw.release();
    expect((await waiting).stderr).toBe("");
    expect(raw.looks()).toBe(0);
  });

  it("shows how far the conversion of a file is, which it asks for by the file", async () => {
    configure();
    let looked = false;
    await startDaemon(async (request) => {
      if (request.command === "progress") {
        looked = true;
        return { status: true, response: filesProgressResponse([{ ...job, id: "file-1", server: "", command: "compress", file: "/srv/f", phase: "none" }]) };
      }
      await waitFor("it was asked", () => looked);
      return { status: true, response: conversionResponse({ destination: "/srv/f.zstd", sourceSize: 1000, size: 10 }) };
    });
    const { status, stderr } = await run(["compress", "/srv/f"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "compress of /srv/f (job file-1): 50 %, 500 B of 1000 B, 500 B/s, 1.0 s left\n" });
    expect(requests.find(({ command }) => command === "progress")?.fields).toMatchObject({ SourceFile: "/srv/f", Command: "compress" });
  });

  it("does not fail for a daemon that cannot tell the progress", async () => {
    configure();
    let asked = 0;
    await startDaemon(async (request) => {
      if (request.command === "progress") {
        asked += 1;
        throw managementErrors.serverUnknown("no");
      }
      await waitFor("it was asked", () => asked >= 2);
      return { status: true, response: backupResponse(primary, newer, 1) };
    });
    expect((await run(["backup", "primary"])).status).toBe(0);
  });

  it("ends with 130 on an interruption and says that the job goes on", async () => {
    configure();
    const daemon = backingUp("released");
    await startDaemon(daemon.handle);
    const controller = new AbortController();
    const running = run(["backup", "primary"], { interrupted: controller.signal });
    await waitFor("it looks at the progress", () => daemon.looks() > 0);
    controller.abort("SIGINT");
    const { status, stderr } = await running;
    expect(status).toBe(130);
    expect(stderr).toContain("a job that was started goes on");
    expect(stderr).toContain("moneta-cli cancel");
    daemon.release();
  });
});
