/** Reading `backup.info`, ours and pgmoneta 0.22's, strictly: what is damaged is refused, and never half believed. */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { pathFromBytes } from "../postgres/index.ts";
import type { BackupInfo, BackupTablespace, OwnFacts, PageChecksums, SharedBytes, StageTimings } from "./backup-info.ts";
import { largestDamagedFiles, noTimings } from "./backup-info.ts";
import {
  digestKey,
  digestPrefix,
  infoFormatVersion,
  ownFormatKey,
  ownWriterMark,
  sharedCountKey,
  timingKeys,
} from "./backup-info-format.ts";
import { compressionFromCode, encryptionFromCode, unescapeValue } from "./backup-info-values.ts";
import { repositoryErrors } from "./errors.ts";
import type { Fields, Refuse } from "./info-fields.ts";
import { openFields } from "./info-fields.ts";
import { digestLength, isHashAlgorithm } from "./hash-algorithm.ts";
import { tablespaceName } from "./layout.ts";

/** Largest file that is read, in bytes; a real one has two kilobytes. */
export const largestInfo = 1024 * 1024;

/** More tablespaces than any cluster has; bounds the work that a damaged count can cause. */
const mostTablespaces = 65_536;

/** -1, which is no code, for what is no decimal number: nothing at all must not become 0, which is one. */
const codeOf = (text: string): number => (/^[0-9]{1,3}$/.test(text) ? Number(text) : -1);

function readTimings(fields: Fields): StageTimings {
  const timings: Record<keyof StageTimings, number> = { ...noTimings };
  for (const [key, field] of timingKeys) timings[field] = Number(fields.pattern(key, /^[0-9]{1,12}(\.[0-9]{1,12})?$/, "seconds"));
  return timings;
}

function readTablespaces(fields: Fields): BackupTablespace[] {
  const count = fields.count("TABLESPACES", mostTablespaces);
  return Array.from({ length: count }, (_, index) => {
    const directory = fields.pattern(`TABLESPACE${index + 1}`, /^(?!\.)[^/\0]+$/, "the name of a directory");
    return {
      directory,
      name: tablespaceName(directory) ?? directory,
      oid: fields.count(`TABLESPACE_OID${index + 1}`, 0xffff_ffff),
      location: fields.take(`TABLESPACE_PATH${index + 1}`),
    };
  });
}

function readPgmonetaPart(fields: Fields): Omit<BackupInfo, "own" | "unknown"> {
  return {
    writer: fields.take("PGMONETA_VERSION"),
    valid: fields.flag("STATUS"),
    label: fields.pattern("LABEL", /^[0-9]{14}$/, "14 digits"),
    firstSegment: fields.pattern("WAL", /^([0-9A-F]{24})?$/, "the name of a WAL segment"),
    storedBytes: fields.count("BACKUP"),
    restoredBytes: fields.count("RESTORE"),
    biggestFile: fields.count("BIGGEST_FILE"),
    elapsed: readTimings(fields),
    majorVersion: fields.count("MAJOR_VERSION"),
    minorVersion: fields.count("MINOR_VERSION"),
    keep: fields.flag("KEEP"),
    tablespaces: readTablespaces(fields),
    ...fields.convert("COMPRESSION", (v) => compressionFromCode(codeOf(v)), "one of pgmoneta's codes"),
    encryption: fields.convert("ENCRYPTION", (v) => encryptionFromCode(codeOf(v)), "one of pgmoneta's codes"),
    startLsn: fields.lsn("START_WALPOS"),
    endLsn: fields.lsn("END_WALPOS"),
    checkpointLsn: fields.lsn("CHKPT_WALPOS"),
    startTimeline: fields.timeline("START_TIMELINE"),
    endTimeline: fields.timeline("END_TIMELINE"),
    type: fields.flag("TYPE") ? "incremental" : "full",
    parent: fields.pattern("PARENT", /^([0-9]{14})?$/, "a label") || undefined,
    comments: fields.take("COMMENTS"),
    extra: fields.take("EXTRA"),
  };
}

function readDigests(fields: Fields, digits: number): Record<string, string> {
  const names = fields.rest().map(([key]) => key);
  const digests: Record<string, string> = {};
  for (const key of names.filter((name) => name.startsWith(digestPrefix))) {
    digests[key.slice(digestPrefix.length)] = fields.pattern(
      key,
      new RegExp(`^[0-9a-f]{${digits}}$`),
      `${digits} digits`,
    );
  }
  return digests;
}

/** More earlier backups than any has files of; bounds the work that a damaged count can cause. */
const mostOwners = 10_000;

