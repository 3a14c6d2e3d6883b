/** The WAL of every cluster that a server was, looked at by itself: for what its backups need, positions of another mean nothing. */
import type { TimelineId } from "../postgres/index.ts";
import { formerLineages, serverLayout, timeOfLabel, type BackupInfo, type CatalogEntry, type ServerLayout } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { clustersOf } from "./clusters.ts";
import { endTimeOf, labelSlackMs, usableBackups } from "./copies.ts";
import type { RepositoryInUse } from "./in-use.ts";
import { newestCopies, type RuleName } from "./keep-rules.ts";
import type { RetentionPlan } from "./plan.ts";
import { reachOf, type RetentionPolicy } from "./policy.ts";
import { nothingSurveyed, surveyWal, type WalSurvey } from "./wal-survey.ts";

export interface LineagesOptions {
  readonly server: string;
  readonly storage: Storage;
  readonly policy: RetentionPolicy;
  readonly inUse: RepositoryInUse;
  /** The timeline that the server is on, where somebody knows it. */
  readonly timeline?: TimelineId | undefined;
}

/** The present cluster first. Looks, and changes nothing. */
export async function surveyLineages(plan: RetentionPlan, options: LineagesOptions, now: number): Promise<WalSurvey[]> {
  const { server, storage, inUse } = options;
  const present = serverLayout(server);
  if (inUse.all) return [nothingSurveyed(present)];
  const former = (await formerLineages(storage, server)).map((lineage) => serverLayout(server, lineage));
  const surveys: WalSurvey[] = [];
  for (const layout of [present, ...former]) surveys.push(await surveyOne(layout, plan, options, now));
  return surveys;
}

function surveyOne(layout: ServerLayout, plan: RetentionPlan, { storage, policy, inUse, timeline }: LineagesOptions, now: number): Promise<WalSurvey> {
  const staying = plan.filter(({ keep }) => keep);
  const entries = staying.map(({ entry }) => entry);
  const abandoned = isAbandoned(layout, entries);
  return surveyWal({
    storage,
    layout,
    abandoned,
    kept: entries.flatMap(({ info }) => info ?? []),
    recovery: staying.flatMap(({ entry, recovery }) => (recovery && entry.info !== undefined ? [entry.info] : [])),
    foreignBeside: (cluster) => foreignBeside(staying, policy, now, cluster),
    inUse: inUse.wal,
    timeline,
    youngerThan: (cluster) =>
      abandoned ? (reachOf(policy, now) ?? Infinity) : Math.min(youngest(policy, now, entries, cluster), beforeUnreadable(entries)),
  });
}

/**
 * The backups of pgmoneta's whose later moments are to be restored although there are backups of ours of `cluster`, which they
 * may be of: those that a job works with, those of the last days, and what a window or a number of copies keeps as long as ours
 * do not fulfil it by themselves. The newest one stays for ever, with the WAL that makes it consistent.
 */
function foreignBeside(staying: RetentionPlan, policy: RetentionPolicy, now: number, cluster: string): BackupInfo[] {
  const ours = usableBackups(staying.map(({ entry }) => entry)).filter(({ own }) => own?.systemIdentifier === cluster);
  const isFulfilled =
    policy.kind === "count"
      ? newestCopies(ours, policy.copies).length === policy.copies
      : ours.some((info) => endTimeOf(info) <= (reachOf(policy, now) ?? now));
  const rules: readonly RuleName[] = ["in-use", "days", "line", ...(isFulfilled ? [] : (["window", "count"] as const))];
  return staying.flatMap(({ recovery, rules: own, entry: { info } }) =>
    recovery && info !== undefined && info.own === undefined && own.some((rule) => rules.includes(rule)) ? [info] : [],
  );
}

/** Of an earlier cluster without any backup nothing can be restored. One that cannot be read, or that pgmoneta took, may be of it. */
function isAbandoned({ lineage }: ServerLayout, entries: readonly CatalogEntry[]): boolean {
  if (lineage === undefined) return false;
  return entries.every(({ info }) => info?.own !== undefined && info.own.systemIdentifier !== lineage);
}

/** Before this moment the oldest of the backups that cannot be read was not begun: where its WAL lies nobody knows. */
function beforeUnreadable(kept: readonly CatalogEntry[]): number {
  return Math.min(...kept.flatMap(({ label, info }) => (info === undefined ? [timeOfLabel(label) - labelSlackMs] : [])), Infinity);
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
