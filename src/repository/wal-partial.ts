/** How far a segment that is not complete is filled. */
import type { Lsn } from "../postgres/index.ts";
import { createWalRecordReader, lsnPlus, parseSegmentName } from "../postgres/index.ts";
import type { RandomReader, Storage } from "../storage/index.ts";
import type { WalLocation } from "./wal-locate.ts";

const blockSize = 64 * 1024;
const segmentReadBlock = 1024 * 1024;
/** WAL records begin at multiples of 8 bytes. */
const alignment = 8;

/** Bytes before the zeros at the end, rounded up to where a record can end. */
async function filledBytes(reader: RandomReader): Promise<number> {
  for (let end = reader.size; end > 0;) {
    const start = Math.max(0, end - blockSize);
    const block = await reader.read(start, end - start);
    for (let at = block.length - 1; at >= 0; at--) {
      if (block[at] !== 0) return Math.ceil((start + at + 1) / alignment) * alignment;
    }
    end = start;
  }
  return 0;
}

/** Bytes of the header of a record, which is all of a switch record (xlogrecord.h). */
const switchRecordBytes = 24;
const pageSize = 8192;
const longestPageHeader = 40;

/** Could the bytes before `end` be the record of `pg_switch_wal`? A look at them, before the whole file is read. */
async function mayEndWithSwitch(reader: RandomReader, end: number): Promise<boolean> {
  if (end < switchRecordBytes) return false;
  // Its header can be divided by that of a page.
  if (end % pageSize < switchRecordBytes + longestPageHeader) return true;
  const record = await reader.read(end - switchRecordBytes, switchRecordBytes);
  return record.length === switchRecordBytes && record.readUInt32LE(0) === switchRecordBytes;
}

/** True when the records lead without damage to one that ends the segment early: the zeros after it are WAL then. */
async function endsWithSwitch(reader: RandomReader, start: Lsn, end: number, segmentSize: number): Promise<boolean> {
  if (!(await mayEndWithSwitch(reader, end))) return false;
  const records = createWalRecordReader({ start, segmentSize, verify: true });
  for (let at = 0; at < end && records.stopped === undefined; at += segmentReadBlock) {
    records.write(await reader.read(at, Math.min(segmentReadBlock, end - at)));
  }
  records.finish();
  return records.switchedTo === lsnPlus(start, segmentSize);
}

/**
 * First position that the partial segment does not hold. The receiver appends, so a file shorter than a segment ends
 * where the WAL ends. A file of full length was filled with zeros in advance (pgmoneta does), or is full and has only
 * not got its name: there the zeros at the end count as not received unless the server ended the segment before them,
 * which can be a few bytes too few and never one too many. Of one in the form of archived segments its record says it.
 */
export async function endOfPartial(storage: Storage, location: WalLocation, segmentSize: number): Promise<Lsn> {
  const { start } = parseSegmentName(location.segment, segmentSize);
  if (location.record !== undefined) return lsnPlus(start, location.record.plainSize);
  const reader = await storage.openFile(location.path);
  try {
    if (reader.size < segmentSize) return lsnPlus(start, reader.size);
    const filled = Math.min(await filledBytes(reader), segmentSize);
    const full = filled < segmentSize && (await endsWithSwitch(reader, start, filled, segmentSize));
    return lsnPlus(start, full ? segmentSize : filled);
  } finally {
    await reader.close();
  }
}

/**
 * Does the partial segment hold all of its WAL although it is shorter? Then its records lead without damage to the one
 * that ends it early, and what is not there is zeros, which no reader of WAL looks at. What it holds is durable
 * afterwards.
 */
export async function partialHoldsAll(storage: Storage, location: WalLocation, segmentSize: number): Promise<boolean> {
  const { start } = parseSegmentName(location.segment, segmentSize);
  if (location.record !== undefined) return location.record.plainSize === segmentSize;
  const reader = await storage.openFile(location.path);
  try {
    if (reader.size > segmentSize) return false;
    const filled = Math.min(await filledBytes(reader), reader.size);
    if (!(await endsWithSwitch(reader, start, filled, segmentSize))) return false;
  } finally {
    await reader.close();
  }
  await storage.syncFile(location.path);
  return true;
}

/**
 * As `endOfPartial`, and everything before that position is durable afterwards, whether or not the receiver has come
 * to it: the length is taken first, then the file is synced.
 */
export async function durableEndOfPartial(storage: Storage, location: WalLocation, segmentSize: number): Promise<Lsn> {
  const end = await endOfPartial(storage, location, segmentSize);
  await storage.syncFile(location.path);
  return end;
}
