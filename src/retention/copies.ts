/** Which backups count: those that can be restored, and how many copies of the cluster they are. Pure. */
import type { BackupInfo, CatalogEntry } from "../repository/index.ts";
import { startTimeOf } from "../repository/index.ts";

/**
 * pgmoneta's labels are the local time of its machine, read here as UTC: the backup may have been taken so much later or
 * earlier, milliseconds.
 */
export const labelSlackMs = 14 * 3_600_000;

/** When the backup began at the latest, milliseconds since 1970. */
export function latestStartOf(info: BackupInfo): number {
  return info.own === undefined ? startTimeOf(info) + labelSlackMs : startTimeOf(info);
}

/** When the backup had ended at the latest, milliseconds since 1970: from that moment on it can be restored to. */
export function endTimeOf(info: BackupInfo): number {
  return info.own?.endTime ?? latestStartOf(info) + Math.ceil(info.elapsed.total * 1000);
}

/** The labels from a backup up to its full backup, itself first; undefined when one of them is missing. */
export function chainOf(info: BackupInfo, byLabel: ReadonlyMap<string, BackupInfo>): readonly string[] | undefined {
  const chain = [info.label];
  for (let at = info; at.parent !== undefined;) {
    const parent = byLabel.get(at.parent);
    // A chain that leads back into itself was written by nobody.
    if (parent === undefined || chain.includes(parent.label)) return undefined;
    chain.push(parent.label);
    at = parent;
  }
  return chain;
}

/** The backups that can be restored, in no order that means anything: valid ones whose every parent is there and valid. */
export function usableBackups(entries: readonly CatalogEntry[]): BackupInfo[] {
  const valid = entries.flatMap(({ state, info }) => (state === "valid" && info !== undefined ? [info] : []));
  const byLabel = new Map(valid.map((info) => [info.label, info]));
  return valid.filter((info) => chainOf(info, byLabel) !== undefined);
}

/** The label of the full backup that a usable backup rests on: incremental ones are no copies of their own. */
export function copyOf(info: BackupInfo, byLabel: ReadonlyMap<string, BackupInfo>): string {
  return chainOf(info, byLabel)?.at(-1) ?? info.label;
}
