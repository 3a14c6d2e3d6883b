import { chownSync, mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { freemem } from "node:os";
import { join } from "node:path";

const place = "/dev/shm";
const GiB = 1024 ** 3;

/**
 * A directory in memory for the data of the servers that tests back up, where there is room for it: ext4 looks long for
 * inodes where thousands of files were just deleted, and how a source keeps its files is not what is tested. What
 * Moneta writes stays on the disk.
 * @returns {{ path: string | undefined, left: () => string[], remove: () => void }}
 */
export function prepareMemory({ uid, gid }) {
  const none = { path: undefined, left: () => [], remove: () => undefined };
  try {
    const { bavail, bsize } = statfsSync(place);
    const available = Math.min(bavail * bsize, freemem(), process.availableMemory?.() ?? Infinity);
    if (available < 8 * GiB) return none;
    const path = mkdtempSync(join(place, "mt-"));
    if (uid !== undefined) chownSync(path, uid, gid);
    return { path, left: () => readdirSync(path), remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
  } catch {
    // No such place, or not for us: the disk does as well.
    return none;
  }
}
