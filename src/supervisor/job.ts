/** One operation and everything that is known about it, from the request to the outcome. */
import { createStateMachine, errorFromRecord, commonErrors, messageOf, type Clock, type MonetaError } from "../common/index.ts";
import type { FromJob, JobRequest, JobResult, ToJob, WalUse } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import { decodeDelta, jobFields, type JobCommand, type openStateWriter } from "../state/index.ts";
import { describeEnd, type ProcessEnd, type RunningProcess } from "./child-process.ts";
import { supervisorErrors } from "./errors.ts";
import { inPatience } from "./in-patience.ts";
import { isFinal, jobTable, type JobEvent, type JobPhase } from "./job-machine.ts";
import { backupsOf, type Backups } from "./locks.ts";

export type JobRecordWriter = ReturnType<ReturnType<typeof openStateWriter>["job"]>;

export type JobOutcome =
  | { readonly state: "succeeded"; readonly result: JobResult }
  | { readonly state: "failed" | "cancelled" | "died"; readonly error: MonetaError };

/** What is wrong once a job of a kind has ended: nothing if it succeeded. One that was cancelled says nothing of what was wrong before it. */
export function troubleAfter(outcome: JobOutcome, before: MonetaError | undefined): MonetaError | undefined {
  if (outcome.state === "succeeded") return undefined;
  return outcome.state === "cancelled" ? before : outcome.error;
}

/** What a job needs of its surroundings. */
export interface JobContext {
  readonly record: JobRecordWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Starts the process; the start message is ready to be sent. */
  readonly spawn: (
    job: Job,
    onMessage: (message: FromJob) => void,
    onEnd: (end: ProcessEnd) => void,
  ) => RunningProcess<ToJob>;
  readonly startMessage: (job: Job) => ToJob;
  readonly onArchived?: (segments: number, storedBytes: number) => void;
  readonly onLog: (message: FromJob & { type: "log" }) => void;
  /** The greatest label of its server, for a job whose work is looked for by it; undefined for any other. */
  readonly labelBefore: (job: Job) => Promise<string> | undefined;
  /** What a job whose process ended without a word has done all the same; undefined when nothing is there. */
  readonly findDone: (job: Job) => Promise<JobResult | undefined>;
  /**
   * Something of it changed that must be on disk before anybody relies on it: it began, or it ended. Resolves when it is, or when it
   * could not be written; undefined where nothing is to be waited for. Never rejects.
   */
  readonly recorded: (job: Job) => Promise<void> | undefined;
  /** Its process, if it had one, is gone and the outcome is known: the lock is free. */
  readonly onGone: (job: Job) => void;
  /** It runs on, and works with fewer backups than before. */
  readonly onNarrowed: (job: Job) => void;
  /** How long a job may take to end after it was told to, milliseconds. */
  readonly cancelGraceMs: number;
}

export interface Job {
  readonly id: number;
  readonly server: string;
  readonly command: JobCommand;
  readonly request: JobRequest;
  readonly state: JobPhase;
  /** Milliseconds since 1970. */
  readonly submitted: number;
  readonly started: number | undefined;
  /** Of a backup: the greatest label that was there before its process started, empty for none. Undefined where it is not known. */
  readonly newestBefore: string | undefined;
  readonly ended: number | undefined;
  readonly outcome: JobOutcome | undefined;
  readonly pid: number | undefined;
  /** What it works with at the moment; see `Holder`. */
  readonly backups: Backups;
  /** WAL that it needs besides that of its backups; `all` as long as it is not known which. */
  readonly wal: "all" | readonly WalUse[];
  /** Resolves when it takes nothing out of view any more, at the latest with its end. Never rejects. */
  readonly settled: Promise<void>;
  /**
   * Resolves with the outcome when nothing of the job runs any more and it is on disk that it has ended; where the storage does not
   * answer, some seconds later all the same. Never rejects.
   */
  readonly done: Promise<JobOutcome>;
  /** Its turn has come. */
  dispatch(): void;
  cancel(reason: string): void;
  kill(): void;
  /** Sends a message if its process runs. */
  tell(message: ToJob): void;
}

/** Time for a process to end once it has said how it went, milliseconds. */
const LINGER_MS = 10_000;

