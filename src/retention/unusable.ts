/** Backups that cannot be restored: they count for nothing, and stay a while for a person to look at. Pure. */
import type { BackupInfo, CatalogEntry } from "../repository/index.ts";
import { startTimeOf } from "../repository/index.ts";
import { inClusterOrder } from "./clusters.ts";
import { endTimeOf } from "./copies.ts";
import { counted, reachOf, spanOf, type RetentionPolicy } from "./policy.ts";

export interface UnusableSurroundings {
  readonly policy: RetentionPolicy;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The usable backups of the same cluster, oldest first. */
  readonly usable: readonly BackupInfo[];
  /** The oldest of those that a policy of a number keeps; undefined for another policy. */
  readonly oldestCounted: BackupInfo | undefined;
}

/** What becomes of a backup that is not usable, but for the reasons that hold for every backup. */
export function judgeUnusable(
  { info, state, problem }: CatalogEntry,
  { policy, now, usable, oldestCounted }: UnusableSurroundings,
): { readonly keep: boolean; readonly reason: string } {
  // Also whether it is retained is written there.
  if (info === undefined)
    return { keep: true, reason: `not readable (${problem ?? state}): only delete, by its label, removes it, and the WAL since then stays as long` };
  const fault = state === "valid" ? "not restorable without its parent" : "not valid";
  if (usable.length === 0) return { keep: true, reason: `${fault}, but there is no valid backup of this cluster` };
  const old = isOld(info, policy, now, oldestCounted);
  return { keep: !old, reason: `${fault}, ${old ? "and older" : "but younger"} than ${limitOf(policy)}` };
}

function isOld(info: BackupInfo, policy: RetentionPolicy, now: number, oldestCounted: BackupInfo | undefined): boolean {
  const reach = reachOf(policy, now);
  if (reach !== undefined) return (policy.kind === "window" ? endTimeOf(info) : startTimeOf(info)) <= reach;
  return oldestCounted !== undefined && inClusterOrder([info, oldestCounted])[0] === info;
}

function limitOf(policy: RetentionPolicy): string {
  if (policy.kind === "count") return policy.copies === 1 ? "the newest copy" : `the ${policy.copies} newest copies`;
  return policy.kind === "window" ? spanOf(policy.seconds) : counted(policy.days, "day");
}
