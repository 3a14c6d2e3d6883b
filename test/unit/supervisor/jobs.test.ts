import { describe, expect, it } from "vitest";
import { commonErrors, errorToRecord } from "../../../src/common/index.ts";
import type { JobRequest, JobResult, ToJob } from "../../../src/ipc/index.ts";
import { createSegment, openStateReader } from "../../../src/state/index.ts";
import type { Job, JobContext, JobOutcome } from "../../../src/supervisor/job.ts";
import { createJobs } from "../../../src/supervisor/jobs.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { createManualClock, createRecordingLogger, createSpawner, settled, type StandInProcess } from "./stand-ins.ts";

const backup: JobRequest = { command: "backup", parent: null };
const removal: JobRequest = { command: "delete", backup: "oldest", force: false };
const result: JobResult = { label: "20261120090136", notes: [], facts: {} };

function setUp(records = 8, findDone: JobContext["findDone"] = () => Promise.resolve(undefined)) {
  const clock = createManualClock();
  const { logger, records: lines } = createRecordingLogger();
  const { spawn, processes } = createSpawner();
  const segment = createSegment({ servers: 2, jobs: records });
  const ended: [number, string][] = [];
  const jobs = createJobs({
    segment,
    clock,
    logger,
    serverIndex: (server) => (server === "primary" ? 0 : 1),
    spawn,
    startMessage: (job) => ({ type: "cancel", reason: `start of ${job.id}` }),
    onLog: () => undefined,
    onArchived: () => undefined,
    findDone,
    onEnd: (job: Job, outcome: JobOutcome) => ended.push([job.id, outcome.state]),
    cancelGraceMs: 10_000,
  });
  const process = (index: number): StandInProcess => {
    const own = processes[index];
    if (own === undefined) throw new Error(`process ${index} was never started`);
    return own;
  };
  const told = (index: number): ToJob["type"][] => process(index).told.map((message) => message.type);
  const reader = openStateReader(segment);
  return { jobs, clock, process, processes, ended, lines, reader, told };
}

describe("a job", () => {
  it("succeeds with its result, and only when its process is gone", async () => {
    const { jobs, process, ended } = setUp();
    const job = jobs.submit("primary", backup);
    process(0).say({ type: "running" });
    process(0).say({ type: "result", result });
    let done = false;
    void job.done.then(() => (done = true));
    await settled();
    expect([job.state, done, ended]).toEqual(["succeeded", false, []]);
    process(0).end({ code: 0 });
    expect(await job.done).toEqual({ state: "succeeded", result });
    expect(ended).toEqual([[1, "succeeded"]]);
  });

  it("is killed when it has said its last word and does not end", async () => {
    const { jobs, process, clock } = setUp();
    const job = jobs.submit("primary", backup);
    process(0).say({ type: "result", result });
    await clock.advance(10_000);
    expect(process(0).killed).toBe(1);
    expect((await job.done).state).toBe("succeeded");
  });

  it("fails with the error of its process", async () => {
    const { jobs, process } = setUp();
    const job = jobs.submit("primary", backup);
    process(0).say({ type: "running" });
    process(0).say({ type: "failed", error: errorToRecord(supervisorErrors.pidFile("no disk", { path: "/x" })) });
    process(0).end({ code: 1 });
    expect(await job.done).toMatchObject({
      state: "failed",
      error: { code: "PID_FILE", message: "no disk", details: { path: "/x" } },
    });
  });

  it("dies with its process, says by what, and frees its lock for the next", async () => {
    const { jobs, process, processes } = setUp();
    const first = jobs.submit("primary", backup);
    const second = jobs.submit("primary", backup);
    expect([second.state, jobs.blockers(second)]).toEqual(["waiting", [first]]);
    process(0).say({ type: "running" });
    process(0).end({ signal: "SIGSEGV" });
    expect(await first.done).toMatchObject({
      state: "died",
      error: { code: "JOB_DIED", message: expect.stringContaining("SIGSEGV") as string },
    });
    expect([second.state, processes.length]).toEqual(["starting", 2]);
  });

  it("that is cancelled is told to end, and killed when it does not listen", async () => {
    const { jobs, process, clock, told } = setUp();
    const job = jobs.submit("primary", backup);
    process(0).say({ type: "running" });
    job.cancel("an operator cancelled it");
    job.cancel("again");
    expect(told(0)).toEqual(["cancel", "cancel"]);
    await clock.advance(9_999);
    expect(process(0).killed).toBe(0);
    await clock.advance(1);
    expect(process(0).killed).toBe(1);
    expect(await job.done).toMatchObject({
      state: "cancelled",
      error: { code: "JOB_CANCELLED", message: expect.stringContaining("an operator cancelled it") as string },
    });
  });

  it("that was cancelled too late has succeeded all the same", async () => {
    const { jobs, process } = setUp();
    const job = jobs.submit("primary", backup);
    process(0).say({ type: "running" });
    job.cancel("too late");
    process(0).say({ type: "result", result });
    process(0).end({ code: 0 });
    expect((await job.done).state).toBe("succeeded");
  });

  it.each(["SIGKILL", "SIGSEGV"])("whose process ended by %s after its work became visible has succeeded, cancelled or not", async (signal) => {
    const { jobs, process, lines } = setUp(8, (job) => Promise.resolve(job.command === "backup" ? result : undefined));
    for (const cancelled of [true, false]) {
      const job = jobs.submit("primary", backup);
      if (cancelled) job.cancel("too late");
      process(cancelled ? 0 : 1).end({ signal: signal as NodeJS.Signals });
      expect(await job.done).toEqual({ state: "succeeded", result });
    }
    expect(lines.filter(({ level }) => level === "warn")).toEqual([]);
  });

  it("of which it cannot be seen what it did ends as it would have", async () => {
    const { jobs, process, lines } = setUp(8, () => Promise.reject(new Error("EIO")));
    const job = jobs.submit("primary", backup);
    process(0).end({ signal: "SIGKILL" });
    expect((await job.done).state).toBe("died");
    expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([expect.stringContaining("could not be seen: EIO") as string]);
  });

  it("that is cancelled and says so is cancelled, one that fails on the way out has failed", async () => {
    for (const [error, state] of [
      [commonErrors.aborted("cancelled"), "cancelled"],
      [supervisorErrors.pidFile("the disk is gone"), "failed"],
    ] as const) {
      const { jobs, process } = setUp();
      const job = jobs.submit("primary", backup);
      process(0).say({ type: "running" });
      job.cancel("an operator");
      process(0).say({ type: "failed", error: errorToRecord(error) });
      process(0).end({ code: 1 });
      expect((await job.done).state).toBe(state);
    }
  });

  it("that waits is cancelled without ever running", async () => {
    const { jobs, processes } = setUp();
    jobs.submit("primary", backup);
    const waiting = jobs.submit("primary", backup);
    waiting.cancel("an operator");
    expect((await waiting.done).state).toBe("cancelled");
    expect([processes.length, jobs.active("primary")]).toEqual([1, [jobs.get(1)]]);
  });
});

