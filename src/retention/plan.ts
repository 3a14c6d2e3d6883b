/**
 * Which backups stay and which go, with a reason for each. Pure: the same facts give the same answer, whether somebody
 * only looks or the backups are then removed.
 */
import type { BackupInfo, CatalogEntry } from "../repository/index.ts";
import { inOrder } from "../repository/index.ts";
import { clustersOf, inClusterOrder, lastForeign } from "./clusters.ts";
import { usableBackups } from "./copies.ts";
import { newestCopies, policyMarks, type Mark, type RuleName } from "./keep-rules.ts";
import { counted, spanOf, type RetentionPolicy } from "./policy.ts";
import { isOnLine, type ServerLine } from "./server-line.ts";
import { judgeUnusable } from "./unusable.ts";

/** What else speaks for a backup. */
export interface RetentionFacts {
  /** Copies of each cluster that stay in any case; at least 1. */
  readonly minimum: number;
  /** Labels that a running or waiting job works with. */
  readonly inUse?: ReadonlySet<string>;
  /** Labels of backups whose last drill failed: they are no reason for an older one to go that may be better. */
  readonly doubtful?: ReadonlySet<string>;
  /** Where the server is, if it is known: what its own line keeps no backup of another one displaces. */
  readonly line?: ServerLine | undefined;
}

export interface Decision {
  readonly label: string;
  readonly keep: boolean;
  /** For a person; begins with a small letter and has no full stop. */
  readonly reason: string;
  /** The rules that keep it; none for a backup that goes, or that only is not old enough. */
  readonly rules: readonly RuleName[];
  /** All WAL from this backup on is kept, so that any later moment can be restored from it. */
  readonly recovery: boolean;
  readonly entry: CatalogEntry;
}

/** Each backup once: readable ones in their order, oldest first, then those that cannot be read. */
export type RetentionPlan = readonly Decision[];

/** Decides. `entries` is the whole catalog of a server, `now` milliseconds since 1970. */
export function planRetention(
  entries: readonly CatalogEntry[],
  policy: RetentionPolicy,
  now: number,
  facts: RetentionFacts,
): RetentionPlan {
  const { byLabel: clusters, borders } = clustersOf(entries.flatMap(({ info }) => info ?? []));
  const usable = new Map<string, BackupInfo[]>();
  for (const info of usableBackups(entries)) {
    const cluster = clusters.get(info.label) ?? "";
    usable.set(cluster, [...(usable.get(cluster) ?? []), info]);
  }
  for (const [cluster, infos] of usable) usable.set(cluster, inClusterOrder(infos));
  const marks = new Map<string, Mark[]>();
  const mark = (made: Mark): void => void marks.set(made.label, [...(marks.get(made.label) ?? []), made]);
  // Each cluster by itself: the backups from before pg_upgrade must not be displaced by those after it, nor the reverse.
  for (const [cluster, ofOne] of usable) {
    const made = clusterMarks(ofOne, policy, now, facts);
    for (const one of made) mark(one);
    // pgmoneta does not record whose its backups are: the last ones may be of the present cluster.
    const isPresent = cluster === facts.line?.systemIdentifier || cluster === lastForeign(borders);
    if (facts.line !== undefined && isPresent) for (const one of lineMarks(ofOne, made, facts.line, policy, now, facts)) mark(one);
  }
  for (const { label, info } of entries) {
    if (info?.keep === true) mark({ label, rule: "retained", text: "retained", recovery: false });
    if (borders.has(label)) mark({ label, rule: "border", text: "the first one of another cluster", recovery: false });
    if (facts.inUse?.has(label) === true) mark({ label, rule: "in-use", text: "in use by a job", recovery: true });
  }

  const counts = (label: string): boolean => marks.get(label)?.some(({ rule }) => rule === "count") === true;
  const isUsable = new Set([...usable.values()].flat().map(({ label }) => label));
  const unusable = new Map(
    entries
      .filter(({ label }) => !isUsable.has(label))
      .map((entry) => {
        const others = usable.get(clusters.get(entry.label) ?? "") ?? [];
        const oldestCounted = others.find(({ label }) => counts(label));
        return [entry.label, judgeUnusable(entry, { policy, now, usable: others, oldestCounted })] as const;
      }),
  );
  const kept = new Set([...marks.keys(), ...[...unusable].flatMap(([label, { keep }]) => (keep ? [label] : []))]);
  for (const made of neededMarks(entries, kept)) mark(made);

  return ordered(entries).map((entry) => {
    const { label } = entry;
    const made = marks.get(label) ?? [];
    const rules = [...new Set(made.map(({ rule }) => rule))];
    if (made.length > 0) {
      const recovery = isUsable.has(label) && made.some((one) => one.recovery);
      return { label, keep: true, reason: made.map(({ text }) => text).join("; "), rules, recovery, entry };
    }
    const { keep, reason } = unusable.get(label) ?? { keep: false, reason: surplus(policy) };
    return { label, keep, reason, rules, recovery: false, entry };
  });
}

