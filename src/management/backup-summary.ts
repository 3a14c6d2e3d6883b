/** From what the repository knows of a backup to what the documents say of it. */
import type { BackupInfo, CatalogEntry, WalStretch } from "../repository/index.ts";
import type { BackupDetails, BackupSummary, Bytes } from "./summaries.ts";

/** WAL of a backup; the catalog does not know it. */
export interface BackupWal {
  /** From the start of this backup to the end of the archive. */
  readonly walBytes: Bytes;
  /** From the start of the backup before it to the start of this one; 0 for the oldest. */
  readonly deltaBytes: Bytes;
}

const unknownWal: BackupWal = { walBytes: 0, deltaBytes: 0 };

const usualSegmentSize = 16n * 1024n * 1024n;

/**
 * WAL of each backup by its label, from the stretches of complete segments: plain bytes, whole segments, all
 * timelines from that of the backup on. `backups` is ordered from the oldest.
 */
export function measureWal(
  backups: readonly BackupInfo[],
  stretches: readonly Pick<WalStretch, "timeline" | "start" | "end">[],
): ReadonlyMap<string, BackupWal> {
  const from = (info: BackupInfo): bigint => {
    const size = info.own === undefined ? usualSegmentSize : BigInt(info.own.walSegmentSize);
    const start = info.startLsn - (info.startLsn % size);
    return stretches
      .filter((stretch) => stretch.timeline >= info.startTimeline && stretch.end > start)
      .reduce((sum, stretch) => sum + stretch.end - (stretch.start > start ? stretch.start : start), 0n);
  };
  const measured = new Map<string, BackupWal>();
  let before: bigint | undefined;
  for (const info of backups) {
    const walBytes = from(info);
    const deltaBytes = before === undefined || before < walBytes ? 0n : before - walBytes;
    measured.set(info.label, { walBytes, deltaBytes });
    before = walBytes;
  }
  return measured;
}

const methods: Readonly<Record<BackupInfo["compression"], number>> = { none: 0, gzip: 1, zstd: 2, lz4: 3, bzip2: 4 };
const sides: Readonly<Record<BackupInfo["compressedBy"], number>> = { nobody: 0, client: 0x10, server: 0x20 };
const ciphers: Readonly<Record<BackupInfo["encryption"], number>> = {
  none: 0,
  "aes-256-gcm": 1,
  "aes-192-gcm": 2,
  "aes-128-gcm": 3,
};

/** Facts of a backup that can be read. */
export function summariseBackup(server: string, info: BackupInfo, wal: BackupWal = unknownWal): BackupSummary {
  return {
    server,
    label: info.label,
    valid: info.valid,
    keep: info.keep,
    backupSize: info.storedBytes,
    restoreSize: info.restoredBytes,
    biggestFileSize: info.biggestFile,
    compression: methods[info.compression] === 0 ? 0 : methods[info.compression] + sides[info.compressedBy],
    encryption: ciphers[info.encryption],
    comments: info.comments === "" ? null : info.comments,
    parent: info.parent ?? null,
    ...wal,
    startLsn: info.startLsn,
    endLsn: info.endLsn,
    timeline: info.startTimeline,
    ...(info.own === undefined
      ? {}
      : { startTime: info.own.startTime, endTime: info.own.endTime, badPages: info.own.badPages }),
  };
}

/** What the catalog knows of a backup besides its own word. */
export function entryRemarks(entry: CatalogEntry | undefined): Partial<BackupSummary> {
  const { problem, verification, sharing } = entry ?? {};
  return {
    ...sharing,
    ...(problem === undefined ? {} : { problem }),
    ...(verification === undefined ? {} : { verifiedAt: verification.began, verification: verification.outcome }),
  };
}

/** Facts of any directory of the catalog; of a damaged one only the label and the reason are known. */
export function summariseEntry(server: string, entry: CatalogEntry, wal: BackupWal = unknownWal): BackupSummary {
  const problem = entryRemarks(entry);
  const valid = entry.state === "valid";
  if (entry.info !== undefined) return { ...summariseBackup(server, entry.info, wal), valid, ...problem };
  return {
    server,
    label: entry.label,
    valid,
    keep: false,
    backupSize: 0,
    restoreSize: 0,
    biggestFileSize: 0,
    compression: 0,
    encryption: 0,
    comments: null,
    parent: null,
    ...wal,
    ...problem,
  };
}

/** Everything that `info` shows. */
export function detailBackup(server: string, info: BackupInfo, wal: BackupWal = unknownWal): BackupDetails {
  return {
    ...summariseBackup(server, info, wal),
    majorVersion: info.majorVersion,
    minorVersion: info.minorVersion,
    firstSegment: info.firstSegment,
    elapsedMs: info.elapsed.total * 1000,
    startLsn: info.startLsn,
    endLsn: info.endLsn,
    checkpointLsn: info.checkpointLsn,
    startTimeline: info.startTimeline,
    endTimeline: info.endTimeline,
    tablespaces: info.tablespaces.map(({ name, oid, location }) => ({ name, oid, path: location })),
    ...(info.own === undefined ? {} : { systemIdentifier: info.own.systemIdentifier, hashAlgorithm: info.own.hash }),
  };
}
