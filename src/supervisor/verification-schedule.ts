/**
 * Reads every byte of every valid backup back within a period: begins a verification when one is due, one at a time over
 * all servers, and again where it was when it was stopped.
 */
import { createBackoff, createNap, type Clock, type MonetaError } from "../common/index.ts";
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

/** The backup of a server that has to be read next: so early that what there is to read fits into the period. */
export function nextVerification(entries: readonly CatalogEntry[], { periodMs, rateBytes }: VerificationPlan): DueVerification | undefined {
  const verified = entries.flatMap((entry) => {
    const last = provenAt(entry);
    return last === undefined ? [] : [{ label: entry.label, last, half: entry.halfVerified === true, bytes: entry.info?.storedBytes ?? 0 }];
  });
  const bytes = verified.reduce((sum, each) => sum + each.bytes, 0);
  const readingMs = rateBytes === 0 ? 0 : (bytes * 1000) / rateBytes;
  const lead = Math.min(periodMs, periodMs / 4 + readingMs);
  // What was begun goes on at once: what was read of it must not grow old.
  const due = verified.map(({ label, last, half }) => ({ label, due: half ? 0 : last + periodMs - lead }));
  return due.reduce<DueVerification | undefined>((first, each) => (first === undefined || each.due < first.due ? each : first), undefined);
}

export function createVerificationSchedule(options: VerificationScheduleOptions): VerificationSchedule {
  const { servers, plan, jobs, catalog, clock, logger, signal } = options;
  const nap = createNap(clock, signal);
  const backoff = createBackoff({ firstMs: 2000, factor: 2, maxMs: LONGEST_WAIT_MS, jitter: 0.2 });
  /** Servers whose verification failed, and when it is tried again. */
  const notBefore = new Map<string, number>();
  const troubles = new Map<string, MonetaError>();

  const pick = (): (DueVerification & { readonly server: string }) | undefined => {
    let first: (DueVerification & { readonly server: string }) | undefined;
    if (plan().periodMs === 0) return undefined;
    for (const server of servers()) {
      const next = nextVerification(catalog.entries(server), plan());
      if (next === undefined) continue;
      const due = Math.max(next.due, notBefore.get(server) ?? 0);
      if (first === undefined || due < first.due) first = { server, label: next.label, due };
    }
    return first;
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

  function learn(server: string, outcome: JobOutcome, madeRoom: boolean): void {
    // What was found is in the catalog from now on; that it was found is no reason to look again at once.
    if (outcome.state === "succeeded" || outcome.error.code === verifyErrors.damaged.spec.code) {
      backoff.reset();
      notBefore.delete(server);
      troubles.delete(server);
      return;
    }
    if (outcome.state === "cancelled" && madeRoom) return;
    const ms = outcome.state === "cancelled" ? Math.min(LONGEST_WAIT_MS, plan().periodMs / 4) : backoff.next();
    notBefore.set(server, clock.now() + ms);
    if (outcome.state !== "cancelled") troubles.set(server, outcome.error);
    logger.warn(`the verification of ${server} goes on in ${Math.ceil(ms / 1000)} s`, { code: outcome.error.code });
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
      learn(next.server, outcome, madeRoom);
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
    const trouble = troubles.get(server);
    const why = trouble === undefined ? "" : `: ${trouble.message}`;
    const which = old.length === 1 ? `backup ${first.label} was` : `${old.length} backups, ${first.label} among them, were`;
    return [{ code, message: `${which} not read back within the period of verification${why}`, hint }];
  }

  return {
    start: () => void run(),
    update: () => nap.wake(),
    problems: (server) => {
      const late = overdue(server);
      const trouble = troubles.get(server);
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