/** What is kept of the usable backups of one cluster, which are in order. */
function clusterMarks(
  usable: readonly BackupInfo[],
  policy: RetentionPolicy,
  now: number,
  { minimum, doubtful = new Set() }: RetentionFacts,
): Mark[] {
  const newest = usable
    .slice(-1)
    .map(({ label }): Mark => ({ label, rule: "newest", text: "the newest valid one", recovery: true }));
  const sound = usable
    .filter(({ label }) => !doubtful.has(label))
    .slice(-1)
    .filter(({ label }) => label !== newest[0]?.label)
    .map(({ label }): Mark => ({ label, rule: "newest", text: "the newest one of which no drill failed", recovery: true }));
  const copies = newestCopies(usable, Math.max(1, minimum)).map(({ label }): Mark => ({
    label,
    rule: "minimum",
    text: minimum > 1 ? `one of the ${minimum} copies that always stay` : "the newest full one",
    recovery: false,
  }));
  return [
    ...policyMarks(usable, policy, now),
    ...newest,
    ...sound,
    ...(minimum > 1 ? copies : copies.filter(({ label }) => label !== newest[0]?.label)),
  ];
}

/** What the backups of the server's line keep when they are looked at alone, beside what is `kept` when all are looked at. */
function lineMarks(
  usable: readonly BackupInfo[],
  kept: readonly Mark[],
  line: ServerLine,
  policy: RetentionPolicy,
  now: number,
  facts: RetentionFacts,
): Mark[] {
  const { timeline } = line;
  const own = usable.filter((info) => isOnLine(line, info) === true);
  const isNew = (made: Mark): boolean => !kept.some(({ label, rule }) => label === made.label && rule === made.rule);
  const more = own.length === usable.length ? [] : clusterMarks(own, policy, now, facts).filter(isNew);
  const unknown = usable.filter((info) => isOnLine(line, info) === undefined);
  return [
    ...more.map((made) => ({ ...made, text: `${made.text}, of those that timeline ${timeline} goes on from` })),
    ...unknown.map(({ label }): Mark => ({
      label,
      rule: "line",
      text: `perhaps what timeline ${timeline} goes on from: its history cannot be read`,
      recovery: true,
    })),
  ];
}

/**
 * The backups without which a kept one would be lost: its parents, also of one that cannot be read and says so all the same. Adds them to `kept`, and follows them in turn. What a backup
 * of pgmoneta's has links to in another one it takes over when that one goes.
 */
function neededMarks(entries: readonly CatalogEntry[], kept: Set<string>): Mark[] {
  const parents = new Map(entries.map(({ label, info, statedParent }) => [label, info?.parent ?? statedParent]));
  const made = new Map<string, Mark>();
  // A set that grows while it is walked: what is added is visited too.
  for (const user of kept) {
    const label = parents.get(user);
    if (label === undefined || !parents.has(label)) continue;
    kept.add(label);
    if (!made.has(label)) made.set(label, { label, rule: "needed", text: `needed by ${user}`, recovery: false });
  }
  return [...made.values()];
}

function ordered(entries: readonly CatalogEntry[]): CatalogEntry[] {
  const byLabel = new Map(entries.map((entry) => [entry.label, entry]));
  const readable = inOrder(entries.flatMap(({ info }) => info ?? []));
  return [
    ...readable.flatMap(({ label }) => byLabel.get(label) ?? []),
    ...entries.filter(({ info }) => info === undefined),
  ];
}

/** Why a usable backup goes. */
function surplus(policy: RetentionPolicy): string {
  if (policy.kind === "count")
    return policy.copies === 1 ? "there is a newer copy" : `there are ${policy.copies} newer copies`;
  if (policy.kind === "window") return `a later backup reaches back ${spanOf(policy.seconds)}`;
  const wanted = [
    ["weekly", policy.weeks],
    ["monthly", policy.months],
    ["yearly", policy.years],
  ].flatMap(([name, count]) => (count === undefined ? [] : [`${count} ${name}`]));
  const none = wanted.length === 0 ? "" : `, and none of the ${wanted.join(", ")} ones`;
  return `older than ${counted(policy.days, "day")}${none}`;
}