export function createJob(
  id: number,
  serverIndex: number,
  server: string,
  request: JobRequest,
  context: JobContext,
): Job {
  const { record, clock, logger } = context;
  const submitted = clock.now();
  const graceful = new AbortController();
  let process: RunningProcess<ToJob> | undefined;
  let started: number | undefined;
  let newestBefore: string | undefined;
  let ended: number | undefined;
  let outcome: JobOutcome | undefined;
  let cancelReason = "it was cancelled";
  let backups = backupsOf(request);
  let wal: Job["wal"] = request.command === "backup" ? "all" : [];
  let settleView: () => void = () => undefined;
  const settled = new Promise<void>((resolve) => {
    settleView = resolve;
  });
  let settle: (outcome: JobOutcome) => void = () => undefined;
  const done = new Promise<JobOutcome>((resolve) => {
    settle = resolve;
  });

  const machine = createStateMachine<JobPhase, JobEvent>(jobTable, "waiting", (from, _event, to) => {
    if (from === to) return;
    logger.debug(`job ${id} (${request.command} of ${server}): ${from} → ${to}`);
    record.set({ state: to });
  });
  record.set({
    id,
    server: serverIndex,
    command: request.command,
    state: "waiting",
    phase: "",
    bytesDone: 0,
    bytesTotal: 0,
    countedFrom: 0,
    started: 0,
    ended: 0,
  });

  const conclude = (event: JobEvent, build: (state: JobPhase) => JobOutcome): void => {
    const state = machine.handle(event);
    if (outcome === undefined && isFinal(state)) outcome = build(state);
  };
  const cancelled = (): MonetaError => {
    const what = `the ${request.command} of ${server}`;
    if (started === undefined) return supervisorErrors.jobNotBegun(`${what} waited in line and never began: ${cancelReason}`);
    return supervisorErrors.jobCancelled(`${what} was cancelled: ${cancelReason}`);
  };
  const gone = (): void => {
    graceful.abort();
    process = undefined;
    ended = clock.now();
    record.set({ ended });
    settleView();
    if (outcome === undefined) return;
    const last = outcome;
    context.onGone(job);
    const written = context.recorded(job);
    if (written === undefined) settle(last);
    else void inPatience(written, clock).then(() => settle(last));
  };
  /** Ends the process when it outlives its welcome. */
  const limitTo = (ms: number, why: string): void => {
    const own = process;
    clock.sleep(ms, graceful.signal).then(
      () => {
        logger.warn(`job ${id} (${request.command} of ${server}) ${why} within ${ms} ms and is killed`);
        own?.kill();
      },
      () => undefined, // It ended in time.
    );
  };
  const receive = (message: FromJob): void => {
    switch (message.type) {
      case "running":
        machine.handle("running");
        return;
      case "state":
        record.set(decodeDelta(jobFields, message.delta));
        return;
      case "log":
        context.onLog(message);
        return;
      case "uses":
        backups = new Set(message.backups);
        wal = message.wal;
        context.onNarrowed(job);
        return;
      case "settled":
        backups = new Set();
        settleView();
        context.onNarrowed(job);
        return;
      case "archived":
        context.onArchived?.(message.segments, message.storedBytes);
        return;
      case "result":
        limitTo(LINGER_MS, "did not end after its last word");
        conclude("result", () => ({ state: "succeeded", result: message.result }));
        return;
      case "failed": {
        limitTo(LINGER_MS, "did not end after its last word");
        const error = errorFromRecord(message.error);
        const obeyed = commonErrors.aborted.is(error) && machine.state === "cancelling";
        conclude(obeyed ? "aborted" : "error", (state) =>
          state === "cancelled" ? { state, error: cancelled() } : { state: "failed", error },
        );
        return;
      }
    }
  };
  /** Its work can have become visible before it was killed, and is there then, whatever was asked. */
  const lookForWork = async (): Promise<void> => {
    try {
      const result = await context.findDone(job);
      if (result !== undefined) conclude("result", () => ({ state: "succeeded", result }));
    } catch (error) {
      logger.warn(`whether the ${request.command} of ${server} (job ${id}) was done when it ended could not be seen: ${messageOf(error)}`);
    }
  };
  const onEnd = (end: ProcessEnd): void => {
    const lost = (): MonetaError =>
      supervisorErrors.jobDied(`the process of the ${request.command} of ${server} ended with ${describeEnd(end)}`, {
        signal: end.signal,
        status: end.code,
      });
    const finish = (): void => {
      conclude("ended", (state) =>
        state === "cancelled" ? { state, error: cancelled() } : { state: "died", error: lost() },
      );
      gone();
    };
    // There is nothing left to kill.
    graceful.abort();
    if (isFinal(machine.state)) finish();
    else void lookForWork().then(finish);
  };

  const prepare = (): void => {
    // It was cancelled while the labels were looked at.
    if (machine.state !== "starting") return;
    started = clock.now();
    record.set({ started });
    // A daemon that dies from here on must not leave behind that this one never began.
    const written = context.recorded(job);
    if (written === undefined) begin();
    else void written.then(begin);
  };
  /** What cannot be seen is not known: then nothing is ever taken for its work. */
  const noteLabel = async (looking: Promise<string>): Promise<void> => {
    try {
      newestBefore = await looking;
    } catch (error) {
      logger.warn(`which backups of ${server} are there before job ${id} could not be seen: ${messageOf(error)}`);
    }
  };
  const begin = (): void => {
    // It was cancelled while it was written down.
    if (machine.state !== "starting") return;
    try {
      process = context.spawn(job, receive, onEnd);
    } catch (error) {
      conclude("error", () => ({
        state: "failed",
        error: supervisorErrors.childLost(`the ${request.command} of ${server} could not be started`, {}, error),
      }));
      gone();
      return;
    }
    job.tell(context.startMessage(job));
  };

  const job: Job = {
    id,
    server,
    request,
    submitted,
    done,
    command: request.command,
    get state() {
      return machine.state;
    },
    get started() {
      return started;
    },
    get newestBefore() {
      return newestBefore;
    },
    get ended() {
      return ended;
    },
    get outcome() {
      return outcome;
    },
    get pid() {
      return process?.pid;
    },
    get backups() {
      return backups;
    },
    get wal() {
      return wal;
    },
    settled,
    dispatch() {
      machine.handle("dispatch");
      const looking = context.labelBefore(job);
      if (looking === undefined) prepare();
      else void noteLabel(looking).then(prepare);
    },
    cancel(reason) {
      if (machine.state === "cancelling" || isFinal(machine.state)) return;
      cancelReason = reason;
      conclude("cancel", () => ({ state: "cancelled", error: cancelled() }));
      if (process === undefined) {
        // It has no process yet.
        conclude("ended", () => ({ state: "cancelled", error: cancelled() }));
        gone();
        return;
      }
      job.tell({ type: "cancel", reason });
      limitTo(context.cancelGraceMs, "did not end");
    },
    kill() {
      if (process === undefined) job.cancel("the daemon ends at once");
      else process.kill();
    },
    tell(message) {
      // A process that is gone has its end reported by onEnd, which decides what becomes of the job.
      process?.channel.send(message).catch(() => undefined);
    },
  };
  return job;
}
