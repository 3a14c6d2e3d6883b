/** Room on the file system that holds a path: bytes, and the inodes without which no file can be made. */
import { statfsSync, type StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

export interface Room {
  /** Bytes. */
  readonly total: number;
  /** Bytes that an unprivileged account may still write. */
  readonly free: number;
  /** Files that the file system can hold; 0 where it has no such limit (btrfs). */
  readonly inodes: number;
  readonly freeInodes: number;
}

const roomOf = ({ bsize, blocks, bavail, files, ffree }: StatsFs): Room => ({
  total: bsize * blocks,
  free: bsize * bavail,
  inodes: files,
  freeInodes: ffree,
});

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT";

/** Room where `path` is; for what is made only when it is needed, the room of the directory above it. */
export async function roomAt(path: string): Promise<Room> {
  try {
    return roomOf(await statfs(path));
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    return roomAt(dirname(path));
  }
}

function roomAtSync(path: string): Room | undefined {
  try {
    return roomOf(statfsSync(path));
  } catch (error) {
    // It completes a message about another failure, which must not be hidden by this one.
    return isMissing(error) && dirname(path) !== path ? roomAtSync(dirname(path)) : undefined;
  }
}

/** True for what the system says when a file system, or the quota of an account on it, has no room. */
export function isOutOfRoom(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

export interface Shortage {
  /** To be appended to a message; empty for a failure of another kind. */
  readonly text: string;
  readonly details: Readonly<Record<string, number>>;
}

/**
 * What is lacking for the write that failed with `error`: bytes needed, free and missing, or inodes. A quota does not
 * show in the free space of its file system, and what was free can have come back since: then only that is said.
 */
export function describeShortage(error: unknown, path: string, needed?: number): Shortage {
  const room = isOutOfRoom(error) ? roomAtSync(path) : undefined;
  if (room === undefined) return { text: "", details: {} };
  const { free, freeInodes, inodes } = room;
  if (inodes > 0 && freeInodes === 0) {
    return { text: `; the file system has no free inode (of ${inodes}) and ${free} bytes`, details: { free, freeInodes } };
  }
  if (needed === undefined || needed <= free) return { text: `; ${free} bytes are free now`, details: { free } };
  const missing = needed - free;
  return { text: `; ${free} bytes are free, ${missing} are missing`, details: { needed, free, missing } };
}
