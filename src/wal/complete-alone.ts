/**
 * A partial segment that has all its WAL, and that the server has removed: the receiver was killed right before it gave
 * the file its name, or the server vanished between the record of `pg_switch_wal` and the zeros that fill the segment
 * up. Nobody can be asked any more; its own records say whether it is what the server wrote.
 */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../log/index.ts";
import { publishOpenFileSync } from "../common/index.ts";
import { createWalRecordReader, formatLsn, lsnPlus, partialFileName, segmentName } from "../postgres/index.ts";
import { systemSegmentCalls, type SegmentCalls } from "./segment-calls.ts";
import { syncError, writeError } from "./segment-errors.ts";
import type { StartPoint } from "./start-point.ts";

export interface Completing {
  /** Absolute path of the WAL directory. */
  readonly directory: string;
  readonly segmentSize: number;
  readonly logger: Logger;
  readonly calls?: SegmentCalls | undefined;
  /** The segment is durable under its final name. */
  readonly onComplete: (segment: string) => void;
}

const blockSize = 1024 * 1024;

/**
 * Gives the partial segment at `found` its final name when its records lead without damage to its end, or to the one
 * behind which PostgreSQL writes nothing but zeros (`CopyXLogRecordToWAL`) and reads nothing at all; its bytes are
 * written once more before, because a sync says nothing of what another process wrote. Returns whether it has its name
 * now: false when it lacks WAL, or is damaged. Throws WAL_WRITE_FAILED and WAL_SYNC_FAILED.
 */
export function completeAlone(found: StartPoint, { directory, segmentSize, logger, onComplete, calls = systemSegmentCalls }: Completing): boolean {
  const { timeline, start, existingEnd } = found;
  const length = Number(existingEnd - start);
  if (length === 0 || length > segmentSize) return false;
  const name = segmentName(timeline, start, segmentSize);
  const path = join(directory, partialFileName(name));
  const fd = openSync(path, "r+");
  try {
    const records = createWalRecordReader({ start, segmentSize, verify: true });
    const block = Buffer.allocUnsafe(Math.min(blockSize, segmentSize));
    for (let at = 0; at < length; at += block.length) {
      const piece = block.subarray(0, length - at);
      if (calls.read(fd, piece, at) !== piece.length) return false;
      records.write(piece);
      rewrite(calls, fd, piece, at, path);
    }
    records.finish();
    const ended = records.stopped === undefined && records.switchedTo === lsnPlus(start, segmentSize);
    if (length < segmentSize && !ended) return false;
    if (records.stopped !== undefined) {
      const { at, damage = "there is nothing but zeros" } = records.stopped;
      logger.error(`segment ${name} was received up to its end, but is damaged at ${formatLsn(at)} (${damage}), and the server has removed it`, { segment: name });
      return false;
    }
    block.fill(0);
    for (let at = length; at < segmentSize; at += block.length) rewrite(calls, fd, block.subarray(0, segmentSize - at), at, path);
    complete(calls, fd, path, join(directory, name));
  } finally {
    closeSync(fd);
  }
  logger.info(`segment ${name}, which the server has removed, is complete: its records lead up to its end`, { segment: name });
  onComplete(name);
  return true;
}

/** The same bytes at the same place, or zeros behind them: whatever fails, the file says what it said before. */
function rewrite(calls: SegmentCalls, fd: number, block: Buffer, at: number, path: string): void {
  for (let done = 0; done < block.length; ) {
    try {
      done += calls.write(fd, block.subarray(done), at + done);
    } catch (error) {
      throw writeError(error, path, block.length - done);
    }
  }
}

function complete(calls: SegmentCalls, fd: number, path: string, final: string): void {
  try {
    calls.datasync(fd);
    publishOpenFileSync(fd, path, final);
  } catch (error) {
    throw syncError(error, path, "completed");
  }
}
