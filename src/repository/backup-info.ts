/**
 * What is known of one backup: the content of its `backup.info` (pgmoneta's keys, then ours; see
 * doc/formats/repository.md). Sizes are bytes, durations seconds.
 */
import type { CompressionMethod } from "../compression/index.ts";
import type { EncryptionMode } from "../encryption/index.ts";
import type { Lsn, TimelineId } from "../postgres/index.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";

/** A tablespace of the backup; PostgreSQL's own two are not among them. */
export interface BackupTablespace {
  /** Directory within the backup, `tblspc_…` (`tablespaceDirectory`). */
  readonly directory: string;
  /** As PostgreSQL calls it; the directory itself where it is none that we named. */
  readonly name: string;
  readonly oid: number;
  /** Where it was on the source. */
  readonly location: string;
}

/** How long the stages took, in seconds; stages that work side by side add up to more than `total`. */
export interface StageTimings {
  readonly total: number;
  readonly baseBackup: number;
  readonly hash: number;
  readonly zstd: number;
  readonly gzip: number;
  readonly bzip2: number;
  readonly lz4: number;
  readonly encryption: number;
  readonly linking: number;
  readonly manifest: number;
  readonly remoteSsh: number;
  readonly remoteS3: number;
  readonly remoteAzure: number;
}

export const noTimings: StageTimings = {
  total: 0,
  baseBackup: 0,
  hash: 0,
  zstd: 0,
  gzip: 0,
  bzip2: 0,
  lz4: 0,
  encryption: 0,
  linking: 0,
  manifest: 0,
  remoteSsh: 0,
  remoteS3: 0,
  remoteAzure: 0,
};

/**
 * What the page checksums of the source said: `off` (it has none), `good`, or `bad`: the backup is an exact copy of
 * a damaged cluster.
 */
export type PageChecksums = "off" | "good" | "bad";

/** Stored bytes of a backup that lie in files which an earlier one wrote: both have them, as hard links. */
export interface SharedBytes {
  /** Label of the backup that wrote them. */
  readonly owner: string;
  readonly bytes: number;
}

/** What pgmoneta does not record. */
export interface OwnFacts {
  /** Version of Moneta that took the backup. */
  readonly version: string;
  /** Decimal, as PostgreSQL prints it. */
  readonly systemIdentifier: string;
  /** `server_version_num`, for example 150018. */
  readonly serverVersion: number;
  /** Bytes. */
  readonly walSegmentSize: number;
  /** Of stored and plain bytes, and of the metadata files below. */
  readonly hash: HashAlgorithm;
  /** Data key of the stored files; undefined when they are not encrypted. */
  readonly keyId?: string | undefined;
  /** Milliseconds since 1970, by the clock of this machine. */
  readonly startTime: number;
  readonly endTime: number;
  /** TimeZone of the server, in which its users read and write times; undefined when it was not known. */
  readonly timeZone?: string | undefined;
  readonly fileCount: number;
  readonly pageChecksums: PageChecksums;
  readonly badPages: number;
  /** Paths with bad pages, at most `largestDamagedFiles` of them. */
  readonly damagedFiles: readonly string[];
  /** Name of the chunk index within the backup. */
  readonly chunkIndex: string;
  /** By owner; what is named here is not among the stored bytes. Undefined when nothing is shared. */
  readonly shared?: readonly SharedBytes[] | undefined;
  /** Digests of the other metadata files by their name within the backup, hexadecimal. */
  readonly digests: Readonly<Record<string, string>>;
}

/** How many damaged files a backup names; more are only counted. */
export const largestDamagedFiles = 100;

export interface BackupInfo {
  /** Writer of the file, pgmoneta's version first. */
  readonly writer: string;
  /** Complete and consistent. As the catalog gives it out: also that its metadata is there and whole. */
  readonly valid: boolean;
  readonly label: string;
  /** First segment that recovery needs. */
  readonly firstSegment: string;
  /** Bytes that the backup stored itself; see `OwnFacts.shared`. */
  readonly storedBytes: number;
  readonly restoredBytes: number;
  readonly biggestFile: number;
  readonly elapsed: StageTimings;
  readonly majorVersion: number;
  readonly minorVersion: number;
  /** Exempt from retention and deletion. */
  readonly keep: boolean;
  readonly tablespaces: readonly BackupTablespace[];
  readonly compression: CompressionMethod;
  /** Who compressed. */
  readonly compressedBy: "nobody" | "client" | "server";
  readonly encryption: EncryptionMode;
  readonly startLsn: Lsn;
  /** First position after the WAL that makes the backup consistent. */
  readonly endLsn: Lsn;
  readonly checkpointLsn: Lsn;
  readonly startTimeline: TimelineId;
  readonly endTimeline: TimelineId;
  readonly type: "full" | "incremental";
  /** Label of the backup that an incremental one continues. */
  readonly parent?: string | undefined;
  /** `key|value` pairs joined by commas. */
  readonly comments: string;
  readonly extra: string;
  /** Undefined for a backup that pgmoneta took. */
  readonly own?: OwnFacts | undefined;
  /** Keys that this version does not know, kept as they are. */
  readonly unknown: readonly (readonly [key: string, value: string])[];
}
