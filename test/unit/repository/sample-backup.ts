/** Backups as values, for tests of what reads and orders them. */
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import type { BackupInfo, OwnFacts } from "../../../src/repository/index.ts";
import { noTimings, ownWriter } from "../../../src/repository/index.ts";

export const sampleOwn: OwnFacts = {
  version: "0.1.0",
  systemIdentifier: "7412345678901234567",
  serverVersion: 150018,
  walSegmentSize: 16 * 1024 * 1024,
  hash: "sha256",
  startTime: Date.UTC(2026, 10, 20, 9, 1, 38, 250),
  endTime: Date.UTC(2026, 10, 20, 9, 1, 39, 7),
  fileCount: 967,
  pageChecksums: "good",
  badPages: 0,
  damagedFiles: [],
  chunkIndex: "backup.chunks",
  digests: { "backup.manifest": "1".repeat(64), "backup.sha256": "2".repeat(64), "backup.chunks": "3".repeat(64) },
};

export const sampleInfo: BackupInfo = {
  writer: ownWriter("0.1.0"),
  valid: true,
  label: "20261120090138",
  firstSegment: "000000010000000000000005",
  storedBytes: 8_359_936,
  restoredBytes: 8_052_736,
  biggestFile: 745_472,
  elapsed: { ...noTimings, total: 0.5317, baseBackup: 0.4393, hash: 0.0144 },
  majorVersion: 15,
  minorVersion: 18,
  keep: false,
  tablespaces: [],
  compression: "zstd",
  compressedBy: "client",
  encryption: "none",
  startLsn: lsn(0x5000028),
  endLsn: lsn(0x5000100),
  checkpointLsn: lsn(0x5000060),
  startTimeline: timelineId(1),
  endTimeline: timelineId(1),
  type: "full",
  comments: "",
  extra: "",
  own: sampleOwn,
  unknown: [],
};

/** The sample with other facts. */
export function sample(facts: Partial<BackupInfo>, own: Partial<OwnFacts> = {}): BackupInfo {
  return { ...sampleInfo, own: { ...sampleOwn, ...own }, ...facts };
}
