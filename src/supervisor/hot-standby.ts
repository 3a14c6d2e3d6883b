/**
 * The copies of `hot_standby` of a server as the supervisor sees them: brought up to date after each backup, tried again
 * when that failed, and an alarm in `status` as long as they are not fresh.
 */
import { createBackoff, messageOf, type Clock, type MonetaError } from "../common/index.ts";
import type { ServerOptions } from "../config/index.ts";
import type { JobRequest } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { Job, JobOutcome } from "./job.ts";

export interface HotStandbyOptions {
  readonly server: string;
  /** Starts a job; throws when none may be started. */
  readonly submit: () => Job;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface HotStandby {
  /** There is another backup than before, or may be. */
  wake(): void;
  /** Its job is over. */
  ended(outcome: JobOutcome): void;
  /**
   * Resolves when the copies are fresh, or it is known why not: with what is to be said of that. Never rejects.
   */
  settled(): Promise<readonly string[]>;
  /** What is wrong with them now. */
  problems(): ProblemSummary[];
  /** Bytes of all copies, as far as they were seen. */
  readonly size: number;
  stop(): void;
  /** The same where other copies take the place of these: whoever waits hears of it. */
  dismiss(): void;
}

/** What the job of a server is asked for; undefined where no copy is wanted. */
export function hotStandbyRequest({
  hotStandby = [],
  hotStandbyOverrides = [],
  hotStandbyTablespaces = [],
}: Pick<ServerOptions, "hotStandby" | "hotStandbyOverrides" | "hotStandbyTablespaces">): JobRequest | undefined {
  if (hotStandby.length === 0) return undefined;
  const copies = hotStandby.map((directory, index) => ({
    directory,
    overrides: (hotStandbyOverrides[index] ?? "") === "" ? null : (hotStandbyOverrides[index] ?? null),
    tablespaceMap: hotStandbyTablespaces[index] ?? [],
  }));
  return { command: "hot-standby", backup: "newest", copies };
}

export function createHotStandby({ server, submit, clock, logger }: HotStandbyOptions): HotStandby {
  const backoff = createBackoff({ firstMs: 10_000, factor: 2, maxMs: 600_000, jitter: 0.2 });
  const stopped = new AbortController();
  let job: Job | undefined;
  /** A backup came while a job was under way that may have looked for the newest before. */
  let again = false;
  let failure: MonetaError | undefined;
  let size = 0;
  let pause = new AbortController();
  const waiting = new Set<(notes: readonly string[]) => void>();

  const complaint = (error: MonetaError): string => `the hot standbys of ${server} are not up to date: ${error.message}`;
  const settle = (): void => {
    for (const tell of waiting) tell(failure === undefined ? [] : [complaint(failure)]);
    waiting.clear();
  };
  const start = (): void => {
    if (stopped.signal.aborted) return;
    if (job !== undefined) {
      again = true;
      return;
    }
    pause.abort();
    again = false;
    try {
      job = submit();
    } catch (error) {
      // The daemon is stopping, or has more jobs than it can hold: the next backup or the next start comes back to it.
      failure = supervisorErrors.hotStandbyNotBegun(`no job could be started: ${messageOf(error)}`, { server }, error);
      logger.warn(complaint(failure));
      settle();
    }
  };
  const later = (): void => {
    const ms = backoff.next();
    logger.warn(`${complaint(failure ?? supervisorErrors.hotStandbyNotBegun("no job ran"))}; the next attempt is in ${Math.round(ms / 1000)} s`);
    pause = new AbortController();
    clock.sleep(ms, AbortSignal.any([pause.signal, stopped.signal])).then(start, () => undefined); // Something else came first.
  };

  return {
    wake: start,
    ended(outcome) {
      job = undefined;
      if (outcome.state === "succeeded") {
        if (failure !== undefined) logger.info(`the hot standbys of ${server} are up to date again`);
        failure = undefined;
        size = Number(outcome.result.facts["size"] ?? 0);
        backoff.reset();
      } else {
        failure = outcome.error;
        size = Math.max(size, Number(outcome.error.details["size"] ?? 0));
      }
      if (again && !stopped.signal.aborted) {
        start();
        return;
      }
      // Whoever cancelled it does not want it begun again a moment later.
      if (failure !== undefined && outcome.state !== "cancelled" && !stopped.signal.aborted) later();
      settle();
    },
    settled() {
      if (job === undefined) return Promise.resolve(failure === undefined ? [] : [complaint(failure)]);
      return new Promise((resolve) => waiting.add(resolve));
    },
    problems() {
      if (failure === undefined) return [];
      const { code, hint } = failure;
      return [{ code, message: complaint(failure), hint }];
    },
    get size() {
      return size;
    },
    // A job that runs is ended by whoever stops the daemon, and then whoever waits hears of it.
    stop: () => stopped.abort(),
    dismiss() {
      stopped.abort();
      failure ??= supervisorErrors.hotStandbyNotBegun("hot_standby has another value by now", { server });
      settle();
    },
  };
}
