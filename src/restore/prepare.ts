/** Everything that is known before the first byte is written: the backup, the way to the target, the place, the plan. */
import { dirname, isAbsolute } from "node:path";
import { throwIfAborted, type MonetaError } from "../common/index.ts";
import {
  formatLsn,
  formatVersion,
  historyFileName,
  segmentsOfRange,
  timelineEnd,
  timelineId,
  versionTraits,
  type TimelineId,
  type VersionTraits,
} from "../postgres/index.ts";
import type { BackupInfo } from "../repository/index.ts";
import type { Approach } from "./approach.ts";
import type { CheckedTarget } from "./check-target.ts";
import { chooseBackup } from "./choose-backup.ts";
import { latestIsSafe } from "./choose-timeline.ts";
import { clusterConfiguration, type ClusterConfiguration } from "./cluster-configuration.ts";
import { emptyArchive, emptyArchiveToTheEnd, recoveryEndCommand, restoreCommand } from "./command-line.ts";
import { describeTarget } from "./describe-plan.ts";
import { restoreErrors } from "./errors.ts";
import type { InspectedBackup } from "./inspect-backup.ts";
import { parsePosition } from "./parse-position.ts";
import type { RecoveryPlan } from "./recovery-plan.ts";
import type { RecoveryPosition } from "./recovery-position.ts";
import { recoverySettings, type Settings } from "./recovery-settings.ts";
import type { RestoreDependencies, RestoreOptions } from "./restore-options.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { bytesBelow } from "./remove-content.ts";
import { findUnreadWal } from "./unread-wal.ts";
import { inspectParent, inspectTarget, targetPaths, type TargetPaths, type TargetState } from "./target-directory.ts";
import { findRoom, type RoomWanted, type TargetRoom } from "./target-room.ts";
import { endForTarget } from "./wal-end.ts";

export interface PreparedRestore {
  readonly plan: RestorePlan;
  readonly approach: Approach;
  readonly position: RecoveryPosition;
  readonly paths: TargetPaths;
  readonly state: TargetState;
  readonly configuration: ClusterConfiguration;
  readonly recovery: RecoveryPlan;
  /** Names of the segments that recovery may read. */
  readonly segments: readonly string[];
  readonly problems: readonly MonetaError[];
}

/** A place that is judged by whoever uses it, of which only the parent is looked at here. */
export interface OwnPlace {
  readonly pathsOf: (info: BackupInfo) => TargetPaths;
}

/** What the files of the cluster are written into: new directories, a stream of somebody's, or a place of one's own. */
export type RestoreInto = "directories" | "stream" | OwnPlace;

