/** Opening, and giving up, the file of a segment that is being received. */
import { closeSync, constants, existsSync, fstatSync, ftruncateSync, openSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { MonetaError, setAsideSync, syncDirectorySync } from "../common/index.ts";
import { unsyncedSuffix } from "../repository/index.ts";
import { walErrors } from "./errors.ts";
import type { SegmentCalls } from "./segment-calls.ts";
import { syncError, writeError } from "./segment-errors.ts";

const compareBlock = 256 * 1024;

export interface PartialFile {
  readonly path: string;
  readonly directory: string;
  /** Bytes of WAL that the file holds by what was seen before; 0: a new one is begun. */
  readonly existing: number;
  readonly segmentSize: number;
}

/** Opens what is there and makes it durable, or makes a new file whose name is durable before its first acknowledgement. */
export function openPartial(calls: SegmentCalls, file: PartialFile): number {
  const { path } = file;
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | (file.existing > 0 ? 0 : constants.O_CREAT), 0o600);
    const { size } = checkSize(fd, file);
    if (file.existing === 0) begin(calls, fd, size, file);
    else syncExisting(calls, fd, path);
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw error instanceof MonetaError ? error : writeError(error, path, 0);
  }
}

function checkSize(fd: number, { path, existing, segmentSize }: PartialFile): { size: number } {
  const facts = fstatSync(fd);
  if (!facts.isFile()) throw walErrors.segmentMalformed(`"${path}" is not a plain file`, { path });
  if (facts.size > segmentSize) {
    throw walErrors.segmentMalformed(`"${path}" has ${facts.size} bytes, more than a segment of ${segmentSize}`, { path, size: facts.size });
  }
  if (facts.size < existing) throw walErrors.writeFailed(`"${path}" became shorter since it was looked at`, { path, size: facts.size });
  return facts;
}

/**
 * An empty file, and one of zeros only (filled in advance), has no WAL and is begun anew; nothing else is ever cut. One
 * whose name could not be synced is removed: a second sync of the directory may say yes without having done anything, and
 * what was acknowledged in the file would be gone with its name.
 */
function begin(calls: SegmentCalls, fd: number, size: number, { path, directory }: PartialFile): void {
  const block = Buffer.allocUnsafe(Math.min(size, 1024 * 1024));
  for (let at = 0; at < size; ) {
    const read = calls.read(fd, block, at);
    if (read === 0 || block.subarray(0, read).some((byte) => byte !== 0)) {
      throw walErrors.segmentExists(`"${path}" holds WAL that was not there when the start position was chosen`, { path });
    }
    at += read;
  }
  if (size > 0) ftruncateSync(fd, 0);
  try {
    calls.syncNames(directory);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** What a process before this one wrote may not be on disk. If the disk refuses it now, it is never asked again for this file. */
function syncExisting(calls: SegmentCalls, fd: number, path: string): void {
  try {
    calls.sync(fd);
  } catch (error) {
    giveUpPartial(path, Infinity);
    throw syncError(error, path, "synced");
  }
}

/** Where bytes go that were acknowledged before the disk failed: no reader takes them for WAL, a person can. */
const asideSuffix = unsyncedSuffix;

/**
 * Takes a file that could not be synced out of the way, so that its segment is received again from the start. Of its
 * bytes the first `acknowledged` may be the only copy of what the server was told is safe (`Infinity` when nobody knows
 * how many): they are kept until the segment is complete, of several such files the most. What comes after them was
 * promised to nobody, and the server sends it again.
 */
export function giveUpPartial(path: string, acknowledged: number): void {
  if (!existsSync(path)) return;
  const aside = `${path}.${asideSuffix}`;
  if (acknowledged === 0) {
    rmSync(path);
    return;
  }
  cutTo(path, acknowledged);
  if (!existsSync(aside)) setAsideSync(path, asideSuffix);
  else if (statSync(path).size <= statSync(aside).size) rmSync(path);
  else {
    renameSync(path, aside);
    syncDirectorySync(dirname(path));
  }
}

/** So that the length of a file set aside says how much of it counts. */
function cutTo(path: string, length: number): void {
  try {
    if (statSync(path).size > length) truncateSync(path, length);
  } catch {
    // The disk fails already. What is kept too much claims more than was promised, which loses nothing.
  }
}

/** The segment is complete: what an earlier attempt left of it serves nobody any more. */
export function forgetAside(path: string): void {
  rmSync(`${path}.${asideSuffix}`, { force: true });
}

/**
 * Removes the partial segment open as `fd`, which is full, when the complete one at `final` has the same bytes; these are
 * durable then. False when it has others, or is no whole segment: then nothing was changed.
 */
export function dropIfSame(calls: SegmentCalls, fd: number, path: string, final: string, segmentSize: number): boolean {
  const other = openSync(final, constants.O_RDONLY);
  try {
    if (fstatSync(other).size !== segmentSize) return false;
    const [one, two] = [Buffer.allocUnsafe(compareBlock), Buffer.allocUnsafe(compareBlock)];
    for (let at = 0; at < segmentSize; at += compareBlock) {
      const length = Math.min(compareBlock, segmentSize - at);
      const [mine, theirs] = [one.subarray(0, length), two.subarray(0, length)];
      if (calls.read(fd, mine, at) !== length || calls.read(other, theirs, at) !== length || !mine.equals(theirs)) return false;
    }
    calls.sync(other);
  } finally {
    closeSync(other);
  }
  rmSync(path);
  syncDirectorySync(dirname(path));
  return true;
}