describe("the jobs of the daemon", () => {
  it("stand in the state segment while they are remembered", () => {
    const { jobs, process, reader, clock } = setUp();
    void clock.advance(5000);
    const job = jobs.submit("other", backup);
    process(0).say({ type: "running" });
    process(0).say({ type: "state", delta: { phase: "base backup", bytesDone: 5, bytesTotal: 10 } });
    expect(reader.job(0)).toMatchObject({
      id: 1,
      server: 1,
      command: "backup",
      state: "running",
      phase: "base backup",
      bytesDone: 5,
      bytesTotal: 10,
      started: 5000,
    });
    expect(jobs.stateOf(job)).toMatchObject({ bytesDone: 5 });
  });

  it("keep their outcomes until the records are needed, and refuse more than they can hold", async () => {
    const { jobs, process } = setUp(3);
    const first = jobs.submit("primary", backup);
    process(0).end({ signal: "SIGKILL" });
    await first.done;
    expect(jobs.last("primary")).toBe(first);
    const active = [1, 2].map(() => jobs.submit("primary", backup));
    expect(jobs.get(1)).toBe(first);
    active.push(jobs.submit("primary", backup));
    expect([jobs.get(1), jobs.stateOf(first)]).toEqual([undefined, undefined]);
    expect(() => jobs.submit("primary", backup)).toThrow(expect.objectContaining({ code: "JOBS_EXHAUSTED" }));
    expect(jobs.active("primary")).toEqual(active);
  });

  it("forget the daemon's housekeeping before what an operator asked for", async () => {
    const { jobs, process } = setUp(2);
    const asked = jobs.submit("primary", backup);
    process(0).end({ signal: "SIGKILL" });
    await asked.done;
    const clean = jobs.submit("primary", { command: "clean" });
    process(1).say({ type: "result", result });
    process(1).end({ code: 0 });
    await clean.done;
    jobs.submit("primary", backup);
    expect([jobs.last("primary"), jobs.get(clean.id)]).toEqual([asked, undefined]);
  });

  it("are cancelled when the daemon stops, except a deletion that runs, which is waited for", async () => {
    const { jobs, process, told } = setUp();
    const deletion = jobs.submit("primary", removal);
    const other = jobs.submit("other", backup);
    const waiting = jobs.submit("primary", removal);
    for (const index of [0, 1]) process(index).say({ type: "running" });
    let drained = false;
    const drain = jobs.drain("the daemon stops").then(() => (drained = true));
    expect(() => jobs.submit("primary", backup)).toThrow(expect.objectContaining({ code: "DAEMON_STOPPING" }));
    expect((await waiting.done).state).toBe("cancelled");
    expect([told(0), told(1)]).toEqual([["cancel"], ["cancel", "cancel"]]);
    process(1).say({ type: "failed", error: errorToRecord(commonErrors.aborted("stopped")) });
    process(1).end({ code: 1 });
    expect((await other.done).state).toBe("cancelled");
    await settled();
    expect(drained).toBe(false);
    process(0).say({ type: "result", result });
    process(0).end({ code: 0 });
    expect((await deletion.done).state).toBe("succeeded");
    await drain;
  });

  it("are reported by number and reason when a process cannot even be started", async () => {
    const clock = createManualClock();
    const { logger } = createRecordingLogger();
    const jobs = createJobs({
      segment: createSegment({ servers: 1, jobs: 2 }),
      clock,
      logger,
      serverIndex: () => 0,
      spawn: () => {
        throw supervisorErrors.childLost("no more processes");
      },
      startMessage: () => ({ type: "cancel", reason: "" }),
      onLog: () => undefined,
      onArchived: () => undefined,
      findDone: () => Promise.resolve(undefined),
      onEnd: () => undefined,
      cancelGraceMs: 1,
    });
    const job = jobs.submit("primary", backup);
    expect(await job.done).toMatchObject({ state: "failed", error: { code: "CHILD_LOST" } });
    expect(jobs.active("primary")).toEqual([]);
  });
});
