import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorFromRecord, errorToRecord } from "../../../src/common/index.ts";
import {
  createLogForwarder,
  errorRecord,
  fromJob,
  fromReceiver,
  ipcErrors,
  toJob,
  toReceiver,
  type FromJob,
  type FromReceiver,
  type JobStart,
  type Log,
  type ReceiverStart,
  type ToJob,
} from "../../../src/ipc/index.ts";
import type { LogRecord } from "../../../src/log/logger.ts";

const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const server: ReceiverStart["server"] = {
  name: "primary",
  connection: {
    host: "/tmp",
    port: 5432,
    user: "repl",
    applicationName: "moneta",
    tls: { mode: "verify-full", caFile: "/ca" },
    connectTimeoutMs: 10_000,
    authenticationTimeoutMs: 5000,
    keepAlive: true,
    noDelay: true,
    passFile: "/home/moneta/.pgpass",
  },
  slot: "moneta",
  createSlot: false,
  receiverTimeoutMs: 60_000,
  statusIntervalMs: 10_000,
};
const repository: ReceiverStart["repository"] = {
  baseDir: "/srv",
  compression: "zstd",
  compressionLevel: -5,
  compressionSide: "client",
  encryption: "none",
  hash: "sha256",
  link: true,
  memoryBytes: 1 << 26,
  masterKeyFile: "/home/moneta/.pgmoneta/master.key",
};
const live = { configuration: { generation: 1 }, server: { online: true } };
const common = {
  type: "start",
  server,
  repository,
  secrets: { password: "hunter2" },
  live,
  state: { writeLsn: "42" },
} as const;
const start: ReceiverStart = { ...common, role: { follows: true, streams: false, stored: { server: "primary", timeline: 1, lsn: "0/5000100" } } };
const jobStart: JobStart = {
  ...common,
  job: 7,
  version: "0.1.0",
  request: {
    command: "restore",
    backup: "newest",
    position: null,
    directory: "/r",
    dryRun: false,
    copyWal: false,
    tablespaceMap: [{ tablespace: "spare", directory: "/s" }],
    tablespaceMapAll: null,
  },
};
const record: LogRecord = {
  time: 1.5,
  level: "info",
  scope: ["receiver"],
  message: "m",
  fields: { a: 1, b: "x", c: null, d: true },
  pid: 5,
};

describe("messages", () => {
  it("arrive as they were sent", () => {
    const down: ToJob[] = [
      jobStart,
      { ...jobStart, request: { command: "backup", parent: null } },
      { ...jobStart, request: { command: "delete", backup: "oldest", force: true } },
      { ...jobStart, request: { command: "archive-wal" } },
      { type: "cancel", reason: "the operator asked for it" },
      { type: "reconfigure", live },
      { type: "server", state: { flushLsn: "1" } },
      { type: "segment", name: "000000010000000000000001", number: 1 },
    ];
    const up: FromJob[] = [
      { type: "running" },
      { type: "state", delta: { phase: "base backup", bytesDone: 5 } },
      { type: "log", record },
      { type: "failed", error: errorToRecord(ipcErrors.message("m", { a: 1, b: null }, new Error("deep"))) },
      { type: "result", result: { label: "20261120090136", notes: ["one"], facts: { plan: { files: [1, 2, null] } } } },
      { type: "archived", segments: 1, storedBytes: 100 },
    ];
    for (const message of down) expect(toJob(overTheWire(message), "message")).toEqual(message);
    for (const message of up) expect(fromJob(overTheWire(message), "message")).toEqual(message);
    expect(toReceiver(overTheWire(start), "message")).toEqual(start);
    const role = { type: "role", role: { follows: false, streams: true } } as const;
    expect(toReceiver(overTheWire(role), "message")).toEqual(role);
    const receiver: FromReceiver[] = [{ type: "drained" }, { type: "segment", name: "x", number: 0 }];
    for (const message of receiver) expect(fromReceiver(overTheWire(message), "message")).toEqual(message);
  });

  it("are refused when a key is missing, unknown or of another type, and the refusal never shows a value", () => {
    const broken: unknown[] = [
      null,
      [],
      "start",
      { type: "begin" },
      { type: "constructor" },
      { ...start, surprise: 1 },
      { ...start, secrets: { password: 5 } },
      { ...start, secrets: { password: "hunter2", key: "hunter2" } },
      { ...start, server: { ...server, slot: undefined } },
      { ...start, server: { ...server, connection: { ...server.connection, port: "hunter2" } } },
      { ...start, state: { writeLsn: null } },
    ];
    for (const message of broken) {
      let refusal: unknown;
      try {
        toReceiver(overTheWire(message), "message");
      } catch (error) {
        refusal = error;
      }
      expect(refusal, JSON.stringify(message)).toMatchObject({ code: "IPC_MESSAGE" });
      expect(String(refusal)).not.toContain("hunter2");
    }
  });

  it("survive any JSON without throwing anything but a refusal", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const check of [toJob, fromJob, toReceiver, fromReceiver]) {
          try {
            check(value, "message");
          } catch (error) {
            expect(error).toMatchObject({ code: "IPC_MESSAGE" });
          }
        }
      }),
    );
  });

  it("carry only state that belongs to their sender and fits its field", () => {
    for (const delta of [{ id: 1 }, { state: "succeeded" }, { bytesDone: -1 }, { nothing: 1 }]) {
      expect(() => fromJob({ type: "state", delta }, "message"), JSON.stringify(delta)).toThrow(
        expect.objectContaining({ code: "STATE_VALUE" }),
      );
    }
    for (const delta of [{ process: "running" }, { receiver: "dreaming" }, { writeLsn: 5 }]) {
      expect(() => fromReceiver({ type: "state", delta }, "message"), JSON.stringify(delta)).toThrow(
        expect.objectContaining({ code: "STATE_VALUE" }),
      );
    }
  });

  it("carry an error with everything the operator needs", () => {
    const error = ipcErrors.disconnected("the job is gone", { pid: 5 }, new Error("EPIPE"));
    const arrived = errorFromRecord(errorRecord(overTheWire(errorToRecord(error)), "error"));
    expect(arrived).toMatchObject({
      code: "IPC_DISCONNECTED",
      exit: 1,
      retryable: true,
      hint: error.hint,
      message: error.message,
      details: { pid: 5 },
      cause: "EPIPE",
    });
    expect(ipcErrors.disconnected.is(arrived)).toBe(true);
  });
});

describe("the log forwarder", () => {
  it("says how many lines were lost as soon as there is room again", () => {
    let room = 1;
    const sent: Log[] = [];
    const forward = createLogForwarder({
      offer: (message) => {
        if (room === 0) return false;
        room -= 1;
        sent.push(message);
        return true;
      },
    });
    for (const message of ["first", "second", "third"]) forward({ ...record, message });
    room = 2;
    forward({ ...record, message: "fourth" });
    expect(sent.map((message) => message.record.message)).toEqual([
      "first",
      "2 log lines were lost because they came faster than they could be written",
      "fourth",
    ]);
    expect(sent[1]?.record).toMatchObject({ level: "warn", fields: { lost: 2 } });
  });

  it("makes every field fit into JSON", () => {
    const sent: Log[] = [];
    const forward = createLogForwarder({ offer: (message) => sent.push(message) > 0 });
    forward({ ...record, fields: { lsn: 2n ** 63n, gone: undefined, ratio: Number.NaN, ok: 1 } });
    expect(fromJob(overTheWire(sent[0]), "message")).toMatchObject({
      record: { fields: { lsn: "9223372036854775808", ratio: "NaN", ok: 1 } },
    });
  });
});
