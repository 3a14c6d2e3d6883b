/**
 * The records that recovery can stop at: ends of transactions and restore points (xact.h, xlog_internal.h; 13 to 18).
 * Only what a recovery target needs is read.
 */

/** Resource managers, `rmgrlist.h`: their order is part of the format. */
export const rmgrXlog = 0;
export const rmgrTransaction = 1;

const opMask = 0x70;
const opCommit = 0x00;
const opAbort = 0x20;
const opCommitPrepared = 0x30;
const opAbortPrepared = 0x40;
const hasInfo = 0x80;

const xlogRestorePoint = 0x70;
const xlogSwitch = 0x40;

const flag = { database: 1, subtransactions: 2, relations: 4, invalidations: 8, twoPhase: 16, droppedStatistics: 256 };

/** `SizeOfXLogRecord`: the fixed header of every record. */
export const recordHeaderSize = 24;

/** Microseconds from 1970 to 2000, PostgreSQL's epoch. */
const epoch = 946_684_800_000_000n;

/** Where recovery can stop. `time` is microseconds since 1970, by the clock of the server. */
export type StoppingPoint =
  | {
      readonly kind: "commit" | "abort";
      readonly time: bigint;
      /** The transaction that ended; undefined when that of a prepared one was not read. */
      readonly xid: number | undefined;
    }
  | { readonly kind: "restore-point"; readonly time: bigint; readonly name: string };

/** True for records whose body `readStoppingPoint` understands. */
export function isStoppingPoint(rmgr: number, info: number): boolean {
  if (rmgr === rmgrXlog) return (info & 0xf0) === xlogRestorePoint;
  const op = info & opMask;
  return rmgr === rmgrTransaction && (op === opCommit || op === opAbort || op === opCommitPrepared || op === opAbortPrepared);
}

/** True for the record after which the rest of its segment holds nothing. */
export function isSegmentSwitch(rmgr: number, info: number): boolean {
  return rmgr === rmgrXlog && (info & 0xf0) === xlogSwitch;
}

/** Offset of the main data, which follows the headers of origin and top-level transaction; -1 when there is none. */
function mainDataOffset(record: Buffer): number {
  for (let at = recordHeaderSize; at < record.length; ) {
    const id = record[at];
    if (id === 255) return at + 2;
    if (id === 254) return at + 5;
    if (id === 253) at += 3;
    else if (id === 252) at += 5;
    else return -1;
  }
  return -1;
}

/**
 * Reads a record for which `isStoppingPoint` is true. `record` may be cut after its first kilobytes. `wideStatistics`:
 * the identifiers of dropped statistics have 64 bits (from 18 on). Undefined when it is not of the known form.
 */
export function readStoppingPoint(record: Buffer, wideStatistics: boolean): StoppingPoint | undefined {
  const rmgr = record[17];
  const info = record[16] ?? 0;
  const data = mainDataOffset(record);
  if (data < 0 || data + 8 > record.length) return undefined;
  const time = record.readBigInt64LE(data) + epoch;
  if (rmgr === rmgrXlog) {
    const name = record.subarray(data + 8, data + 8 + 64);
    const end = name.indexOf(0);
    return { kind: "restore-point", time, name: name.subarray(0, end < 0 ? name.length : end).toString("utf8") };
  }
  const op = info & opMask;
  const kind = op === opCommit || op === opCommitPrepared ? "commit" : "abort";
  const prepared = op === opCommitPrepared || op === opAbortPrepared;
  const xid = prepared ? preparedXid(record, data + 8, info, kind, wideStatistics) : record.readUInt32LE(4);
  return { kind, time, xid };
}

/** The transaction that a COMMIT or ROLLBACK PREPARED ends: the record itself belongs to another one. */
function preparedXid(
  record: Buffer,
  start: number,
  info: number,
  kind: "commit" | "abort",
  wideStatistics: boolean,
): number | undefined {
  if ((info & hasInfo) === 0 || start + 4 > record.length) return undefined;
  const present = record.readUInt32LE(start);
  let at = start + 4;
  const skipList = (bit: number, itemSize: number): void => {
    if ((present & bit) === 0) return;
    at = at + 4 > record.length ? record.length : at + 4 + record.readUInt32LE(at) * itemSize;
  };
  if ((present & flag.database) !== 0) at += 8;
  skipList(flag.subtransactions, 4);
  skipList(flag.relations, 12);
  skipList(flag.droppedStatistics, wideStatistics ? 16 : 12);
  if (kind === "commit") skipList(flag.invalidations, 16);
  if ((present & flag.twoPhase) === 0 || at + 4 > record.length) return undefined;
  return record.readUInt32LE(at);
}
