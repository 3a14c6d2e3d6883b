/**
 * global/pg_control, the file that says what a cluster is and where its recovery begins (pg_control.h).
 * It is written by the server in its own byte order with C's alignment; the layouts here are those of 64-bit
 * little-endian machines, 13 to 18, compared with what the servers themselves report.
 */
import { crc32c } from "../common/index.ts";
import { postgresErrors } from "./errors.ts";
import type { Lsn } from "./lsn.ts";
import { isSegmentSize } from "./wal-segment.ts";

/** `DBState` in words. A backup holds `in-production`, that of a standby `in-archive-recovery`. */
export type ControlState = (typeof states)[number];
const states = [
  "starting-up",
  "shut-down",
  "shut-down-in-recovery",
  "shutting-down",
  "in-crash-recovery",
  "in-archive-recovery",
  "in-production",
] as const;

export type WalLevel = (typeof walLevels)[number];
const walLevels = ["minimal", "replica", "logical"] as const;

/**
 * The facts of pg_control that backup and restore use. A field that may have moved in a format newer than the
 * newest known one is null then; all others were found by a mark that did not move.
 */
export interface ControlFile {
  /** False for a format newer than the newest known. */
  readonly known: boolean;
  /** Decimal, because it does not fit a number: `7710185899889174685`. */
  readonly systemIdentifier: string;
  readonly controlVersion: number;
  readonly catalogVersion: number;
  readonly state: ControlState;
  /** Last update of the file, milliseconds since 1970. */
  readonly modifiedTime: number;
  readonly checkpointLsn: Lsn;
  /** Where recovery would begin. */
  readonly redoLsn: Lsn;
  /** Timeline of the checkpoint; a plain number because 0 can stand there. */
  readonly timeline: number;
  readonly previousTimeline: number;
  readonly fullPageWrites: boolean;
  /** Next transaction, with its epoch in the upper half. */
  readonly nextXid: bigint | null;
  /** Milliseconds since 1970. */
  readonly checkpointTime: number | null;
  readonly minRecoveryPoint: Lsn | null;
  readonly minRecoveryTimeline: number | null;
  readonly backupStartLsn: Lsn | null;
  readonly backupEndLsn: Lsn | null;
  readonly backupEndRequired: boolean | null;
  readonly walLevel: WalLevel;
  readonly walLogHints: boolean;
  readonly maxConnections: number;
  readonly maxWorkerProcesses: number;
  readonly maxWalSenders: number;
  readonly maxPreparedTransactions: number;
  readonly maxLocksPerTransaction: number;
  readonly trackCommitTimestamp: boolean;
  /** Bytes of a page of data. */
  readonly blockSize: number;
  /** Pages in one file of a large relation (131072 for 1 GB). */
  readonly relationSegmentBlocks: number;
  /** Bytes of a page of WAL. */
  readonly walBlockSize: number;
  /** Bytes of a WAL segment. */
  readonly segmentSize: number;
  /** 0 when pages carry no checksums. */
  readonly dataChecksumVersion: number;
}

/** The file is padded to this size; only the first 300 bytes or so are used. */
export const controlFileSize = 8192;

/** Offset of the checksum, which comes last, for each format; 17 filled a hole and 18 appended a byte. */
const checksumOffsets = new Map([
  [1300, 288],
  [1700, 288],
  [1800, 292],
]);
/** `floatFormat`, the constant 1234567.0: a mark that shows where the fields around it lie. */
const floatMark = Buffer.from("0000000087d63241", "hex");
const floatOffset = 208;

const refuse = (why: string, details: Record<string, string | number> = {}) =>
  postgresErrors.controlFileDamaged(`pg_control ${why}`, details);

/** True when `checksum` at `offset` covers everything before it. */
function checksumMatches(bytes: Buffer, offset: number): boolean {
  return crc32c(bytes.subarray(0, offset)) === bytes.readUInt32LE(offset);
}

/** Checks the checksum of a known format; searches for the place of an unknown one, which proves the content as well. */
function checkIntegrity(bytes: Buffer, controlVersion: number): void {
  const offset = checksumOffsets.get(controlVersion);
  if (offset !== undefined) {
    if (!checksumMatches(bytes, offset)) throw refuse("has a wrong checksum", { controlVersion });
    return;
  }
  const end = Math.min(bytes.length - 4, 1024);
  for (let candidate = 256; candidate <= end; candidate += 4) {
    if (bytes.readUInt32LE(candidate) !== 0 && checksumMatches(bytes, candidate)) return;
  }
  throw refuse(`of the unknown format ${controlVersion} has no checksum that matches`, { controlVersion });
}

