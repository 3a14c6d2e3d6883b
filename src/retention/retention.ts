/** The procedure: look, decide, take the backups away, then the WAL that only they needed. */
import { messageOf, throwIfAborted, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { hideBackup, linkedFrom, openCatalog, removeHiddenBackup, type CatalogEntry } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { clustersOf } from "./clusters.ts";
import { newestCopies } from "./keep-rules.ts";
import { usableBackups } from "./copies.ts";
import { retentionErrors } from "./errors.ts";
import { planRetention, type Decision, type RetentionFacts, type RetentionPlan } from "./plan.ts";
import { reachOf, type RetentionPolicy } from "./policy.ts";
import { removeWal, type WalRemoval } from "./remove-wal.ts";
import { surveyWal, type WalSurvey } from "./wal-survey.ts";

export interface RetentionOptions {
  readonly server: string;
  readonly storage: Storage;
  readonly policy: RetentionPolicy;
  /** Copies of each cluster that stay in any case; at least 1. */
  readonly minimum: number;
  /** Labels that a running or waiting job works with. */
  readonly inUse: readonly string[];
  /** Decides and looks, and removes nothing. */
  readonly dryRun: boolean;
}

export interface RetentionDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Bytes that are to go, and that are gone. */
  readonly progress: (done: number, total: number) => void;
}

export interface RetentionOutcome {
  readonly plan: RetentionPlan;
  readonly wal: WalSurvey;
  /** What is gone; nothing after a dry run. */
  readonly removedWal: WalRemoval;
}

/**
 * Carries out the retention of a server once: everything that is due. Nobody else may add, read or remove its backups
 * meanwhile; its WAL is received and archived all the same. Throws RETENTION_INCOMPLETE when a backup could not be removed.
 */
export async function runRetention(options: RetentionOptions, deps: RetentionDependencies): Promise<RetentionOutcome> {
  const { server, storage, dryRun } = options;
  const now = deps.clock.now();
  const plan = await decide(options, now);
  const wal = await surveyFor(plan, options, now);
  if (dryRun) return { plan, wal, removedWal: { files: 0, bytes: 0 } };

  const going = plan.filter(({ keep }) => !keep);
  const total =
    going.reduce((sum, { entry }) => sum + (entry.info?.storedBytes ?? 0), 0) +
    wal.files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const advance = (bytes: number): void => {
    done += bytes;
    deps.progress(done, total);
  };
  // The newest first: an incremental backup goes before the one that it rests on.
  for (const decision of [...going].reverse()) {
    throwIfAborted(deps.signal);
    await removeBackup(decision, options, deps);
    advance(decision.entry.info?.storedBytes ?? 0);
  }
  const removedWal = await removeWal(storage, server, wal, deps.signal, advance);
  if (removedWal.files > 0)
    deps.logger.info(`${removedWal.files} files of WAL that nothing needs any more are removed`, { ...removedWal });
  return { plan, wal, removedWal };
}

/** The plan with what only the disk knows: which of pgmoneta's backups hold links into others. */
async function decide(
  { server, storage, policy, minimum, inUse }: RetentionOptions,
  now: number,
): Promise<RetentionPlan> {
  const entries = await openCatalog(storage, server).entries();
  const infos = entries.flatMap(({ info }) => info ?? []);
  const links = new Map<string, readonly string[]>();
  const facts: RetentionFacts = { minimum, inUse: new Set(inUse), linkedFrom: links };
  for (;;) {
    const plan = planRetention(entries, policy, now, facts);
    const open = plan.filter(({ keep, label }) => !keep && !links.has(label));
    if (open.length === 0 || infos.every(({ own }) => own !== undefined)) return plan;
    for (const { label } of open) links.set(label, await linkedFrom(storage, server, label, infos));
  }
}

function surveyFor(
  plan: RetentionPlan,
  { server, storage, policy }: RetentionOptions,
  now: number,
): Promise<WalSurvey> {
  const staying = plan.filter(({ keep }) => keep);
  const entries = staying.map(({ entry }) => entry);
  const kept = staying.flatMap(({ entry }) => entry.info ?? []);
  const recovery = staying.flatMap(({ entry, recovery: whole }) =>
    whole && entry.info !== undefined ? [entry.info] : [],
  );
  return surveyWal({
    storage,
    server,
    kept,
    recovery,
    youngerThan: (cluster) => youngest(policy, now, entries, cluster),
  });
}

/**
 * WAL of a cluster that came after this moment stays although no backup needs it. In a new repository that is
 * everything, so that the first run does not take what was received before the first backup.
 */
function youngest(policy: RetentionPolicy, now: number, kept: readonly CatalogEntry[], cluster: string): number {
  if (policy.kind !== "count") return reachOf(policy, now) ?? -Infinity;
  const { byLabel } = clustersOf(kept.flatMap(({ info }) => info ?? []));
  const own = usableBackups(kept).filter(({ label }) => byLabel.get(label) === cluster);
  return newestCopies(own, policy.copies).length === policy.copies ? Infinity : -Infinity;
}

async function removeBackup(
  { label, reason }: Decision,
  { server, storage }: RetentionOptions,
  { logger }: RetentionDependencies,
): Promise<void> {
  const hidden = await hideBackup(storage, server, label);
  logger.info(`backup ${label} goes: ${reason}`, { server, label });
  try {
    await removeHiddenBackup(storage, hidden);
  } catch (error) {
    throw retentionErrors.incomplete(
      `backup ${label} of ${server} is out of view, but not all of it could be removed: ${messageOf(error)}`,
      { server, label },
      error,
    );
  }
}