function readShared(fields: Fields): SharedBytes[] | undefined {
  if (!fields.rest().some(([key]) => key === sharedCountKey)) return undefined;
  return Array.from({ length: fields.count(sharedCountKey, mostOwners) }, (_, index) => ({
    owner: fields.pattern(`SHARED_OWNER${index + 1}`, /^[0-9]{14}$/, "a label"),
    bytes: fields.count(`SHARED_BYTES${index + 1}`),
  }));
}

function readOwnPart(fields: Fields): OwnFacts {
  const hash = fields.convert("HASH_ALGORITHM", (v) => (isHashAlgorithm(v) ? v : undefined), "sha256 or sha512");
  const states: readonly PageChecksums[] = ["off", "good", "bad"];
  const damaged = fields.count("DAMAGED_FILES", largestDamagedFiles);
  return {
    version: fields.take("MONETA_VERSION"),
    systemIdentifier: fields.pattern("SYSTEM_IDENTIFIER", /^[0-9]{1,20}$/, "a system identifier"),
    serverVersion: fields.count("SERVER_VERSION"),
    walSegmentSize: fields.count("WAL_SEGMENT_SIZE"),
    hash,
    keyId: fields.pattern("KEY_ID", /^([0-9a-f]{32})?$/, "the id of a data key") || undefined,
    startTime: fields.moment("START_TIME"),
    endTime: fields.moment("END_TIME"),
    timeZone: fields.take("TIME_ZONE") || undefined,
    fileCount: fields.count("FILES"),
    pageChecksums: fields.convert("PAGE_CHECKSUMS", (v) => states.find((state) => state === v), "off, good or bad"),
    badPages: fields.count("BAD_PAGES"),
    damagedFiles: Array.from({ length: damaged }, (_, index) => fields.take(`DAMAGED_FILE${index + 1}`)),
    chunkIndex: fields.pattern("CHUNK_INDEX", /^(?!\.)[^/\0]+$/, "the name of a file"),
    shared: readShared(fields),
    digests: readDigests(fields, digestLength(hash)),
  };
}

/** Checks and removes the last line of a file of ours. */
function withoutDigest(bytes: Buffer, refuse: Refuse): Buffer {
  const start = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  const last = bytes.subarray(start).toString("latin1");
  if (!last.startsWith(`${digestKey}=`)) throw refuse("its last line is not its digest, so it was cut");
  const rest = bytes.subarray(0, start);
  const found = createHash("sha256").update(rest).digest("hex");
  if (last !== `${digestKey}=${found}\n`) throw refuse("it does not match its digest");
  return rest;
}

/**
 * Reads the content of the `backup.info` called `name` (for messages) of the backup `label`. Throws BACKUP_DAMAGED
 * naming it when it is cut, changed or not complete, REPOSITORY_FORMAT_UNSUPPORTED when a later version wrote it.
 */
export function parseBackupInfo(bytes: Buffer, name: string, label: string): BackupInfo {
  const refuse: Refuse = (why, cause) =>
    repositoryErrors.backupDamaged(`"${name}" cannot be trusted: ${why}`, { path: name, label }, cause);
  if (bytes.length > largestInfo) throw refuse(`it has ${bytes.length} bytes`);
  if (bytes.at(-1) !== 0x0a) throw refuse("it does not end with a whole line");
  const text = pathFromBytes(bytes);
  const writer = /^PGMONETA_VERSION=(.*)$/m.exec(text)?.[1];
  // Either mark is enough, so that a file which lost one of them is not taken for one of pgmoneta's.
  const ours = writer?.includes(ownWriterMark) === true || /^(MONETA_FORMAT|DIGEST)=/m.test(text);
  // Bytes of names outside UTF-8 stand as escapes in a file of ours.
  if (ours && !isUtf8(bytes)) throw refuse("it is not UTF-8");
  const checked = ours ? pathFromBytes(withoutDigest(bytes, refuse)) : text;
  const format = /^MONETA_FORMAT=([0-9]+)$/m.exec(checked)?.[1];
  if (ours && format !== undefined && Number(format) > infoFormatVersion) {
    throw repositoryErrors.formatUnsupported(
      `"${name}" has format ${format}, the newest known is ${infoFormatVersion}`,
    );
  }
  const fields = openFields(checked, refuse, ours ? unescapeValue : (value) => value);
  const info = readPgmonetaPart(fields);
  if (ours) fields.pattern(ownFormatKey, /^1$/, "1");
  const own = ours ? readOwnPart(fields) : undefined;
  if (info.label !== label) throw refuse(`it is the one of backup ${info.label}`);
  return { ...info, own, unknown: fields.rest() };
}
