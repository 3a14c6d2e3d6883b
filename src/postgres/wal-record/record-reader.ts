/**
 * Reads WAL forward, record by record (PostgreSQL manual, "WAL Internals"; xlogrecord.h, xlogreader.c, 13 to 18), as
 * far as a recovery target needs it: where records begin and end, when transactions ended, restore points.
 */
import { lsn, lsnPlus, type Lsn } from "../lsn.ts";
import { parseWalPageHeader, walPageHeaderSize, type WalPageHeader } from "../wal-page.ts";
import { nextSegmentStart } from "../wal-segment.ts";
import { versionTraits } from "../version.ts";
import { messageOf } from "../../common/index.ts";
import { crc32cOfRange } from "../../common/index.ts";
import {
  isSegmentSwitch,
  isStoppingPoint,
  readStoppingPoint,
  recordHeaderSize,
  type StoppingPoint,
} from "./transaction-record.ts";

export interface WalRecordReaderOptions {
  /** Start of the segment that the first piece begins. */
  readonly start: Lsn;
  /** Bytes. */
  readonly segmentSize: number;
  /** Compare the CRC-32C of each record; without it only lengths and links are. */
  readonly verify?: boolean;
  /** Called for each record at which recovery can stop, in order. */
  readonly onStoppingPoint?: (point: StoppingPoint, start: Lsn, end: Lsn) => void;
}

export interface WalRecordReader {
  /** Takes the next bytes. After the end was seen it does nothing. */
  write(piece: Uint8Array): void;
  /** No more bytes come: the last, incomplete page is looked at. */
  finish(): void;
  /** Where the last complete record begins, and where it ends (rounded up to where the next one begins). */
  readonly last: { readonly start: Lsn; readonly end: Lsn } | undefined;
  /** Where WAL goes on when the last record ends its segment early (`pg_switch_wal`): zeros up to there are part of it. */
  readonly switchedTo: Lsn | undefined;
  /** Why nothing more is read: zeros, as after the last record; or what no server wrote. */
  readonly stopped: { readonly at: Lsn; readonly damage: string | undefined } | undefined;
}

/** Bytes of a record that are kept: more has only a transaction with thousands of subtransactions. */
const keptBytes = 64 * 1024;
const pageSize = 8192;
const overwritesContinuation = 0x0008;
/** Records begin at multiples of this. */
const alignment = 8;

const align = (bytes: number): number => (bytes + alignment - 1) & -alignment;

interface Unfinished {
  readonly start: Lsn;
  readonly total: number;
  /** Bytes taken. */
  have: number;
  /** The first bytes; grows to what must be kept. */
  kept: Buffer;
  crc: number;
}

