/** All jobs of the daemon: submitted, queued, run, remembered. Each has a record in the state segment while it is remembered. */
import type { Clock } from "../common/index.ts";
import type { FromJob, JobRequest, LiveSettings, ToJob } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import type { JobCommand, JobState, StateSegment } from "../state/index.ts";
import { openStateWriter } from "../state/index.ts";
import { supervisorErrors } from "./errors.ts";
import { inPatience } from "./in-patience.ts";
import { createJob, type Job, type JobContext, type JobOutcome } from "./job.ts";
import { isFinal } from "./job-machine.ts";
import { jobTraits } from "./job-table.ts";
import { takesAway } from "./locks.ts";
import { createJobQueue } from "./queue.ts";

export interface JobsOptions {
  readonly segment: StateSegment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly serverIndex: (server: string) => number;
  readonly spawn: JobContext["spawn"];
  readonly startMessage: JobContext["startMessage"];
  readonly onLog: (message: FromJob & { type: "log" }) => void;
  readonly labelBefore: JobContext["labelBefore"];
  readonly findDone: JobContext["findDone"];
  readonly onArchived: (server: string, segments: number, storedBytes: number, command: JobCommand) => void;
  /** A job has its outcome and nothing of it runs any more. */
  readonly onEnd: (job: Job, outcome: JobOutcome) => void;
  /** A server has other jobs than before, or one of them began. */
  readonly onChange: (server: string) => void;
  /** Resolves when the last change of the jobs of a server is on disk; undefined when it is already. Never rejects. */
  readonly recorded: (server: string) => Promise<void> | undefined;
  /** A job that runs works with fewer backups than before. */
  readonly onNarrowed: (job: Job) => void;
  readonly cancelGraceMs: number;
}

export interface Jobs {
  /** Puts a job in line. Throws `DAEMON_STOPPING` or `JOBS_EXHAUSTED`. */
  submit(server: string, request: JobRequest): Job;
  get(id: number): Job | undefined;
  /** Whether it is on disk that the job was asked for: before that nobody is told of it. */
  accepted(job: Job): boolean;
  /** Resolves when that holds for all jobs of a server that were asked for so far; after some seconds whatever the disk does. Never rejects. */
  whenAccepted(server: string): Promise<void>;
  /** Jobs of a server that have no outcome yet, running ones first. */
  active(server: string, command?: JobCommand): readonly Job[];
  /** The newest job of a server that an operator asked for and that has its outcome. */
  last(server: string, command?: JobCommand): Job | undefined;
  /** Its record of the state segment; undefined when that is used by a newer job. */
  stateOf(job: Job): JobState | undefined;
  /** What a waiting job waits for. */
  blockers(job: Job): readonly Job[];
  /** Which one a waiting job is among those of its server that wait, from 1; undefined for one that does not wait. */
  placeInLine(job: Job): number | undefined;
  /**
   * Does something while no job takes a backup of the server out of view: those that may still do so are waited for,
   * those that wait go on waiting. One such thing at a time for a server.
   */
  whileNothingIsRemoved<T>(server: string, action: () => Promise<T>): Promise<T>;
  /** Tells every running job of a server. */
  tell(server: string, message: ToJob, only?: (job: Job) => boolean): void;
  reconfigure(live: (server: string) => LiveSettings): void;
  /** Takes no more jobs, cancels what waits and what may be cancelled; resolves when no job runs. */
  drain(reason: string): Promise<void>;
  kill(): void;
  /** Whether no more jobs are taken. */
  readonly stopping: boolean;
}

