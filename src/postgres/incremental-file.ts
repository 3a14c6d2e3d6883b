/**
 * `INCREMENTAL.<name>`, what an incremental base backup holds of a relation file (PostgreSQL 17, basebackup_incremental.c;
 * read by pg_combinebackup, reconstruct.c): the numbers of the blocks that may have changed since the backup before, then those
 * blocks. Words are in the byte order of the server, like those of pg_control.
 */
import { postgresErrors } from "./errors.ts";

/** Before the name of the file that it is a part of. */
export const INCREMENTAL_PREFIX = "INCREMENTAL.";

/** Bytes that say how long the header is. */
export const INCREMENTAL_START_LENGTH = 12;

/** What stands before the blocks. */
export interface IncrementalHeader {
  /** Bytes up to the first block. */
  readonly length: number;
  /** Only blocks below this number may be taken from an earlier backup. */
  readonly truncationBlocks: number;
  /** Numbers of the blocks that follow, ascending. */
  readonly blocks: Uint32Array;
  /** Blocks that the whole file has at the time of this backup. */
  readonly fileBlocks: number;
}

const magic = 0xd3ae1f0d;
const word = 4;

/** `base/1/1259` for `base/1/INCREMENTAL.1259`; undefined for the path of a whole file. */
export function pathOfIncremental(path: string): string | undefined {
  const name = path.lastIndexOf("/") + 1;
  return path.startsWith(INCREMENTAL_PREFIX, name)
    ? path.slice(0, name) + path.slice(name + INCREMENTAL_PREFIX.length)
    : undefined;
}

const refuse = (file: string, why: string) =>
  postgresErrors.incrementalFileDamaged(`${file} is no incremental file of PostgreSQL's: ${why}`, { file });

/**
 * Bytes of the header of the file called `file` (for messages), of which `start` is the beginning and `size` the length:
 * a multiple of `blockSize` when blocks follow. Throws INCREMENTAL_FILE_DAMAGED.
 */
export function incrementalHeaderLength(start: Buffer, size: number, blockSize: number, file: string): number {
  if (start.length < INCREMENTAL_START_LENGTH) throw refuse(file, `it has ${size} bytes`);
  if (start.readUInt32LE(0) !== magic) throw refuse(file, "it does not begin like one");
  const count = start.readUInt32LE(word);
  const bare = INCREMENTAL_START_LENGTH + count * word;
  const padded = Math.ceil(bare / blockSize) * blockSize;
  const length = count === 0 ? size : padded;
  // Without blocks PostgreSQL writes no padding, others may.
  const fits = count === 0 ? size === bare || size === padded : size === padded + count * blockSize;
  if (!fits) throw refuse(file, `it has ${size} bytes, which is not what ${count} blocks take`);
  return length;
}

/** The header, whole, from its `incrementalHeaderLength` bytes. Throws INCREMENTAL_FILE_DAMAGED. */
export function parseIncrementalHeader(header: Buffer, file: string): IncrementalHeader {
  const count = header.readUInt32LE(word);
  const truncationBlocks = header.readUInt32LE(2 * word);
  const blocks = new Uint32Array(count);
  let last = -1;
  for (let at = 0; at < count; at += 1) {
    const block = header.readUInt32LE(INCREMENTAL_START_LENGTH + at * word);
    // PostgreSQL sorts them; one that comes twice would have two contents.
    if (block <= last) throw refuse(file, `block ${block} follows block ${last}`);
    blocks[at] = block;
    last = block;
  }
  return { length: header.length, truncationBlocks, blocks, fileBlocks: Math.max(truncationBlocks, last + 1) };
}