/** Prepares; nothing is written. Throws what makes a plan impossible; what speaks against carrying it out is in it. */
export async function prepareRestore(
  options: RestoreOptions,
  deps: RestoreDependencies,
  into: RestoreInto = "directories",
): Promise<PreparedRestore> {
  const { signal } = deps;
  throwIfAborted(signal);
  if (!isAbsolute(options.directory)) {
    throw restoreErrors.directoryRefused(`"${options.directory}" is not an absolute path`, { path: options.directory });
  }
  const position = parsePosition(options.position);
  const approach = await chooseBackup({ options, position, keys: options.keys, signal });
  const { backup, inventory, history, checked } = approach;
  const reach = options.walTo === "target" ? { ...approach.reach, end: await endForTarget(approach) } : approach.reach;
  const { info, control } = backup;
  const traits = versionTraits(info.own?.serverVersion ?? info.majorVersion * 10_000);
  const paths = typeof into === "object" ? into.pathsOf(info) : targetPaths(options.directory, options.server, info, options.tablespaceMap);
  const state = into === "directories" ? await inspectTarget(paths, options.storage.root) : await inspectParent(paths, options.storage.root);
  const segments = [...segmentsOfRange(history, reach.from, reach.end, inventory.segmentSize)].map(({ name }) => name);
  const walBytes = options.copyWal ? segments.length * inventory.segmentSize : 0;
  const room = await roomFor(options, backup, paths, state, walBytes);
  const follows = position.role === "replica" && position.target.kind === "end";
  const latest = follows && (position.timeline === undefined || position.timeline === "latest") && (await latestIsSafe(info, inventory));
  const toTheEnd = position.role === "primary" && checked.target.kind === "end";
  const copied = toTheEnd ? emptyArchiveToTheEnd(segments.at(-1) ?? "", historyFileName(timelineId(history.timeline + 1))) : emptyArchive;
  const command = options.copyWal ? copied : restoreCommand(options.program, options.server);
  const settings = settingsFor(options, position, approach, traits, latest ? "latest" : history.timeline, command);
  const configuration = clusterConfiguration(backup, settings, undoComments(options, info.label, approach));

  const problems: MonetaError[] = [...(checked.problem === undefined ? [] : [checked.problem]), ...state.problems];
  const unread = await findUnreadWal(options.storage, approach, position);
  problems.push(...unread.problems);
  const idle = actionWithoutStop(position, checked);
  if (idle !== undefined) problems.push(idle);
  if (position.role === "replica" && options.replica === undefined) {
    problems.push(restoreErrors.replicaUnknown(`it is not known how a replica of ${options.server} reaches its primary`, { server: options.server }));
  }
  // What a stream becomes, and how large, is the affair of whoever takes it; of what is there already little may be missing.
  if (into === "directories") problems.push(...room.problems);
  const plan: RestorePlan = {
    server: options.server,
    backup: {
      label: info.label,
      type: info.type,
      version: formatVersion(info.own?.serverVersion ?? info.majorVersion * 10_000 + info.minorVersion),
      startLsn: formatLsn(info.startLsn),
      endLsn: formatLsn(info.endLsn),
      endTime: new Date(endOf(approach)).toISOString(),
      timeline: info.endTimeline,
    },
    choice: approach.choice ?? null,
    directory: paths.data,
    tablespaces: paths.tablespaces.map(({ oid, source, path }) => ({ oid, source, directory: path })),
    files: backup.files,
    bytes: backup.bytes,
    freeBytes: room.free,
    estimatedSeconds: estimate(approach),
    wal: {
      from: formatLsn(reach.from),
      to: formatLsn(reach.end),
      firstSegment: segments[0] ?? "",
      lastSegment: segments.at(-1) ?? "",
      segments: segments.length,
      unfinished: (reach.end & BigInt(inventory.segmentSize - 1)) !== 0n,
      copied: options.copyWal,
      bytes: walBytes,
    },
    target: describeTarget(position, checked, reach.end),
    role: position.role,
    action: follows ? "follow" : (position.action ?? (position.role === "replica" ? "pause" : "promote")),
    timelines: timelinesOf(approach),
    settings,
    problems: problems.map(({ message }) => message),
    notes: [...checked.notes, ...unread.notes, ...approach.unarchived.notes, ...positionNotes(position), ...leftoverNotes(state, paths), ...configuration.notes],
  };
  const recovery: RecoveryPlan = {
    baseDir: options.storage.root,
    server: options.server,
    label: info.label,
    systemIdentifier: control.systemIdentifier,
    masterKeyFile: options.masterKeyFile,
    secondCopy: options.secondCopy?.storage.root,
    segmentSize: inventory.segmentSize,
    history,
    from: reach.from,
    to: reach.end,
    unarchived: approach.unarchived.segments,
    follows,
    toTheEnd,
  };
  return { plan, approach, position, paths, state, configuration, recovery, segments, problems };
}

/**
 * Where WAL ends PostgreSQL knows no action: a primary opens there, a replica goes on with whatever its primary sends.
 * Whoever asked for something else must not get that.
 */
