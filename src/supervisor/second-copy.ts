/**
 * The second copy of a server's WAL as the supervisor sees it: when there is something for it, whether it keeps up, and
 * what to tell the operator when it does not.
 */
import type { Clock, MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import { createArchiver } from "./archiver.ts";
import { supervisorErrors } from "./errors.ts";
import type { Job, JobOutcome } from "./job.ts";

export interface SecondCopyOptions {
  readonly server: string;
  /** `wal_shipping`. */
  readonly directory: string;
  /** Starts a job; throws when none may be started. */
  readonly submit: () => Job;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SecondCopy {
  /** There is more to copy, or less to keep. */
  wake(): void;
  /** The receiver is on this timeline: what the one before ended with is copied at once. */
  onTimeline(timeline: number): void;
  /** So many files came to it; none: it has all that there is. */
  progress(files: number): void;
  /** Its job is over; one of another second copy is none of its own. */
  ended(outcome: JobOutcome, of?: Job): void;
  /** What is wrong with it now. */
  problems(): ProblemSummary[];
  stop(): void;
}

/** A directory that neither takes a file nor says why not for so long does not answer. Milliseconds. */
const STUCK_MS = 60_000;

export function createSecondCopy({ server, directory, submit, clock, logger }: SecondCopyOptions): SecondCopy {
  const worker = createArchiver({
    server,
    submit,
    clock,
    logger,
    lament: `the second copy of the WAL of ${server} is not up to date`,
  });
  let failure: MonetaError | undefined;
  /** Since when something waits and nothing has come, by the monotonic clock. */
  let waitingSince: number | undefined;
  let timeline = 0;

  const copy: SecondCopy = {
    wake() {
      waitingSince ??= clock.monotonic();
      worker.wake("news");
    },
    onTimeline(now) {
      if (now === timeline) return;
      const first = timeline === 0;
      timeline = now;
      if (!first) copy.wake();
    },
    progress(files) {
      waitingSince = files === 0 ? undefined : clock.monotonic();
      if (files === 0 && failure !== undefined) {
        logger.info(`the second copy of the WAL of ${server} is up to date again`);
        failure = undefined;
      }
    },
    ended(outcome, of) {
      if (outcome.state === "failed" || outcome.state === "died") failure = outcome.error;
      worker.ended(outcome, of);
    },
    problems() {
      if (failure !== undefined) {
        const { code, message, hint } = failure;
        return [{ code, message, hint }];
      }
      if (waitingSince === undefined || clock.monotonic() - waitingSince < STUCK_MS) return [];
      const { code, hint } = supervisorErrors.secondCopyStuck.spec;
      return [{ code, message: `the second copy of the WAL in "${directory}" has not moved for ${Math.round((clock.monotonic() - waitingSince) / 1000)} s`, hint }];
    },
    stop: () => worker.stop(),
  };
  return copy;
}
