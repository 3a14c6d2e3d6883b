import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { bindInvocation } from "../../../src/cli/invocation.ts";
import { runCli } from "../../../src/cli/index.ts";
import type { OfflineOperations, OfflineSurroundings, Terminal } from "../../../src/cli/index.ts";
import { askOffline } from "../../../src/cli/offline.ts";
import { parseWalGet, runWalGet } from "../../../src/cli/wal-get.ts";
import type { fetchWal } from "../../../src/restore/index.ts";
import { defineErrors, systemClock } from "../../../src/common/index.ts";
import { measureWal } from "../../../src/management/index.ts";
import type { JobSummary } from "../../../src/management/index.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { details, newer, older, primary, verified } from "../management/facts.ts";
import { sample } from "../repository/sample-backup.ts";

const errors = defineErrors({
  missing: { code: "TEST_WAL_MISSING", exit: 7, retryable: false, hint: "There is none." },
});

let directory: string;
let written: { stdout: string; stderr: string };
let terminal: Terminal;
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "off" }).path;
  written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    write: (text: string) => void (written[name] += text),
    isTTY: false,
    columns: 80,
  });
  terminal = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    environment: {},
    userId: 1000,
    homeDirectory: directory,
    clock: systemClock,
    ask: () => Promise.reject(new Error("nobody answers")),
    askSecret: () => Promise.reject(new Error("nobody answers")),
    interactive: false,
    onInterrupt: () => () => undefined,
    interrupted: new AbortController().signal,
    version: "1.2.3",
    defaultDirectory: directory,
  };
});

const job: JobSummary = {
  id: "1",
  server: "primary",
  command: "restore",
  state: "running",
  phase: "restore",
  doneBytes: 1,
  totalBytes: 2,
  elapsedMs: 1,
  bytesPerSecond: 1,
};

interface Opened {
  readonly open: (surroundings: OfflineSurroundings) => Promise<OfflineOperations>;
  readonly asked: unknown[];
  readonly closed: () => number;
}

/** Offline operations that note what they were asked. */
function operations(behaviour: Partial<OfflineOperations> = {}): Opened {
  const asked: unknown[] = [];
  let closed = 0;
  const made: OfflineOperations = {
    listBackups: () => Promise.resolve({ identity: primary, backups: [older, newer] }),
    describeBackup: () => Promise.resolve(details),
    planRetention: () =>
      Promise.resolve({
        identity: primary,
        retention: { policy: "7", minimum: 1, dryRun: true, decisions: [], wal: [], freedBytes: 0, freedAtMost: false, warnings: [] },
      }),
    restore: (request) => {
      const { onProgress, signal, ...facts } = request;
      asked.push(facts);
      onProgress(job);
      expect(signal.aborted).toBe(false);
      const restore = {
        backup: newer,
        directory: "/r/x",
        target: "the end",
        plan: [],
        dryRun: request.dryRun,
        warnings: [],
      };
      return Promise.resolve({ identity: primary, restore });
    },
    archive: ({ onProgress, signal, ...facts }) => {
      asked.push(facts);
      onProgress({ ...job, command: "archive", phase: "compression" });
      expect(signal.aborted).toBe(false);
      const archive = { label: newer.label, file: "/r/a.tar.zstd", size: 1, bytes: 2, target: "the end", warnings: [] };
      return Promise.resolve({ identity: primary, archive });
    },
    verify: ({ onProgress, signal, ...facts }) => {
      asked.push(facts);
      onProgress({ ...job, command: "verify", phase: "verify" });
      expect(signal.aborted).toBe(false);
      return Promise.resolve(verified);
    },
    close: () => {
      closed += 1;
      return Promise.resolve();
    },
    ...behaviour,
  };
  const open = (surroundings: OfflineSurroundings): Promise<OfflineOperations> => {
    asked.push(surroundings.directory);
    return Promise.resolve(made);
  };
  return { open, asked, closed: () => closed };
}

