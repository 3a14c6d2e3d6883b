/** The procedure: look, decide, take all that goes out of view at once, then remove its bytes. */
import { messageOf, throwIfAborted, toMonetaError, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { failedDrills, hideBackup, openCatalog, openDrillRecords, removeHiddenBackup, takeOverLinks } from "../repository/index.ts";
import type { TimelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { retentionErrors } from "./errors.ts";
import { planRetention, type RetentionPlan } from "./plan.ts";
import type { RetentionPolicy } from "./policy.ts";
import type { RepositoryInUse } from "./in-use.ts";
import { surveyLineages } from "./lineage-surveys.ts";
import { removeWal, type WalRemoval } from "./remove-wal.ts";
import { readServerLine } from "./server-line.ts";
import type { WalSurvey } from "./wal-survey.ts";

export interface RetentionOptions {
  readonly server: string;
  readonly storage: Storage;
  readonly policy: RetentionPolicy;
  /** Copies of each cluster that stay in any case; at least 1. */
  readonly minimum: number;
  /** What other jobs work with or wait for. */
  readonly inUse: RepositoryInUse;
  /** The timeline that the server is on, where somebody knows it; else what is stored tells. */
  readonly timeline?: TimelineId | undefined;
  /** Decides and looks, and removes nothing. */
  readonly dryRun: boolean;
}

export interface RetentionDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Bytes that are to go, and that are gone. */
  readonly progress: (done: number, total: number) => void;
  /** Called when everything that goes is out of view: from now on others may begin to use what is left. */
  readonly settled: () => void;
  /** Called before a backup goes; what it throws keeps that one, and whatever would have gone after it. */
  readonly beforeRemoval?: (label: string) => Promise<void>;
  /** Called when a backup and its bytes are gone, or with what went wrong after `beforeRemoval` had allowed it. Never rejects. */
  readonly afterRemoval?: (label: string, failure?: unknown) => Promise<void>;
}

export interface RetentionOutcome {
  readonly plan: RetentionPlan;
  /** Of each lineage, the present one first. */
  readonly wal: readonly WalSurvey[];
  /** What is gone; nothing after a dry run. */
  readonly removedWal: WalRemoval;
}

/**
 * Carries out the retention of a server once: everything that is due and not in use. Until `settled` is called nobody may
 * begin to use a backup or WAL that is not among `inUse`, and nobody else may remove any; WAL is received and archived all
 * the same. Throws RETENTION_INCOMPLETE when a backup could not be removed.
 */
export async function runRetention(options: RetentionOptions, deps: RetentionDependencies): Promise<RetentionOutcome> {
  const { dryRun } = options;
  const now = deps.clock.now();
  const plan = await decide(options, now);
  const wal = await surveyLineages(plan, options, now);
  if (dryRun) return { plan, wal, removedWal: { files: 0, bytes: 0 } };

  const going = plan.filter(({ keep }) => !keep);
  const total =
    going.reduce((sum, { entry }) => sum + (entry.info?.storedBytes ?? 0), 0) +
    wal.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const advance = (bytes: number): void => {
    done += bytes;
    deps.progress(done, total);
  };
  /** Allowed to go, and not gone. */
  const begun = new Set<string>();
  try {
    return { plan, wal, removedWal: await takeAway(plan, wal, begun, options, deps, advance) };
  } catch (error) {
    for (const label of begun) await deps.afterRemoval?.(label, error);
    throw error;
  }
}

/** Removes all that is to go; what is gone of WAL. `begun` has the labels whose removal was allowed and has not come to its end. */
async function takeAway(
  plan: RetentionPlan,
  wal: readonly WalSurvey[],
  begun: Set<string>,
  options: RetentionOptions,
  deps: RetentionDependencies,
  advance: (bytes: number) => void,
): Promise<WalRemoval> {
  const { server, storage } = options;
  // The newest first: an incremental backup goes before the one that it rests on.
  const hidden: HiddenBackup[] = [];
  let refusal: unknown;
  for (const { label, reason, entry } of plan.filter(({ keep }) => !keep).reverse()) {
    throwIfAborted(deps.signal);
    try {
      await deps.beforeRemoval?.(label);
    } catch (error) {
      refusal = error;
      break;
    }
    begun.add(label);
    for (const taken of await takeOverLinks(storage, server, label, deps.signal)) {
      deps.logger.info(`backup ${taken.label} takes over ${taken.files} files of ${label} that it has links to`, { server, label });
      if (taken.shortage !== undefined) deps.logger.warn(`the description of backup ${taken.label} or its digest is that of before: ${taken.shortage}`, { server, label });
    }
    hidden.push({ label, path: await hideBackup(storage, server, label), bytes: entry.info?.storedBytes ?? 0 });
    deps.logger.info(`backup ${label} goes: ${reason}`, { server, label });
  }
  const removedWal = { files: 0, bytes: 0 };
  // The WAL was chosen for a world without all those that were to go.
  for (const survey of refusal === undefined ? wal : []) {
    const { files, bytes } = await removeWal(storage, survey, deps.signal, advance);
    removedWal.files += files;
    removedWal.bytes += bytes;
  }
  deps.settled();
  if (removedWal.files > 0)
    deps.logger.info(`${removedWal.files} files of WAL that nothing needs any more are removed`, { ...removedWal });
  for (const backup of hidden) {
    throwIfAborted(deps.signal);
    await removeBytes(backup, options);
    advance(backup.bytes);
    begun.delete(backup.label);
    await deps.afterRemoval?.(backup.label);
  }
  if (refusal !== undefined) throw toMonetaError(refusal);
  return removedWal;
}

async function decide(
  { server, storage, policy, minimum, inUse, timeline }: RetentionOptions,
  now: number,
): Promise<RetentionPlan> {
  const entries = await openCatalog(storage, server).entries();
  const used = new Set(inUse.all ? entries.map(({ label }) => label) : inUse.backups);
  // A history that cannot be read says nothing against any backup; the daemon says so.
  const doubtful = failedDrills((await openDrillRecords(storage, server).read()) ?? []);
  const line = await readServerLine(storage, server, timeline);
  return planRetention(entries, policy, now, { minimum, inUse: used, doubtful, line });
}

/** Out of view; its bytes are still there. */
interface HiddenBackup {
  readonly label: string;
  readonly path: string;
  readonly bytes: number;
}

async function removeBytes({ label, path }: HiddenBackup, { server, storage }: RetentionOptions): Promise<void> {
  try {
    await removeHiddenBackup(storage, path);
  } catch (error) {
    throw retentionErrors.incomplete(
      `backup ${label} of ${server} is out of view, but not all of it could be removed: ${messageOf(error)}`,
      { server, label },
      error,
    );
  }
}