export function createJobs(options: JobsOptions): Jobs {
  const { segment, logger } = options;
  const writer = openStateWriter(segment);
  /** The job of each record of the segment, newest use. */
  const slots = new Array<Job | undefined>(segment.shape.jobs);
  let lastId = 0;
  let stopping: string | undefined;
  const queue = createJobQueue<Job>((job) => job.dispatch());
  /** Those of which it is not on disk yet that they were asked for. */
  const entering = new Map<Job, Promise<void>>();
  const recorded = ({ command, server }: Job): Promise<void> | undefined => {
    options.onChange(server);
    // Nobody asks the next daemon for housekeeping, and WAL must not wait for it.
    return jobTraits[command].visible ? options.recorded(server) : undefined;
  };
  const turns = new Map<string, Promise<unknown>>();

  const remembered = (): Job[] => slots.filter((job) => job !== undefined);
  const freeSlot = (): number => {
    const empty = slots.findIndex((job) => job === undefined);
    if (empty >= 0) return empty;
    // Outcomes that somebody may ask for go last: first those of the daemon's own housekeeping.
    const rank = (job: Job): number => (jobTraits[job.command].visible ? 1e15 : 0) + job.id;
    const ended = slots
      .map((job, slot) => ({ job, slot }))
      .filter(
        (one): one is { job: Job; slot: number } =>
          one.job !== undefined && isFinal(one.job.state) && one.job.ended !== undefined,
      )
      .sort((a, b) => rank(a.job) - rank(b.job));
    const oldest = ended[0];
    if (oldest === undefined) throw supervisorErrors.jobsExhausted(`${slots.length} jobs run or wait already`);
    return oldest.slot;
  };
  const onGone = (job: Job): void => {
    const outcome = job.outcome;
    if (outcome === undefined) return;
    logOutcome(logger, job, outcome);
    // The lock is free only now that its owner is gone.
    queue.release(job);
    options.onEnd(job, outcome);
  };

  const jobs: Jobs = {
    submit(server, request) {
      if (stopping !== undefined)
        throw supervisorErrors.stopping(`no new ${request.command} of ${server}: ${stopping}`);
      const slot = freeSlot();
      lastId += 1;
      const job = createJob(lastId, options.serverIndex(server), server, request, {
        record: writer.job(slot),
        clock: options.clock,
        logger,
        spawn: options.spawn,
        startMessage: options.startMessage,
        onLog: options.onLog,
        labelBefore: options.labelBefore,
        findDone: options.findDone,
        recorded,
        onArchived: (segments, storedBytes) => options.onArchived(server, segments, storedBytes, request.command),
        onGone,
        onNarrowed(narrowed) {
          queue.look();
          options.onNarrowed(narrowed);
        },
        cancelGraceMs: options.cancelGraceMs,
      });
      slots[slot] = job;
      queue.add(job);
      const waitsFor = queue.blockers(job)[0];
      const tell = (): void => {
        entering.delete(job);
        const level = jobTraits[request.command].visible ? "info" : "debug";
        if (waitsFor === undefined) logger[level](`job ${job.id}: ${request.command} of ${server} starts`);
        else logger.info(`job ${job.id}: ${request.command} of ${server} waits for job ${waitsFor.id} (${waitsFor.command})`);
      };
      const written = recorded(job);
      if (written === undefined) tell();
      else {
        entering.set(job, inPatience(written, options.clock).then(tell));
      }
      return job;
    },
    accepted: (job) => !entering.has(job),
    async whenAccepted(server) {
      for (const [job, accepted] of [...entering]) if (job.server === server) await accepted;
    },
    get: (id) => remembered().find((job) => job.id === id),
    active: (server, command) =>
      [...queue.running, ...queue.waiting].filter(
        (job) => job.server === server && (command === undefined || job.command === command),
      ),
    last: (server, command) =>
      remembered()
        .filter(
          (job) =>
            job.server === server &&
            job.outcome !== undefined &&
            (command === undefined ? jobTraits[job.command].visible && jobTraits[job.command].follows !== true : job.command === command),
        )
        .sort((a, b) => b.id - a.id)[0],
    stateOf(job) {
      const slot = slots.indexOf(job);
      return slot < 0 ? undefined : writer.job(slot).read();
    },
    blockers: (job) => queue.blockers(job),
    placeInLine(job) {
      const place = queue.waiting.filter(({ server }) => server === job.server).indexOf(job);
      return place < 0 ? undefined : place + 1;
    },
    whileNothingIsRemoved(server, action) {
      const inTurn = async (): Promise<Awaited<ReturnType<typeof action>>> => {
        const letGo = queue.hold(server, takesAway);
        try {
          await Promise.all(
            queue.running.filter((job) => job.server === server && takesAway(job.command)).map((job) => job.settled),
          );
          return await action();
        } finally {
          letGo();
        }
      };
      const turn = (turns.get(server) ?? Promise.resolve()).then(inTurn);
      // The failure belongs to this caller; the next one has a turn of his own.
      turns.set(
        server,
        turn.catch(() => undefined),
      );
      return turn;
    },
    tell(server, message, only) {
      for (const job of queue.running) if (job.server === server && (only?.(job) ?? true)) job.tell(message);
    },
    reconfigure(live) {
      for (const job of queue.running) job.tell({ type: "reconfigure", live: live(job.server) });
    },
    async drain(reason) {
      stopping = reason;
      queue.close();
      const all = [...queue.running, ...queue.waiting];
      for (const job of all) {
        if (job.state === "waiting" || jobTraits[job.command].onShutdown === "cancel") job.cancel(reason);
        else logger.info(`job ${job.id} (${job.command} of ${job.server}) is waited for`);
      }
      await Promise.all(all.map((job) => job.done));
    },
    kill() {
      // One that has no process yet leaves the list at once.
      for (const job of [...queue.running]) job.kill();
    },
    get stopping() {
      return stopping !== undefined;
    },
  };
  return jobs;
}

/** The daemon's own housekeeping is worth a line only when it fails. */
function logOutcome(logger: Logger, job: Job, outcome: JobOutcome): void {
  const { visible } = jobTraits[job.command];
  if (outcome.state === "succeeded") {
    logger[visible ? "info" : "debug"](`job ${job.id}: ${job.command} of ${job.server} succeeded`, {
      label: outcome.result.label,
    });
    return;
  }
  const cancelled = visible ? "warn" : "debug";
  logger[outcome.state === "cancelled" ? cancelled : "error"](`job ${job.id}: ${outcome.error.message}`, {
    code: outcome.error.code,
    state: outcome.state,
  });
}