describe("commands without a daemon", () => {
  it("answer with the documents of the daemon", async () => {
    const { open, closed } = operations();
    const list = await askOffline(bindInvocation("list-backup", ["primary"], { sort: "desc" }), "raw", terminal, open);
    expect(list.document).toMatchObject({
      Header: { Command: 2, Output: 2 },
      Request: { Server: "primary", Sort: "desc" },
      Response: { ServerVersion: "0.22.0", Backups: [{ Backup: newer.label }, { Backup: older.label }] },
      Outcome: { Status: true },
    });
    const info = await askOffline(bindInvocation("info", ["primary", "newest"], {}), "raw", terminal, open);
    expect(info.response).toMatchObject({ Backup: newer.label, WAL: "000000010000000000000005" });
    expect(closed()).toBe(2);
  });

  it("pass everything on that a restore needs, and show its progress", async () => {
    const { open, asked } = operations();
    const words = ["primary", "newest", "time=2026-11-20 09:00:00+00", "/r"];
    const invocation = bindInvocation("restore", words, { directory: "/etc/m", dryRun: true, copyWal: true });
    const response = await askOffline(invocation, "text", terminal, open);
    expect(asked).toEqual([
      "/etc/m",
      { server: "primary", backup: "newest", position: words[2], directory: "/r", dryRun: true, copyWal: true, tablespaceMap: { each: [] } },
    ]);
    expect(response.outcome.status).toBe(true);
    expect(written.stderr).toContain("restore (job 1): restore, 50 %");
  });

  it("answer a failure with a failed outcome, and let go of the repository", async () => {
    const { open, closed } = operations({ describeBackup: () => Promise.reject(errors.missing("no such backup")) });
    const response = await askOffline(bindInvocation("info", ["primary", "x"], {}), "text", terminal, open);
    expect(response.outcome).toMatchObject({
      status: false,
      code: "TEST_WAL_MISSING",
      exit: 7,
      message: "no such backup",
    });
    expect(closed()).toBe(1);
  });

  it("are only those that need none", async () => {
    for (const words of [["ping"], ["backup", "primary"], ["delete", "primary", "x"], ["mode", "primary", "online"]]) {
      expect(await runCli(["--offline", ...words], terminal)).toBe(2);
    }
    expect(written.stderr).toContain("Without a daemon these work: list-backup, info");
  });
});

describe("commands on a repository of pgmoneta, without a daemon", () => {
  const fixtures = join(import.meta.dirname, "../../fixtures/repository");
  beforeEach(() => {
    const label = "20261120090138";
    const backup = join(directory, "repository/primary/backup", label);
    mkdirSync(backup, { recursive: true });
    for (const file of ["backup.info", "backup.manifest", "backup.sha512"]) {
      writeFileSync(join(backup, file), readFileSync(join(fixtures, `pgmoneta-0.22-${file}`)));
    }
    mkdirSync(join(directory, "repository/primary/wal"));
    const lines = ["[pgmoneta]", "host = *", `base_dir = ${directory}/repository`, "unix_socket_dir = /nowhere"];
    const server = ["[primary]", "host = /tmp", "port = 5432", "user = repl", "wal_slot = repl"];
    writeFileSync(join(directory, "pgmoneta.conf"), [...lines, ...server, ""].join("\n"));
  });

  it("list and describe what is there", async () => {
    expect(await runCli(["--offline", "-D", directory, "list-backup", "primary"], terminal)).toBe(0);
    expect(written.stdout).toMatch(/^20261120090138 .* full .*valid$/m);
    expect(await runCli(["--offline", "-D", directory, "info", "primary", "newest"], terminal)).toBe(0);
    expect(written.stdout).toMatch(/^Start LSN +0\/5000028$/m);
  });

  it("say what is not there", async () => {
    expect(await runCli(["--offline", "list-backup", "secondary"], terminal)).toBe(5);
    expect(written.stderr).toContain("has no server secondary");
    expect(await runCli(["--offline", "info", "primary", "20200101000000"], terminal)).toBe(40);
    expect(written.stderr).toContain("error 2200");
    expect(await runCli(["--offline", "-D", "/nowhere", "list-backup", "primary"], terminal)).not.toBe(0);
  });
});

