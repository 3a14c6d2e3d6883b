/** What is known of a finished backup, as `backup.info` says it. */
import { segmentName, versionTraits } from "../postgres/index.ts";
import type { ServerFacts } from "../replication/index.ts";
import { backupFiles, noTimings, ownWriter, tablespaceName, type BackupInfo, type PageChecksums, type StageTimings } from "../repository/index.ts";
import type { ListTotals } from "./backup-lists.ts";
import type { BackupOptions } from "./backup-options.ts";
import type { BackupTablespaces } from "./backup-paths.ts";
import type { PreparedBackup } from "./prepare.ts";
import type { ReceivedBackup } from "./receive.ts";

export interface BackupTimes {
  /** Milliseconds since 1970. */
  readonly startTime: number;
  readonly endTime: number;
  /** Seconds. */
  readonly total: number;
  readonly baseBackup: number;
  readonly manifest: number;
}

export function describeBackup(
  options: BackupOptions,
  { facts, label }: PreparedBackup,
  received: ReceivedBackup,
  totals: ListTotals,
  tablespaces: BackupTablespaces,
  times: BackupTimes,
): BackupInfo {
  const { start, stop } = received.result;
  const traits = versionTraits(facts.serverVersion);
  const { compression, encryption } = options.spec;
  const keyId = encryption === "none" ? {} : { keyId: options.dataKey?.id };
  return {
    writer: ownWriter(options.version),
    valid: true,
    label,
    firstSegment: segmentName(start.timeline, start.lsn, facts.segmentSize),
    storedBytes: totals.storedBytes,
    restoredBytes: received.sizes.restoredBytes,
    biggestFile: received.sizes.biggestFile,
    elapsed: timingsOf(options, received, times),
    majorVersion: traits.major,
    minorVersion: traits.minor,
    keep: false,
    tablespaces: received.tablespaces.map(({ oid, location }) => {
      const directory = tablespaces.directoryOf(oid);
      return { directory, name: tablespaceName(directory) ?? directory, oid, location };
    }),
    compression,
    compressedBy: compression === "none" ? "nobody" : options.serverCompression === undefined ? "client" : "server",
    encryption,
    startLsn: start.lsn,
    endLsn: stop.lsn,
    checkpointLsn: received.origin.label.checkpointLsn,
    startTimeline: start.timeline,
    endTimeline: stop.timeline,
    type: "full",
    comments: "",
    extra: "",
    own: {
      version: options.version,
      systemIdentifier: facts.systemIdentifier,
      serverVersion: facts.serverVersion,
      walSegmentSize: facts.segmentSize,
      hash: options.hash,
      ...keyId,
      startTime: times.startTime,
      endTime: times.endTime,
      timeZone: facts.timezone,
      fileCount: totals.files,
      pageChecksums: pageVerdict(facts, received),
      badPages: received.pages.badPages,
      damagedFiles: received.pages.damagedFiles,
      chunkIndex: backupFiles.chunks,
      ...(totals.shared.length === 0 ? {} : { shared: totals.shared }),
      digests: totals.digests,
    },
    unknown: [],
  };
}

function timingsOf({ spec: { compression } }: BackupOptions, { times: stages }: ReceivedBackup, { total, baseBackup, manifest }: BackupTimes): StageTimings {
  const compressing = compression === "none" ? {} : { [compression]: stages.compression };
  return { ...noTimings, total, baseBackup, manifest, hash: stages.hash, encryption: stages.encryption, ...compressing };
}

/** Bad pages that the server found and our check did not lie beyond what we look at; either is enough. */
function pageVerdict(facts: ServerFacts, { pages, result }: ReceivedBackup): PageChecksums {
  if (pages.badPages > 0 || result.checksumFailures) return "bad";
  return facts.dataChecksums === true ? "good" : "off";
}