function pick<T>(values: readonly T[], index: number, what: string): T {
  const value = values[index];
  if (value === undefined) throw refuse(`has the unknown ${what} ${index}`);
  return value;
}

/** Refuses sizes that no server can have: a wrong layout would show here first. */
function checkSizes(file: ControlFile): void {
  const powers: [string, number][] = [
    ["block size", file.blockSize],
    ["WAL block size", file.walBlockSize],
  ];
  for (const [what, size] of powers) {
    if (size < 1024 || size > 65536 || (size & (size - 1)) !== 0) throw refuse(`has the impossible ${what} ${size}`);
  }
  if (!isSegmentSize(file.segmentSize)) throw refuse(`has the impossible WAL segment size ${file.segmentSize}`);
  if (file.relationSegmentBlocks === 0) throw refuse("has files of zero blocks");
  if (file.dataChecksumVersion > 1 && file.known) {
    throw refuse(`has the unknown checksum version ${file.dataChecksumVersion}`);
  }
}

/**
 * Reads pg_control of PostgreSQL 13 to 18, and what can be read of a newer one. Throws CONTROL_FILE_DAMAGED when it
 * is short, when its CRC-32C does not match, or when it comes from an older version or another kind of machine.
 */
export function parseControlFile(content: Uint8Array): ControlFile {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (bytes.length < 512) throw refuse(`has ${bytes.length} bytes, expected ${controlFileSize}`);
  const controlVersion = bytes.readUInt32LE(8);
  const known = checksumOffsets.has(controlVersion);
  if (!known && bytes.readUInt32BE(8) <= 0xffff)
    throw refuse("comes from a big-endian machine, which is not supported");
  if (controlVersion < 1300)
    throw refuse(`has the format ${controlVersion} of an unsupported version`, { controlVersion });
  checkIntegrity(bytes, controlVersion);
  const mark = known ? floatOffset : bytes.indexOf(floatMark, 128);
  if (mark < 0 || !bytes.subarray(mark, mark + 8).equals(floatMark)) throw refuse("has another number format");
  const lsnAt = (offset: number) => bytes.readBigUInt64LE(offset) as Lsn;
  const ifKnown = <T>(value: T): T | null => (known ? value : null);
  const flag = (offset: number) => bytes[offset] === 1;
  const file: ControlFile = {
    known,
    systemIdentifier: bytes.readBigUInt64LE(0).toString(),
    controlVersion,
    catalogVersion: bytes.readUInt32LE(12),
    state: pick(states, bytes.readUInt32LE(16), "state"),
    modifiedTime: Number(bytes.readBigInt64LE(24)) * 1000,
    checkpointLsn: lsnAt(32),
    redoLsn: lsnAt(40),
    timeline: bytes.readUInt32LE(48),
    previousTimeline: bytes.readUInt32LE(52),
    fullPageWrites: flag(56),
    nextXid: ifKnown(bytes.readBigUInt64LE(64)),
    checkpointTime: ifKnown(Number(bytes.readBigInt64LE(104)) * 1000),
    minRecoveryPoint: ifKnown(lsnAt(136)),
    minRecoveryTimeline: ifKnown(bytes.readUInt32LE(144)),
    backupStartLsn: ifKnown(lsnAt(152)),
    backupEndLsn: ifKnown(lsnAt(160)),
    backupEndRequired: ifKnown(flag(168)),
    walLevel: pick(walLevels, bytes.readUInt32LE(mark - 36), "wal_level"),
    walLogHints: flag(mark - 32),
    maxConnections: bytes.readInt32LE(mark - 28),
    maxWorkerProcesses: bytes.readInt32LE(mark - 24),
    maxWalSenders: bytes.readInt32LE(mark - 20),
    maxPreparedTransactions: bytes.readInt32LE(mark - 16),
    maxLocksPerTransaction: bytes.readInt32LE(mark - 12),
    trackCommitTimestamp: flag(mark - 8),
    blockSize: bytes.readUInt32LE(mark + 8),
    relationSegmentBlocks: bytes.readUInt32LE(mark + 12),
    walBlockSize: bytes.readUInt32LE(mark + 16),
    segmentSize: bytes.readUInt32LE(mark + 20),
    dataChecksumVersion: bytes.readUInt32LE(mark + 44),
  };
  checkSizes(file);
  return file;
}
