import { describe, expect, it } from "vitest";
import { commonErrors, errorToRecord } from "../../../src/common/index.ts";
import type { JobRequest, JobResult, ToJob } from "../../../src/ipc/index.ts";
import { openJobJournal } from "../../../src/repository/index.ts";
import { createSegment, openStateReader } from "../../../src/state/index.ts";
import { openLocalStorage, type Storage } from "../../../src/storage/index.ts";
import type { Job, JobContext, JobOutcome } from "../../../src/supervisor/job.ts";
import { createJobRecorder } from "../../../src/supervisor/job-journal.ts";
import { createJobs } from "../../../src/supervisor/jobs.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createManualClock, createRecordingLogger, createSpawner, settled, type StandInProcess } from "./stand-ins.ts";

const backup: JobRequest = { command: "backup", parent: null };
const removal: JobRequest = { command: "delete", backup: "oldest", force: false };
const result: JobResult = { label: "20261120090136", notes: [], facts: {} };

function setUp(
  records = 8,
  findDone: JobContext["findDone"] = () => Promise.resolve(undefined),
  storage?: Storage,
  labelBefore: JobContext["labelBefore"] = () => undefined,
) {
  const clock = createManualClock();
  const { logger, records: lines } = createRecordingLogger();
  const { spawn, processes } = createSpawner();
  const segment = createSegment({ servers: 2, jobs: records });
  const ended: [number, string][] = [];
  const narrowed: number[] = [];
  const changes: string[][] = [];
  const recorder = storage === undefined ? undefined : createJobRecorder(storage, logger);
  const jobs = createJobs({
    segment,
    clock,
    logger,
    serverIndex: (server) => (server === "primary" ? 0 : 1),
    spawn,
    startMessage: (job) => ({ type: "cancel", reason: `start of ${job.id}` }),
    onLog: () => undefined,
    onArchived: () => undefined,
    labelBefore,
    findDone,
    onEnd: (job: Job, outcome: JobOutcome) => ended.push([job.id, outcome.state]),
    onNarrowed: (job: Job) => narrowed.push(job.id),
    onChange(server) {
      changes.push(jobs.active(server).map(({ id, state }) => `${id} ${state}`));
      recorder?.note(server, jobs.active(server));
    },
    recorded: (server) => recorder?.behind(server),
    cancelGraceMs: 10_000,
  });
  const process = (index: number): StandInProcess => {
    const own = processes[index];
    if (own === undefined) throw new Error(`process ${index} was never started`);
    return own;
  };
  const told = (index: number): ToJob["type"][] => process(index).told.map((message) => message.type);
  const reader = openStateReader(segment);
  return { jobs, clock, process, processes, ended, narrowed, changes, lines, reader, told };
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

  it("is told of when it comes, begins and ends", async () => {
    const { changes, jobs, process } = setUp();
    const first = jobs.submit("primary", backup);
    const second = jobs.submit("primary", backup);
    process(0).say({ type: "result", result });
    process(0).end({ code: 0 });
    await first.done;
    second.cancel("an operator");
    process(1).end({ signal: "SIGTERM" });
    await second.done;
    expect(changes.map(String)).toEqual(["1 starting", "1 starting", "1 starting,2 waiting", "2 starting", "2 starting", ""]);
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

  it("knows the labels that were there before its process is started, as long as they can be seen", async () => {
    const answers: ((label: string | Error) => void)[] = [];
    const storage = openLocalStorage(temporaryDirectory().path);
    const { jobs, process, processes, lines } = setUp(8, undefined, storage, (job) => {
      if (job.command !== "backup") return undefined;
      return new Promise((resolve, reject) => answers.push((answer) => (typeof answer === "string" ? resolve(answer) : reject(answer))));
    });
    const journal = openJobJournal(storage, "primary");
    const ends = async (index: number): Promise<void> => {
      await waitFor("the process is started", () => processes.length > index);
      process(index).end({ signal: "SIGKILL" });
    };
    const known = jobs.submit("primary", backup);
    await jobs.whenAccepted("primary");
    expect([known.state, known.started, processes.length]).toEqual(["starting", undefined, 0]);
    expect(await journal.read()).toMatchObject([{ started: null, newestBefore: null }]);
    answers[0]?.("20261120090135");
    await waitFor("the process is started", () => processes.length === 1);
    expect(await journal.read()).toMatchObject([{ started: 0, newestBefore: "20261120090135" }]);
    await ends(0);
    await known.done;
    const unseen = jobs.submit("primary", backup);
    answers[1]?.(new Error("EIO"));
    await ends(1);
    await unseen.done;
    expect([known.newestBefore, unseen.newestBefore]).toEqual(["20261120090135", undefined]);
    expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual(["which backups of primary are there before job 2 could not be seen: EIO"]);
    const cancelled = jobs.submit("primary", backup);
    cancelled.cancel("an operator cancelled it");
    answers[2]?.("20261120090135");
    expect(await cancelled.done).toMatchObject({ state: "cancelled", error: { code: "JOB_NOT_BEGUN" } });
    await settled();
    expect(processes).toHaveLength(2);
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
    const waiting = [1, 2].map(() => jobs.submit("primary", backup));
    expect([jobs.get(1), ...waiting].map((job) => job && jobs.placeInLine(job))).toEqual([undefined, 1, 2]);
    const [first, second] = waiting as [Job, Job];
    first.cancel("an operator cancelled it");
    expect(await first.done).toMatchObject({
      state: "cancelled",
      error: {
        code: "JOB_NOT_BEGUN",
        message: "the backup of primary waited in line and never began: an operator cancelled it",
      },
    });
    expect([processes.length, jobs.active("primary"), jobs.placeInLine(second)]).toEqual([1, [jobs.get(1), second], 1]);
  });
});

describe("the file of jobs without an outcome", () => {
  /** A disk that writes when the test lets it. */
  function slowDisk() {
    const disk = openLocalStorage(temporaryDirectory().path);
    const gates: (() => void)[] = [];
    let written = 0;
    const storage: Storage = {
      ...disk,
      async replaceFile(path, content) {
        await new Promise<void>((resolve) => gates.push(resolve));
        await disk.replaceFile(path, content);
        written += 1;
      },
    };
    const write = async (): Promise<void> => {
      await waitFor("something is to be written", () => gates.length > 0);
      const before = written;
      gates.shift()?.();
      await waitFor("it is written", () => written > before);
      for (let turn = 0; turn < 20; turn += 1) await settled();
    };
    return { storage, write, read: () => openJobJournal(disk, "primary").read() };
  }
  const messages = (lines: readonly { readonly message: string }[]): string[] => lines.map(({ message }) => message).filter((message) => !message.includes("→"));

  it("has a job before anybody is told of it and before its process is started, and has its beginning then", async () => {
    const { storage, write, read } = slowDisk();
    const { jobs, processes, lines } = setUp(8, undefined, storage);
    const job = jobs.submit("primary", backup);
    for (let turn = 0; turn < 20; turn += 1) await settled();
    expect([job.state, processes.length, jobs.accepted(job), messages(lines), await read()]).toEqual(["starting", 0, false, [], []]);
    await write();
    expect([processes.length, jobs.accepted(job), messages(lines)]).toEqual([1, true, ["job 1: backup of primary starts"]]);
    expect(await read()).toMatchObject([{ id: 1, command: "backup", started: 0 }]);
    // The same of one that waits, and of its turn: the disk has that it began before it does.
    const second = jobs.submit("primary", backup);
    let known = false;
    void jobs.whenAccepted("primary").then(() => (known = true));
    await jobs.whenAccepted("other");
    expect([jobs.accepted(second), known]).toEqual([false, false]);
    await write();
    expect([jobs.accepted(second), known, messages(lines).at(-1)]).toEqual([true, true, "job 2: backup of primary waits for job 1 (backup)"]);
    expect(await read()).toMatchObject([{ id: 1 }, { id: 2, started: null }]);
    job.cancel("an operator");
  });

  it("has the end of a job, and the beginning of the next, before the outcome is told", async () => {
    const { storage, write, read } = slowDisk();
    const { jobs, process, processes } = setUp(8, undefined, storage);
    const first = jobs.submit("primary", removal);
    jobs.submit("primary", removal);
    await write();
    await write();
    process(0).say({ type: "result", result });
    process(0).end({ code: 0 });
    let told = false;
    void first.done.then(() => (told = true));
    for (let turn = 0; turn < 20; turn += 1) await settled();
    expect([told, processes.length]).toEqual([false, 1]);
    await write();
    expect([told, processes.length]).toEqual([true, 2]);
    expect(await read()).toMatchObject([{ id: 2, started: 0 }]);
  });

  it("does not keep a job from being cancelled or killed, which then never begins", async () => {
    const { storage, write } = slowDisk();
    const { clock, jobs, processes } = setUp(8, undefined, storage);
    const [first, other] = [jobs.submit("primary", backup), jobs.submit("other", backup)];
    // Nor does WAL wait for what is being written of other jobs.
    const housekeeping = jobs.submit("primary", { command: "archive-wal" });
    expect(processes.length).toBe(1);
    first.cancel("an operator cancelled it");
    jobs.kill();
    expect([first.state, other.state]).toEqual(["cancelled", "cancelled"]);
    // The disk does not answer: some seconds later the outcome is told all the same.
    await clock.advance(5000);
    expect(await first.done).toMatchObject({ state: "cancelled", error: { code: "JOB_CANCELLED" } });
    await write();
    expect([processes.length, housekeeping.state, jobs.active("primary")]).toEqual([1, "died", []]);
  });

  it("that cannot be written keeps nothing from being done, and housekeeping does not wait for it", async () => {
    const disk = openLocalStorage(temporaryDirectory().path);
    const storage: Storage = { ...disk, replaceFile: () => Promise.reject(new Error("ENOSPC")) };
    const { jobs, processes, lines } = setUp(8, undefined, storage);
    jobs.submit("other", { command: "clean" });
    expect(processes.length).toBe(1);
    const job = jobs.submit("primary", removal);
    await waitFor("it begins", () => processes.length === 2 && jobs.accepted(job));
    expect([job.state, lines.filter(({ level }) => level === "warn").map(({ message }) => message)]).toEqual([
      "starting",
      ["which jobs of primary have not ended cannot be written down: ENOSPC"],
    ]);
  });
});

const [older, newer] = ["20261120090136", "20261121090136"] as const;
const deletionOf = (label: string): JobRequest => ({ command: "delete", backup: label, force: false });
const verificationOf = (which: string): JobRequest => ({ command: "verify", backup: which, all: false, schedule: null });

describe("a backup in use", () => {
  it("is deleted when its reader has ended, another one at once, and nobody begins to read what is being deleted", async () => {
    const { jobs, process, processes, narrowed } = setUp();
    const reading = jobs.submit("primary", verificationOf(older));
    const [other, same] = [jobs.submit("primary", deletionOf(newer)), jobs.submit("primary", deletionOf(older))];
    expect([other.state, jobs.blockers(same)]).toEqual(["starting", [reading, other]]);
    const late: JobRequest = { command: "archive", backup: newer, position: null, directory: "/a" };
    const reader = jobs.submit("primary", late);
    expect(jobs.blockers(reader)).toEqual([other]);
    process(1).say({ type: "settled" });
    await other.settled;
    expect([narrowed, reader.state, same.state]).toEqual([[2], "starting", "waiting"]);
    process(1).end({ signal: "SIGKILL" });
    await other.done;
    process(0).end({ signal: "SIGKILL" });
    await reading.done;
    expect([same.state, processes.length]).toEqual(["starting", 4]);
  });

  it("may be any one until its reader says which: what is to be deleted waits so long", () => {
    const { jobs, process } = setUp();
    const reading = jobs.submit("primary", verificationOf("newest"));
    const deletion = jobs.submit("primary", deletionOf(older));
    expect([reading.backups, jobs.blockers(deletion)]).toEqual(["all", [reading]]);
    // Who comes later and may choose freely need not wait for a deletion that waits itself.
    const drill: JobRequest = { command: "archive", backup: "newest", position: null, directory: "/a" };
    expect(jobs.submit("primary", drill).state).toBe("starting");
    process(0).say({ type: "uses", backups: [newer], wal: [] });
    process(1).say({ type: "uses", backups: [newer], wal: [] });
    expect(deletion.state).toBe("starting");
  });

  it("is whatever a running backup links to, and the WAL from where it began", () => {
    const { jobs, process } = setUp();
    const job = jobs.submit("primary", backup);
    expect([job.backups, job.wal]).toEqual(["all", "all"]);
    process(0).say({ type: "uses", backups: [newer], wal: [{ timeline: 3, from: "1/A0000028" }] });
    expect([job.backups, job.wal]).toEqual([new Set([newer]), [{ timeline: 3, from: "1/A0000028" }]]);
    expect(jobs.submit("primary", deletionOf(newer)).state).toBe("waiting");
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
    const { jobs, process, told, lines } = setUp();
    const deletion = jobs.submit("primary", removal);
    const other = jobs.submit("other", backup);
    const waiting = jobs.submit("primary", removal);
    for (const index of [0, 1]) process(index).say({ type: "running" });
    let drained = false;
    const drain = jobs.drain("the daemon stops").then(() => (drained = true));
    expect(() => jobs.submit("primary", backup)).toThrow(expect.objectContaining({ code: "DAEMON_STOPPING" }));
    expect(await waiting.done).toMatchObject({ state: "cancelled", error: { code: "JOB_NOT_BEGUN" } });
    expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toContain(
      "job 3: the delete of primary waited in line and never began: the daemon stops",
    );
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
      labelBefore: () => undefined,
      findDone: () => Promise.resolve(undefined),
      onEnd: () => undefined,
      onChange: () => undefined,
      recorded: () => undefined,
      onNarrowed: () => undefined,
      cancelGraceMs: 1,
    });
    const job = jobs.submit("primary", backup);
    expect(await job.done).toMatchObject({ state: "failed", error: { code: "CHILD_LOST" } });
    expect(jobs.active("primary")).toEqual([]);
  });
});