function actionWithoutStop({ action, role, target }: RecoveryPosition, checked: CheckedTarget): MonetaError | undefined {
  if (checked.target.kind !== "end" || checked.problem !== undefined) return undefined;
  const where = "recovery goes to the end of the archive, where PostgreSQL cannot stop";
  if (role === "replica") {
    if (target.kind !== "end") return restoreErrors.position(`replica: ${where}: it would follow its primary beyond the target; restore a primary, or wait until something lies beyond the target`);
    return action === undefined ? undefined : restoreErrors.position(`action=${action}: a replica without a target follows its primary`);
  }
  if (action === undefined || action === "promote") return undefined;
  return restoreErrors.position(`action=${action}: ${where}: it would open; leave the action out, or name a target that something lies beyond`);
}

function settingsFor(
  options: RestoreOptions,
  position: RecoveryPosition,
  { checked }: Approach,
  traits: VersionTraits,
  timeline: TimelineId | "latest",
  command: string,
): Settings {
  return recoverySettings({
    traits,
    restoreCommand: command,
    recoveryEndCommand,
    target: checked.target,
    instant: checked.instant,
    inclusive: position.inclusive,
    action: position.action,
    timeline,
    replica: position.role === "replica" ? options.replica : undefined,
  });
}

function undoComments(options: RestoreOptions, label: string, { backup, checked }: Approach): string[] {
  const target = checked.target.kind === "end" ? "the end of the archive" : (options.position ?? "");
  return [
    `Backup ${label} of ${options.server} (PostgreSQL ${backup.info.majorVersion}), restored to ${target.replaceAll("\n", " ")}.`,
    "Once recovery has ended these lines may go; those that are empty or off protect the source from this server:",
    "take out the whole block and restart to have the settings of the source back.",
  ];
}

function timelinesOf({ backup, history }: Approach): RestorePlan["timelines"] {
  const chain: TimelineId[] = [...history.entries.map(({ timeline }) => timeline), history.timeline];
  return chain
    .filter((timeline) => timeline >= backup.info.startTimeline)
    .map((timeline) => {
      const end = timelineEnd(history, timeline);
      return { timeline, until: end === undefined ? null : formatLsn(end) };
    });
}

function positionNotes({ target, inclusive }: RecoveryPosition): string[] {
  const meaningful = target.kind === "time" || target.kind === "lsn" || target.kind === "xid";
  return inclusive === undefined || meaningful ? [] : ["inclusive means something only for time, lsn and xid"];
}

function leftoverNotes({ leftover }: TargetState, { data }: TargetPaths): string[] {
  return leftover === undefined ? [] : [`an unfinished restore lies in "${data}"; its files are removed first`];
}

/** pgmoneta records no end: not before its first checkpoint and the time that it took. */
function endOf({ backup }: Approach): number {
  const { control, info } = backup;
  return info.own?.endTime ?? Math.ceil((control.checkpointTime ?? 0) + info.elapsed.total * 1000);
}

/** Seconds, by the rate at which the backup was taken. */
function estimate({ backup }: Approach): number | null {
  const { total } = backup.info.elapsed;
  return total > 0 ? Math.ceil(total) : null;
}

/** What is needed where, by what lies there: tablespaces can be mapped to other file systems. */
async function roomFor(
  { directory }: RestoreOptions,
  { bytes, bytesOf }: InspectedBackup,
  { data, parent, tablespaces }: TargetPaths,
  { leftover }: TargetState,
  walBytes: number,
): Promise<TargetRoom> {
  const reusable = async (path: string): Promise<number> => (leftover === undefined ? 0 : bytesBelow([path]));
  const outside = tablespaces.filter(({ inPlace }) => !inPlace).map(({ path, stored }) => ({ path, needed: bytesOf.get(stored) ?? 0 }));
  const rest = outside.reduce((sum, { needed }) => sum - needed, bytes + walBytes);
  const own: RoomWanted = { path: directory, needed: rest, reusable: await reusable(data) };
  const others = await Promise.all(
    outside.map(async ({ path, needed }): Promise<RoomWanted> => ({ path: dirname(path) === parent ? directory : path, needed, reusable: await reusable(path) })),
  );
  return findRoom([own, ...others]);
}

