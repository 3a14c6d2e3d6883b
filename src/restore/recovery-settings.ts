/**
 * What is written into the configuration of a restored server (PostgreSQL manual, "Archive Recovery", "Recovery
 * Target"): exactly one target, after the blanks, because a blank that follows takes the target away again; and what
 * was inherited from the source is made harmless.
 */
import { formatLsn, type TimelineId, type VersionTraits } from "../postgres/index.ts";
import type { RecoveryAction, RecoveryTarget } from "./recovery-position.ts";
import type { ReplicaConnection } from "./restore-options.ts";
import { formatInstant, type Micros } from "./target-time.ts";

export type Settings = readonly (readonly [name: string, value: string])[];

export interface RecoverySettings {
  readonly traits: VersionTraits;
  readonly restoreCommand: string;
  readonly recoveryEndCommand: string;
  readonly target: RecoveryTarget;
  /** Of a target that is a time. */
  readonly instant: Micros | undefined;
  readonly inclusive: boolean | undefined;
  readonly action: RecoveryAction | undefined;
  readonly timeline: TimelineId | "latest";
  readonly replica: ReplicaConnection | undefined;
}

/** Settings of an earlier recovery, or of the source as a standby: they must not come back when the block is taken out. */
export const earlierRecovery: readonly string[] = [
  "restore_command",
  "archive_cleanup_command",
  "recovery_end_command",
  "recovery_target",
  "recovery_target_name",
  "recovery_target_xid",
  "recovery_target_lsn",
  "recovery_target_time",
  "recovery_target_inclusive",
  "recovery_target_action",
  "recovery_target_timeline",
  "recovery_min_apply_delay",
  "primary_conninfo",
  "primary_slot_name",
  "promote_trigger_file",
];

/** All settings of the block, in the order in which they must stand. */
export function recoverySettings(wanted: RecoverySettings): Settings {
  const { recoveryEndCommand, restoreCommand, timeline, replica, traits } = wanted;
  return [
    ["restore_command", restoreCommand],
    ["recovery_end_command", recoveryEndCommand],
    ["recovery_target_timeline", String(timeline)],
    ...targetSettings(wanted),
    ...(replica === undefined ? blank("primary_conninfo") : [["primary_conninfo", connectionInfo(replica)] as const]),
    ...harmless(traits),
  ];
}

const blank = (...names: string[]): Settings => names.map((name) => [name, ""] as const);

function targetSettings({ target, instant, inclusive, action, replica }: RecoverySettings): Settings {
  const chosen = targetSetting(target, instant);
  const all = ["recovery_target", "recovery_target_name", "recovery_target_xid", "recovery_target_lsn", "recovery_target_time"];
  if (chosen === undefined) return blank(...all);
  const others = all.filter((name) => name !== chosen[0]);
  const does = action ?? (replica === undefined ? "promote" : "pause");
  return [
    ...blank(...others),
    chosen,
    ["recovery_target_inclusive", inclusive === false ? "off" : "on"],
    ["recovery_target_action", does],
    // A server that pauses, or follows, must let people look.
    ...(does === "pause" || replica !== undefined ? [["hot_standby", "on"] as const] : []),
  ];
}

function targetSetting(target: RecoveryTarget, instant: Micros | undefined): readonly [string, string] | undefined {
  switch (target.kind) {
    case "end":
      return undefined;
    case "immediate":
      return ["recovery_target", "immediate"];
    case "name":
      return ["recovery_target_name", target.name];
    case "xid":
      return ["recovery_target_xid", String(target.xid)];
    case "lsn":
      return ["recovery_target_lsn", formatLsn(target.lsn)];
    case "time":
      return ["recovery_target_time", formatInstant(instant ?? target.time.local)];
  }
}

/** The restored server must not archive into, wait for, or clean up what belongs to the source. */
function harmless(traits: VersionTraits): Settings {
  return [
    ...blank("primary_slot_name", "archive_cleanup_command", "archive_command", "synchronous_standby_names"),
    ["archive_mode", "off"],
    ...(traits.archiveLibrary ? blank("archive_library") : []),
    ...(traits.promoteTriggerFile ? blank("promote_trigger_file") : []),
    ...(traits.slotSynchronisation ? [["sync_replication_slots", "off"] as const] : []),
    ["recovery_min_apply_delay", "0"],
    // A subscription of the source would go on here with the source's own slot on the publisher, and use up changes
    // that the source has not seen.
    ["max_logical_replication_workers", "0"],
  ];
}

/** A libpq connection string (PostgreSQL manual, "Connection Strings"); passwords stay in the pass file. */
function connectionInfo({ host, port, user, passFile, applicationName }: ReplicaConnection): string {
  const quote = (value: string): string => `'${value.replace(/['\\]/g, "\\$&")}'`;
  const pairs: [string, string | undefined][] = [
    ["host", host],
    ["port", String(port)],
    ["user", user],
    ["passfile", passFile],
    ["application_name", applicationName],
  ];
  return pairs.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${quote(value)}`])).join(" ");
}