export function createWalRecordReader(options: WalRecordReaderOptions): WalRecordReader {
  const { segmentSize, onStoppingPoint } = options;
  const verify = options.verify === true;
  const wideFrom = versionTraits(180000).walPageMagic ?? 0;
  let at = options.start;
  let rest: Buffer = Buffer.alloc(0);
  let last: { start: Lsn; end: Lsn } | undefined;
  let switchedTo: Lsn | undefined;
  let unfinished: Unfinished | undefined;
  /** Nothing but padding before this position. */
  let skipTo = options.start;
  let stopped: { at: Lsn; damage: string | undefined } | undefined;
  let wideStatistics = false;

  const stop = (position: Lsn, damage?: string): void => {
    stopped ??= { at: position, damage };
  };

  /** Judges a complete record; its first bytes are in `head`. */
  function complete(start: Lsn, total: number, end: Lsn, head: Buffer, crc: number | undefined): boolean {
    const previous = lsn(head.readBigUInt64LE(8));
    if (last !== undefined && previous !== last.start) {
      stop(start, "the record does not follow the one before");
      return false;
    }
    const found = crc === undefined ? undefined : crc32cOfRange(head, 0, 20, crc);
    if (found !== undefined && found !== head.readUInt32LE(20)) {
      stop(start, "the checksum of the record does not match");
      return false;
    }
    const rmgr = head[17] ?? 0;
    const info = head[16] ?? 0;
    last = { start, end };
    switchedTo = undefined;
    if (isSegmentSwitch(rmgr, info)) {
      // A switch at the very end of a segment leaves nothing to skip.
      skipTo = (end & BigInt(segmentSize - 1)) === 0n ? end : nextSegmentStart(end, segmentSize);
      switchedTo = skipTo;
    } else if (onStoppingPoint !== undefined && isStoppingPoint(rmgr, info)) {
      const point = readStoppingPoint(head.subarray(0, total), wideStatistics);
      if (point !== undefined) onStoppingPoint(point, start, end);
    }
    return true;
  }

  function continueRecord(record: Unfinished, bytes: Buffer): number {
    const taken = Math.min(record.total - record.have, bytes.length);
    const piece = bytes.subarray(0, taken);
    if (record.kept.length < keptBytes) record.kept = Buffer.concat([record.kept, piece.subarray(0, keptBytes - record.kept.length)]);
    if (verify) {
      const bodyFrom = Math.max(0, recordHeaderSize - record.have);
      if (bodyFrom < piece.length) record.crc = crc32cOfRange(piece, bodyFrom, piece.length, record.crc);
    }
    record.have += taken;
    return taken;
  }

  /** Walks the records of a page from `offset` on; `page` may be cut off. */
  function walk(page: Buffer, offset: number): void {
    let here = offset;
    while (stopped === undefined) {
      if (skipTo > at + BigInt(here)) {
        if (skipTo >= at + BigInt(pageSize)) return;
        here = Number(skipTo - at);
      }
      if (here + 4 > page.length) return;
      const start = lsnPlus(at, here);
      const total = page.readUInt32LE(here);
      if (total === 0) {
        stop(start);
        return;
      }
      if (total < recordHeaderSize) {
        stop(start, `a record has ${total} bytes`);
        return;
      }
      if (here + total <= page.length) {
        const record = page.subarray(here, here + total);
        here += align(total);
        const crc = verify ? crc32cOfRange(record, recordHeaderSize, total) : undefined;
        if (!complete(start, total, lsnPlus(at, here), record, crc)) return;
      } else {
        unfinished = { start, total, have: 0, kept: Buffer.alloc(0), crc: 0 };
        continueRecord(unfinished, page.subarray(here));
        return;
      }
    }
  }

  /** The page header, or undefined where WAL ends. */
  function headerOf(page: Buffer): WalPageHeader | undefined {
    if (page.length < walPageHeaderSize && page.length < pageSize) return undefined;
    if (page.readUInt16LE(0) === 0) {
      stop(at);
      return undefined;
    }
    try {
      const header = parseWalPageHeader(page);
      if (header.pageAddress === at) return header;
      stop(at, "the page belongs to another position");
    } catch (error) {
      stop(at, messageOf(error));
    }
    return undefined;
  }

  function takePage(page: Buffer): void {
    if (skipTo >= at + BigInt(pageSize)) return;
    const header = headerOf(page);
    if (header === undefined) return;
    wideStatistics = header.magic >= wideFrom;
    let offset = header.headerLength;
    if ((header.info & overwritesContinuation) !== 0 || !header.continuesRecord) {
      // The server crashed within the record, or before it; what it wrote afterwards begins here.
      unfinished = undefined;
    } else if (unfinished !== undefined) {
      if (header.remainingLength !== unfinished.total - unfinished.have) {
        stop(unfinished.start, "the record does not go on with the next page");
        return;
      }
      offset += continueRecord(unfinished, page.subarray(offset));
      if (unfinished.have < unfinished.total) return;
      const { start, total, kept, crc } = unfinished;
      unfinished = undefined;
      offset = align(offset);
      if (!complete(start, total, lsnPlus(at, offset), kept, verify ? crc : undefined)) return;
    } else {
      // The rest of a record that began before the first page; each page tells anew how much is left of it.
      if (header.remainingLength > pageSize - offset) return;
      offset = align(offset + header.remainingLength);
    }
    walk(page, offset);
  }

  function drain(bytes: Buffer): Buffer {
    let from = 0;
    while (stopped === undefined && bytes.length - from >= pageSize) {
      takePage(bytes.subarray(from, from + pageSize));
      at = lsnPlus(at, pageSize);
      from += pageSize;
    }
    return stopped === undefined ? Buffer.from(bytes.subarray(from)) : Buffer.alloc(0);
  }

  return {
    write(piece) {
      if (stopped !== undefined) return;
      const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      rest = drain(rest.length === 0 ? bytes : Buffer.concat([rest, bytes]));
    },
    finish() {
      if (stopped === undefined && rest.length > 0) takePage(rest);
      rest = Buffer.alloc(0);
    },
    get last() {
      return last;
    },
    get switchedTo() {
      return switchedTo;
    },
    get stopped() {
      return stopped;
    },
  };
}
