/** The small parts that the metrics come from. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ManagementHandler, ManagementRequest, ManagementSession } from "../../../src/management/index.ts";
import { flushBucket, timedCalls } from "../../../src/receiver/flush-times.ts";
import { createSegment, flushBounds, flushBuckets, openStateWriter } from "../../../src/state/index.ts";
import { createCommandCounts } from "../../../src/supervisor/command-counts.ts";
import { createJobCounts } from "../../../src/supervisor/job-counts.ts";
import type { Job } from "../../../src/supervisor/job.ts";
import { countLines } from "../../../src/supervisor/line-counts.ts";
import { shownCertificates } from "../../../src/supervisor/metrics-endpoint.ts";
import { processesOf, whyNotReady, type ProcessSources } from "../../../src/supervisor/metrics-sources.ts";
import { measureProcess } from "../../../src/supervisor/process-facts.ts";
import { treeSize } from "../../../src/supervisor/tree-sizes.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";

describe("flush times", () => {
  it("fall into the bucket whose bound is the lowest that is not below them", () => {
    expect(flushBuckets).toHaveLength(flushBounds.length + 1);
    expect([0, 0.0005, 0.0006, 0.001, 10, 10.1].map(flushBucket)).toEqual([flushBuckets[0], flushBuckets[0], flushBuckets[1], flushBuckets[1], flushBuckets[12], "flushesLonger"]);
  });

  it("are those of the system's call, also of one that fails", () => {
    const record = openStateWriter(createSegment({ servers: 1, jobs: 0 })).server(0);
    let now = 0;
    const calls = timedCalls(record, { monotonic: () => (now += 40) });
    expect(() => calls.datasync(-1)).toThrow();
    expect(record.read()).toMatchObject({ flushes50ms: 1, flushes25ms: 0, flushMicros: 40_000 });
  });
});

describe("counts", () => {
  it("of the lines of the log begin again for pgmoneta's names and never for ours", () => {
    const written: unknown[] = [];
    const sink = countLines({ write: (record) => written.push(record), reopen: () => undefined, close: async () => undefined });
    const record = { time: 0, scope: [], message: "", pid: 1 };
    sink.write({ ...record, level: "info", fields: { code: "NOT_COUNTED" } });
    sink.write({ ...record, level: "error", fields: { code: "WAL_GAP" } });
    sink.reset();
    sink.write({ ...record, level: "warn", fields: { code: "WAL_GAP" } });
    expect(written).toHaveLength(3);
    expect(sink.lines).toMatchObject({ info: 1, error: 1, warn: 1, fatal: 0 });
    expect(sink.linesSinceReset).toMatchObject({ info: 0, error: 0, warn: 1 });
    expect([...sink.errors]).toEqual([["WAL_GAP", 2]]);
  });

  it("of commands tell what failed from what did not, and know only servers that there are", async () => {
    let now = 1000;
    const counts = createCommandCounts({ now: () => (now += 1000) });
    const handler: ManagementHandler = async ({ command }) => {
      if (command !== "ping") throw supervisorErrors.stopping("no");
      return { status: true, response: null };
    };
    const counted = counts.around(handler, (name) => name === "primary");
    const ask = (command: string, server?: string) => counted({ command, fields: server === undefined ? {} : { Server: server } } as unknown as ManagementRequest, {} as ManagementSession);
    await ask("ping");
    await expect(ask("backup", "primary")).rejects.toThrow();
    await expect(ask("info", "primary")).rejects.toThrow();
    await expect(ask("backup", "stranger")).rejects.toThrow();
    expect(counts.commands()).toEqual([
      { command: "ping", succeeded: 1, failed: 0 },
      { command: "backup", succeeded: 0, failed: 2 },
      { command: "info", succeeded: 0, failed: 1 },
    ]);
    expect(counts.operations("primary")).toEqual({ count: 2, failed: 2, last: 3000, lastFailed: 3000 });
    expect(counts.operations("stranger").count).toBe(0);
  });

  it("of jobs begin at 0 for what is usual, and take from retention what it removed", () => {
    const counts = createJobCounts();
    expect(counts.ended().find(({ command }) => command === "backup")).toMatchObject({ counts: { succeeded: 0, failed: 0 }, last: undefined });
    const job = (command: string) => ({ command, submitted: 0, started: 1000, ended: 3500 }) as unknown as Job;
    const decisions = [{ label: "1", keep: false }, { label: "2", keep: true }, { label: "3", keep: false }];
    const facts = { decisions, removedWal: { files: 4, bytes: 5 } };
    counts.note(job("retention"), { state: "succeeded", result: { label: null, notes: [], facts } }, 0);
    counts.note(job("retention"), { state: "succeeded", result: { label: null, notes: [], facts: { decisions: null, removedWal: 3 } } }, 0);
    counts.note(job("restore"), { state: "failed", error: supervisorErrors.jobDied("x") }, 77);
    expect(counts.removed()).toEqual({ backups: 2, walFiles: 4, walBytes: 5 });
    expect(counts.stages()).toMatchObject({ restore: 77 });
    expect(counts.ended().find(({ command }) => command === "restore")).toMatchObject({ counts: { failed: 1 }, last: { outcome: "failed", ended: 3500, durationMs: 2500 } });
  });
});

describe("what the system knows", () => {
  it("of a process is what it is, and nothing of one that is not there", async () => {
    const own = await measureProcess(process.pid, 0);
    expect(own?.residentBytes).toBeGreaterThan(10_000_000);
    expect(own?.cpuSeconds).toBeGreaterThan(0);
    expect(own?.threads).toBeGreaterThan(1);
    expect(own?.openFiles).toBeGreaterThan(2);
    expect(await measureProcess(2 ** 22 + 1, 0)).toBeUndefined();
  });

  it("of a directory are the files below it, and links lead nowhere", async () => {
    const directory = mkdtempSync(join(tmpdir(), "mt"));
    mkdirSync(join(directory, "a/b"), { recursive: true });
    writeFileSync(join(directory, "one"), "12345");
    writeFileSync(join(directory, "a/b/two"), "1234567");
    symlinkSync("/usr", join(directory, "a/link"));
    expect(await treeSize(directory)).toBe(12);
    expect(await treeSize(join(directory, "absent"))).toBe(0);
    rmSync(directory, { recursive: true });
  });
});

it("every process of the daemon is known: those of servers, of jobs, of single files and of checks; not what waits for its turn", () => {
  const sources = {
    servers: [{ name: "primary", receiver: { child: { pid: 11 } } }, { name: "offline", receiver: { child: { pid: undefined } } }],
    jobs: { active: (name: string) => (name === "primary" ? [{ command: "backup", pid: 12 }, { command: "restore", pid: undefined }] : []) },
    converter: { active: [{ command: "decrypt", pid: 13 }, { command: "compress", pid: undefined }] },
    prober: { running: new Set([{ pid: 14, server: "primary" }]) },
  } as unknown as ProcessSources;
  expect(processesOf(sources, 10).map(({ pid, kind, server, command }) => [pid, kind, server, command].join(" "))).toEqual([
    "10 supervisor  ",
    "11 receiver primary ",
    "12 job primary backup",
    "13 converter  decrypt",
    "14 prober primary ",
  ]);
});

it("the certificates that clients are shown are told by what they are for, and none that there is not", () => {
  expect(shownCertificates({ metrics: undefined, management: 7 })).toEqual([{ use: "management", expires: 7 }]);
  expect(shownCertificates({ metrics: 5, management: 7 })).toHaveLength(2);
});

describe("readiness", () => {
  it("is refused while the daemon starts or stops, and when the repository does not answer; a forecast is no reason", () => {
    const silent = { ...supervisorErrors.storageSilent.spec, message: "the file system does not answer" };
    const forecast = { ...supervisorErrors.spaceForecast.spec, message: "full soon" };
    expect(whyNotReady(false, false, [])).toEqual(["the daemon is starting"]);
    expect(whyNotReady(true, true, [silent])).toEqual(["the daemon is stopping"]);
    expect(whyNotReady(true, false, [forecast])).toEqual([]);
    expect(whyNotReady(true, false, [silent, forecast])).toEqual(["the file system does not answer"]);
  });
});
