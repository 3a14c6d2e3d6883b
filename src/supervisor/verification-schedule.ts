/**
 * Reads every byte of every valid backup back within a period: begins a verification when one is due, one at a time over
 * all servers, and again where it was when it was stopped.
 */
import { createBackoff, createNap, type Backoff, type Clock, type MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import { startTimeOf, type CatalogEntry } from "../repository/index.ts";
import { verifyErrors } from "../verify/index.ts";
import type { CatalogCache } from "./catalog-cache.ts";
import type { Job, JobOutcome } from "./job.ts";
import type { Jobs } from "./jobs.ts";

export interface VerificationPlan {
  /** 0: nothing is verified by itself. */
  readonly periodMs: number;
  /** Stored bytes a second; 0 is no limit. */
  readonly rateBytes: number;
}

export interface VerificationScheduleOptions {
  /** Names, as they are at the moment. */
  readonly servers: () => readonly string[];
  /** At the moment. */
  readonly plan: () => VerificationPlan;
  readonly jobs: Pick<Jobs, "submit" | "active" | "blockers" | "stopping">;
  readonly catalog: Pick<CatalogCache, "entries" | "refresh">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export interface VerificationSchedule {
  /** Begins to look; ends with the signal. */
  start(): void;
  /** Servers or plan are others than before: looks anew. */
  update(): void;
  /** What status says of a server. */
  problems(server: string): ProblemSummary[];
}

export interface DueVerification {
  readonly label: string;
  /** When it has to begin, milliseconds since 1970. */
  readonly due: number;
}

/** Nothing changes faster; a wait is also cut short so that a clock that was set does not matter for long. */
const LONGEST_WAIT_MS = 3_600_000;
/** How often it is looked whether somebody waits for a verification to end. */
const LOOK_MS = 1000;

/** When all of a backup was last known to be whole: as read back, else as written. Undefined for what is not verified. */
function provenAt({ info, state, verification }: CatalogEntry): number | undefined {
  if (state !== "valid" || info === undefined || (info.own !== undefined && info.type !== "full")) return undefined;
  if (verification !== undefined && verification.outcome !== "bad") return verification.began;
  return info.own?.endTime ?? startTimeOf(info) + Math.ceil(info.elapsed.total * 1000);
}

/** A backup whose verification failed. Milliseconds since 1970. */
interface Failure {
  readonly backoff: Backoff;
  readonly error: MonetaError;
  readonly at: number;
  /** When it is tried again. */
  readonly notBefore: number;
}

/** When each backup of a server has to be read: so early that what there is to read fits into the period. */
function dueVerifications(entries: readonly CatalogEntry[], { periodMs, rateBytes }: VerificationPlan): DueVerification[] {
  const verified = entries.flatMap((entry) => {
    const last = provenAt(entry);
    return last === undefined ? [] : [{ label: entry.label, last, half: entry.halfVerified === true, bytes: entry.info?.storedBytes ?? 0 }];
  });
  const bytes = verified.reduce((sum, each) => sum + each.bytes, 0);
  const readingMs = rateBytes === 0 ? 0 : (bytes * 1000) / rateBytes;
  const lead = Math.min(periodMs, periodMs / 4 + readingMs);
  // What was begun goes on at once: what was read of it must not grow old.
  return verified.map(({ label, last, half }) => ({ label, due: half ? 0 : last + periodMs - lead }));
}

const earliest = <Due extends DueVerification>(all: readonly Due[]): Due | undefined =>
  all.reduce<Due | undefined>((first, each) => (first === undefined || each.due < first.due ? each : first), undefined);

/** The backup of a server that has to be read next. */
export function nextVerification(entries: readonly CatalogEntry[], plan: VerificationPlan): DueVerification | undefined {
  return earliest(dueVerifications(entries, plan));
}

const keyOf = (server: string, label: string): string => `${server}/${label}`;

export function createVerificationSchedule(options: VerificationScheduleOptions): VerificationSchedule {
  const { servers, plan, jobs, catalog, clock, logger, signal } = options;
  const nap = createNap(clock, signal);
  const slowly = (): Backoff => createBackoff({ firstMs: 2000, factor: 2, maxMs: LONGEST_WAIT_MS, jitter: 0.2 });
  const backoff = slowly();
  /** By server and label: one backup that cannot be read does not keep the others from being read. */
  const failures = new Map<string, Failure>();
  /** Servers of which somebody cancelled a verification, and until when there is none. */
  const paused = new Map<string, number>();

  const pick = (): (DueVerification & { readonly server: string }) | undefined => {
    if (plan().periodMs === 0) return undefined;
    const waiting = servers().flatMap((server) =>
      dueVerifications(catalog.entries(server), plan()).map(({ label, due }) => {
        const notBefore = Math.max(paused.get(server) ?? 0, failures.get(keyOf(server, label))?.notBefore ?? 0);
        return { server, label, due: Math.max(due, notBefore) };
      }),
    );
    return earliest(waiting);
  };

  /** Why backups of a server are not verified, this one's reason before others'. */
  const troubleOf = (server: string, label?: string): MonetaError | undefined => {
    const failed = catalog.entries(server).flatMap((entry) => {
      const failure = failures.get(keyOf(server, entry.label));
      // One that is gone, or that somebody verified since then, is nobody's trouble any more.
      const lasts = failure !== undefined && (provenAt(entry) ?? Number.POSITIVE_INFINITY) <= failure.at;
      return lasts ? [{ label: entry.label, error: failure.error }] : [];
    });
    return (failed.find((each) => each.label === label) ?? failed[0])?.error;
  };

  /** What was begun by itself may take days; nobody waits for it: it goes on later. Gives whether it made room. */
  async function makeRoom(job: Job): Promise<boolean> {
    const over = new AbortController();
    void job.done.then(() => over.abort());
    while (!over.signal.aborted) {
      await clock.sleep(LOOK_MS, over.signal).catch(() => undefined);
      const waiting = jobs.active(job.server).find((other) => jobs.blockers(other).includes(job));
      if (waiting === undefined) continue;
      job.cancel(`job ${waiting.id} (${waiting.command}) comes first, it goes on afterwards`);
      return true;
    }
    return false;
  }

  function learn({ server, label }: { readonly server: string; readonly label: string }, outcome: JobOutcome, madeRoom: boolean): void {
    const key = keyOf(server, label);
    // What was found is in the catalog from now on; that it was found is no reason to look again at once.
    if (outcome.state === "succeeded" || outcome.error.code === verifyErrors.damaged.spec.code) {
      backoff.reset();
      paused.delete(server);
      failures.delete(key);
      return;
    }
    if (outcome.state === "cancelled" && madeRoom) return;
    const { error, state } = outcome;
    const at = clock.now();
    if (state === "cancelled") {
      const ms = Math.min(LONGEST_WAIT_MS, plan().periodMs / 4);
      paused.set(server, at + ms);
      logger.warn(`the verification of ${server} goes on in ${Math.ceil(ms / 1000)} s`, { code: error.code });
      return;
    }
    const own = failures.get(key)?.backoff ?? slowly();
    const ms = own.next();
    forgetGone(server);
    failures.set(key, { backoff: own, error, at, notBefore: at + ms });
    logger.warn(`backup ${label} of ${server} is verified again in ${Math.ceil(ms / 1000)} s`, { code: error.code });
  }

  function forgetGone(server: string): void {
    const there = new Set(catalog.entries(server).map(({ label }) => keyOf(server, label)));
    for (const key of failures.keys()) if (key.startsWith(keyOf(server, "")) && !there.has(key)) failures.delete(key);
  }

  async function step(): Promise<void> {
    const next = pick();
    const { periodMs, rateBytes } = plan();
    const longest = periodMs === 0 ? LONGEST_WAIT_MS : Math.min(LONGEST_WAIT_MS, periodMs / 4);
    const wait = Math.min(next === undefined ? longest : next.due - clock.now(), longest);
    if (next === undefined || wait > 0) {
      await nap.sleep(wait);
      return;
    }
    const [other] = jobs.active(next.server, "verify");
    if (other !== undefined) {
      await other.done;
    } else {
      const schedule = { rateBytes, since: clock.now() - periodMs };
      const job = jobs.submit(next.server, { command: "verify", backup: next.label, all: false, schedule });
      const [outcome, madeRoom] = await Promise.all([job.done, makeRoom(job)]);
      learn(next, outcome, madeRoom);
    }
    await catalog.refresh(next.server);
  }

  async function run(): Promise<void> {
    while (!signal.aborted && !jobs.stopping) {
      try {
        await step();
      } catch (error) {
        if (signal.aborted || jobs.stopping) return;
        // Too many jobs at the moment, or a catalog that cannot be read: both are looked at again.
        logger.warn(`no verification could be begun: ${error instanceof Error ? error.message : String(error)}`);
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  function overdue(server: string): ProblemSummary[] {
    const { periodMs } = plan();
    if (periodMs === 0) return [];
    const old = catalog.entries(server).filter((entry) => (provenAt(entry) ?? Number.POSITIVE_INFINITY) + periodMs < clock.now());
    const [first] = old;
    if (first === undefined) return [];
    const { code, hint } = verifyErrors.overdue.spec;
    const trouble = troubleOf(server, first.label);
    const why = trouble === undefined ? "" : `: ${trouble.message}`;
    const which = old.length === 1 ? `backup ${first.label} was` : `${old.length} backups, ${first.label} among them, were`;
    return [{ code, message: `${which} not read back within the period of verification${why}`, hint }];
  }

  return {
    start: () => void run(),
    update: () => nap.wake(),
    problems: (server) => {
      const late = overdue(server);
      const trouble = troubleOf(server);
      if (late.length > 0 || trouble === undefined) return late;
      const { code, message, hint } = trouble;
      return [{ code, message: `a verification did not come to its end: ${message}`, hint }];
    },
  };
}

/** What the last verifications found: shown until the backup is gone, or verified as good. */
export function damagedBackups(entries: readonly CatalogEntry[]): ProblemSummary[] {
  const { code, hint } = verifyErrors.damaged.spec;
  return entries.flatMap(({ label, verification }) => {
    if (verification === undefined || verification.outcome === "good") return [];
    const what = verification.outcome === "bad" ? "cannot be restored any more and is not offered" : "can be restored, but something was found";
    return [{ code, message: `backup ${label} ${what}: ${verification.reason ?? "the log says what"}`, hint, about: label }];
  });
}
