/** Writing `backup.info`: pgmoneta 0.22's keys in its order, then ours, then digests, last the digest of the file itself. */
import { createHash } from "node:crypto";
import { formatLsn, pathToBytes } from "../postgres/index.ts";
import type { BackupInfo, OwnFacts, StageTimings } from "./backup-info.ts";
import { compressionCode, encryptionCode, escapeValue } from "./backup-info-values.ts";

type Line = readonly [key: string, value: string | number];

/** Version of our part of the file. */
export const infoFormatVersion = 1;
/** Marks a file that must have our part: without it a cut file would pass for one of pgmoneta's. */
export const ownWriterMark = "+moneta.";
/** First key of our part. */
export const ownFormatKey = "MONETA_FORMAT";
export const digestKey = "DIGEST";
export const digestPrefix = "DIGEST_";
/** How many pairs of owner and bytes follow. */
export const sharedCountKey = "SHARED_OWNERS";

/** Value of PGMONETA_VERSION in a file of ours: the layout it follows, and who wrote it. */
export function ownWriter(monetaVersion: string): string {
  return `0.22.0${ownWriterMark}${monetaVersion}`;
}

export const timingKeys: readonly (readonly [key: string, field: keyof StageTimings])[] = [
  ["ELAPSED", "total"],
  ["BASEBACKUP_ELAPSED", "baseBackup"],
  ["HASH_ELAPSED", "hash"],
  ["COMPRESSION_ZSTD_ELAPSED", "zstd"],
  ["COMPRESSION_GZIP_ELAPSED", "gzip"],
  ["COMPRESSION_BZIP2_ELAPSED", "bzip2"],
  ["COMPRESSION_LZ4_ELAPSED", "lz4"],
  ["ENCRYPTION_ELAPSED", "encryption"],
  ["LINKING_ELAPSED", "linking"],
  ["MANIFEST_ELAPSED", "manifest"],
  ["REMOTE_SSH_ELAPSED", "remoteSsh"],
  ["REMOTE_S3_ELAPSED", "remoteS3"],
  ["REMOTE_AZURE_ELAPSED", "remoteAzure"],
];

function flag(value: boolean): number {
  return value ? 1 : 0;
}

function pgmonetaLines(info: BackupInfo): Line[] {
  return [
    ["PGMONETA_VERSION", info.writer],
    ["STATUS", flag(info.valid)],
    ["LABEL", info.label],
    ["WAL", info.firstSegment],
    ["BACKUP", info.storedBytes],
    ["RESTORE", info.restoredBytes],
    ["BIGGEST_FILE", info.biggestFile],
    ...timingKeys.map(([key, field]): Line => [key, info.elapsed[field].toFixed(4)]),
    ["MAJOR_VERSION", info.majorVersion],
    ["MINOR_VERSION", info.minorVersion],
    ["KEEP", flag(info.keep)],
    ["TABLESPACES", info.tablespaces.length],
    ["COMPRESSION", compressionCode(info)],
    ["ENCRYPTION", encryptionCode(info.encryption)],
    ...info.tablespaces.flatMap(({ directory, oid, location }, index): Line[] => [
      [`TABLESPACE${index + 1}`, directory],
      [`TABLESPACE_OID${index + 1}`, oid],
      [`TABLESPACE_PATH${index + 1}`, location],
    ]),
    ["START_WALPOS", formatLsn(info.startLsn)],
    ["END_WALPOS", formatLsn(info.endLsn)],
    ["CHKPT_WALPOS", formatLsn(info.checkpointLsn)],
    ["START_TIMELINE", info.startTimeline],
    ["END_TIMELINE", info.endTimeline],
    ["TYPE", flag(info.type === "incremental")],
    ["PARENT", info.parent ?? ""],
    ["COMMENTS", info.comments],
    ["EXTRA", info.extra],
  ];
}

function ownLines(own: OwnFacts): Line[] {
  return [
    [ownFormatKey, infoFormatVersion],
    ["MONETA_VERSION", own.version],
    ["SYSTEM_IDENTIFIER", own.systemIdentifier],
    ["SERVER_VERSION", own.serverVersion],
    ["WAL_SEGMENT_SIZE", own.walSegmentSize],
    ["HASH_ALGORITHM", own.hash],
    ["KEY_ID", own.keyId ?? ""],
    ["START_TIME", new Date(own.startTime).toISOString()],
    ["END_TIME", new Date(own.endTime).toISOString()],
    ["TIME_ZONE", own.timeZone ?? ""],
    ["FILES", own.fileCount],
    ["PAGE_CHECKSUMS", own.pageChecksums],
    ["BAD_PAGES", own.badPages],
    ["DAMAGED_FILES", own.damagedFiles.length],
    ...own.damagedFiles.map((path, index): Line => [`DAMAGED_FILE${index + 1}`, path]),
    ["CHUNK_INDEX", own.chunkIndex],
    ...sharedLines(own),
  ];
}

/** Nothing where nothing is shared, as in the files of earlier versions. */
function sharedLines({ shared = [] }: OwnFacts): Line[] {
  if (shared.length === 0) return [];
  return [
    [sharedCountKey, shared.length],
    ...shared.flatMap(({ owner, bytes }, index): Line[] => [
      [`SHARED_OWNER${index + 1}`, owner],
      [`SHARED_BYTES${index + 1}`, bytes],
    ]),
  ];
}

/** The content of `backup.info`. A backup that pgmoneta took keeps pgmoneta's form. */
export function formatBackupInfo(info: BackupInfo): Buffer {
  const { own } = info;
  const unknown: Line[] = [...info.unknown];
  if (own === undefined) {
    const lines = [...pgmonetaLines(info), ...unknown].map(([key, value]) => `${key}=${value}\n`);
    return pathToBytes(lines.join(""));
  }
  const digests = Object.entries(own.digests).map(([file, digest]): Line => [`${digestPrefix}${file}`, digest]);
  const lines = [...pgmonetaLines(info), ...ownLines(own), ...unknown, ...digests];
  const text = Buffer.from(lines.map(([key, value]) => `${key}=${escapeValue(String(value))}\n`).join(""), "utf8");
  const digest = createHash("sha256").update(text).digest("hex");
  return Buffer.concat([text, Buffer.from(`${digestKey}=${digest}\n`)]);
}