describe("restore_command", () => {
  const request = {
    server: "primary",
    file: "000000010000000000000005",
    destination: "pg_wal/RECOVERYXLOG",
    plan: "/r/plan",
  };

  it("ends with 0 for what was delivered and with 100 for the end of the archive", async () => {
    const asked: unknown[] = [];
    const fetch: typeof fetchWal = ({ onAhead, onSecondCopy, ...facts }) => {
      asked.push(facts);
      expect([onAhead, onSecondCopy].map((each) => typeof each)).toEqual(["function", "function"]);
      return Promise.resolve("delivered");
    };
    expect(await runWalGet(request, terminal.stderr, fetch)).toBe(0);
    expect(asked).toEqual([{ plan: "/r/plan", name: "000000010000000000000005", destination: "pg_wal/RECOVERYXLOG" }]);
    expect(await runWalGet(request, terminal.stderr, () => Promise.resolve("absent"))).toBe(100);
    expect(written).toEqual({ stdout: "", stderr: "" });
  });

  it("knows the form that a restore writes without the parser of the command line, and no other", () => {
    const words = ["wal-get", "--plan", "/r/plan", "--", "primary", "000000010000000000000005", "pg_wal/RECOVERYXLOG"];
    expect(parseWalGet(words)).toEqual(request);
    expect(parseWalGet(["-D", "/etc/m", ...words])).toEqual(request);
    for (const other of [
      words.slice(0, -1),
      [...words, "more"],
      ["-X", ...words],
      words.filter((word) => word !== "--"),
      ["restore", ...words],
    ]) {
      expect(parseWalGet(other)).toBeUndefined();
    }
  });

  it("ends with 126 for every failure, so that recovery stops instead of promoting", async () => {
    const failing: readonly (typeof fetchWal)[] = [
      () => Promise.reject(errors.missing("segment 000000010000000000000005 is damaged")),
      () => Promise.reject(new Error("ENOSPC")),
      () => {
        throw new TypeError("a defect");
      },
    ];
    for (const fetch of failing) expect(await runWalGet(request, terminal.stderr, fetch)).toBe(126);
    expect(await runWalGet({ ...request, plan: undefined }, terminal.stderr)).toBe(126);
    expect(written.stderr).toContain("000000010000000000000005 is damaged (TEST_WAL_MISSING)");
  });

  it.each([
    [["wal-get"]],
    [["wal-get", "primary", "000000010000000000000005"]],
    [["wal-get", "primary", "a", "b", "c"]],
    [["wal-get", "--nonsense", "primary", "a", "b"]],
    [["-X", "wal-get", "primary", "a", "b"]],
  ])("ends with 126 for a wrong call: %s", async (words) => {
    expect(await runCli(words, terminal)).toBe(126);
  });
});

describe("WAL of backups", () => {
  const mb = 1024 * 1024;
  const stretch = (timeline: number, start: number, end: number) => ({
    timeline: timelineId(timeline),
    start: lsn(BigInt(start * mb)),
    end: lsn(BigInt(end * mb)),
  });
  const backup = (label: string, at: number, timeline = 1) =>
    sample({ label, startLsn: lsn(BigInt(at * mb) + 40n), startTimeline: timelineId(timeline) });

  it("counts whole segments from the start of each backup, over holes and timelines", () => {
    const backups = [backup("a", 16), backup("b", 64), backup("c", 96, 2)];
    const measured = measureWal(backups, [stretch(1, 0, 48), stretch(1, 64, 96), stretch(2, 80, 128)]);
    const inMb = [...measured].map(([label, wal]) => [label, Number(wal.walBytes) / mb, Number(wal.deltaBytes) / mb]);
    expect(inMb).toEqual([
      ["a", 32 + 32 + 48, 0],
      ["b", 32 + 48, 32],
      ["c", 32, 48],
    ]);
    expect(measureWal([], [])).toEqual(new Map());
  });
});
