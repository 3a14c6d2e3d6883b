/**
 * Sees to it that finished segments get their final form: starts an archiving job when the receiver reports one,
 * lets the running job know of more, and tries again later when a job fails. The job ends by itself after a minute
 * without work, so that an idle server costs no memory.
 */
import { createBackoff, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Job, JobOutcome } from "./job.ts";

export interface ArchiverOptions {
  readonly server: string;
  /** Starts a job; throws when none may be started. */
  readonly submit: () => Job;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What holds as long as the job fails, for the log. */
  readonly lament?: string;
}

export interface Archiver {
  /** A segment is complete, or some may lie there from before. */
  wake(segment?: string): void;
  /** A job of this server's archiver is over; `of` tells whose it was, where there may have been another archiver before. */
  ended(outcome: JobOutcome, of?: Job): void;
  /** What it works with is different now: a job that runs ends after the file in hand, and another one goes on. */
  renew(): void;
  stop(): void;
}

export function createArchiver(options: ArchiverOptions): Archiver {
  const { clock, logger, server } = options;
  const backoff = createBackoff({ firstMs: 2000, factor: 2, maxMs: 60_000, jitter: 0.2 });
  const stopped = new AbortController();
  let job: Job | undefined;
  /** Segments announced since the supervisor started. */
  let announced = 0;
  let waiting = false;
  let renewing = false;

  const start = (): void => {
    if (job !== undefined || waiting || stopped.signal.aborted) return;
    try {
      job = options.submit();
    } catch (error) {
      // The daemon is stopping, or has more jobs than it can hold: the next segment or the next start comes back to it.
      logger.warn(`no job of the archiver could be started for ${server}`, {
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  };
  return {
    wake(segment) {
      if (segment !== undefined) announced += 1;
      if (job !== undefined && segment !== undefined) job.tell({ type: "segment", name: segment, number: announced });
      start();
    },
    ended(outcome, of) {
      if (of !== undefined && of !== job) return;
      job = undefined;
      const renewed = renewing;
      renewing = false;
      if (renewed && outcome.state === "cancelled") {
        start();
        return;
      }
      if (outcome.state === "succeeded") {
        backoff.reset();
        // It may have looked for the last time just before the last announcement.
        if (Number(outcome.result.facts["lastSegment"] ?? 0) < announced) start();
        return;
      }
      if (stopped.signal.aborted) return;
      const ms = backoff.next();
      logger.warn(
        `${options.lament ?? `WAL of ${server} is not archived at the moment; what was received is safe in its raw form`}; the next attempt is in ${Math.round(ms / 1000)} s`,
        {
          code: outcome.error.code,
        },
      );
      waiting = true;
      clock.sleep(ms, stopped.signal).then(
        () => {
          waiting = false;
          start();
        },
        () => undefined, // The daemon stops.
      );
    },
    renew() {
      if (job === undefined) return;
      renewing = true;
      job.cancel("the configuration has changed");
    },
    stop() {
      stopped.abort();
    },
  };
}
