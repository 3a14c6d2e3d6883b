/** A backup and the WAL that leads on from it. */
import { throwIfAborted } from "../common/index.ts";
import { higherLsn, lsnPlus, readSettings, type Lsn, type TimelineHistory } from "../postgres/index.ts";
import {
  layoutOfLineage,
  openWalCoverage,
  openWalInventory,
  repositoryErrors,
  type BackupInfo,
  type BackupSource,
  type WalCoverage,
  type WalInventory,
  type WalSource,
} from "../repository/index.ts";
import type { TargetQuestion } from "./check-target.ts";
import { checkForks } from "./check-forks.ts";
import { checkArchived, type SegmentFaults, type WalDamage } from "./check-archived.ts";
import { checkUnarchived, type UnarchivedWal } from "./check-unarchived.ts";
import { chooseTimeline } from "./choose-timeline.ts";
import { restoreErrors } from "./errors.ts";
import { inspectBackup, type InspectedBackup } from "./inspect-backup.ts";
import type { RecoveryPosition } from "./recovery-position.ts";
import type { KeyRing, RestoreOptions } from "./restore-options.ts";
import { findReach, type WalReach } from "./wal-reach.ts";
import { scanLimit } from "./wal-scan.ts";

export interface Way {
  readonly backup: InspectedBackup;
  readonly source: BackupSource;
  readonly wal: WalSource;
  readonly inventory: WalInventory;
  readonly history: TimelineHistory;
  readonly reach: WalReach;
  readonly unarchived: UnarchivedWal;
  /** Of a moment before the end of the WAL was looked for: what a living source sends meanwhile must not look lost. */
  readonly coverage: WalCoverage | undefined;
}

export interface WayRequest {
  readonly options: RestoreOptions;
  readonly position: RecoveryPosition;
  readonly keys: () => Promise<KeyRing>;
  readonly signal: AbortSignal;
  /** The segments that were looked at for this restore, whichever backup it was for. */
  readonly faults: SegmentFaults;
}

/** Reads what there is. Throws for a backup that cannot be used, and for a timeline that does not lead on from it. */
export async function findWay(info: BackupInfo, { options, position, keys, signal, faults }: WayRequest): Promise<Way> {
  const { storage, server } = options;
  throwIfAborted(signal);
  const source: BackupSource = { storage, server, info, keys, signal };
  const backup = await inspectBackup(source);
  const { segmentSize, systemIdentifier } = backup.control;
  const layout = await layoutOfLineage(storage, server, systemIdentifier);
  const coverage = await openWalCoverage(storage, layout).read();
  const inventory = openWalInventory(storage, layout, segmentSize, options.secondCopy);
  const history = await timelineFor(position, info, inventory);
  const wal: WalSource = { storage, inventory, systemIdentifier, keys, signal };
  const durable = await findReach(storage, inventory, info, history);
  const until = neededEnd(options, position, info, durable);
  const archived = reachBefore(durable, await checkArchived(wal, durable, until, faults));
  const unarchived = await checkUnarchived(wal, archived);
  const reach = reachBefore(archived, unarchived.damage);
  await checkForks(wal, reach, until);
  return { backup, source, wal, inventory, history, reach, unarchived, coverage };
}

function reachBefore(reach: WalReach, damage: WalDamage | undefined): WalReach {
  return damage === undefined ? reach : { ...reach, end: damage.at, missing: damage };
}

/** Beyond this recovery reads nothing, as far as that can be known without looking into the WAL. */
function neededEnd({ copyWal, walTo }: RestoreOptions, { target, role }: RecoveryPosition, info: BackupInfo, { end }: WalReach): Lsn {
  if ((copyWal && walTo !== "target") || role === "replica") return end;
  if (target.kind === "immediate") return info.endLsn;
  // The record that begins at the target may end behind it.
  return target.kind === "lsn" ? higherLsn(lsnPlus(target.lsn, 1), info.endLsn) : end;
}

/** The end of a backup lies on its own timeline: what became of the later ones does not matter to it. */
async function timelineFor({ timeline, target }: Pick<RecoveryPosition, "timeline" | "target">, info: BackupInfo, inventory: WalInventory): Promise<TimelineHistory> {
  try {
    return await chooseTimeline(timeline, info, inventory);
  } catch (error) {
    const unclear = repositoryErrors.historyUnreadable.is(error) || restoreErrors.unreachable.is(error);
    if (target.kind !== "immediate" || timeline !== undefined || !unclear) throw error;
    return chooseTimeline("current", info, inventory);
  }
}

/** The history along which a restore of this backup becomes consistent. Throws when it is not known. */
export function consistencyHistory(info: BackupInfo, inventory: WalInventory): Promise<TimelineHistory> {
  return timelineFor({ target: { kind: "immediate" }, timeline: undefined }, info, inventory);
}

/** The question whether the target of the request can be reached on this way. */
export function questionOf({ backup, reach, wal, coverage }: Way, { options, position }: WayRequest): TargetQuestion {
  return { position, backup, reach, wal, coverage, sourceZone: timeZoneOf(backup), searchBytes: options.searchBytes ?? scanLimit };
}

/** TimeZone of the source server as it said when it was backed up, else as its configuration has it; the last file wins. */
function timeZoneOf({ info, postgresqlConf, autoConf }: InspectedBackup): string | undefined {
  if (info.own?.timeZone !== undefined) return info.own.timeZone;
  const read = (text: string | undefined, file: string): string | undefined =>
    text === undefined ? undefined : readSettings(text, file).get("timezone");
  return read(autoConf, "postgresql.auto.conf") ?? read(postgresqlConf, "postgresql.conf");
}
