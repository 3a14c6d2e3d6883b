import { lstat, mkdir, readdir, rename, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { runOrFail } from "../../support/processes.ts";

/** Bytes of all files below a path; one that has several names counts once. */
export async function bytesBelow(path: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  const visit = async (one: string): Promise<void> => {
    const stats = await lstat(one);
    if (stats.isDirectory()) {
      for (const name of await readdir(one)) await visit(join(one, name));
      return;
    }
    const key = `${stats.dev}.${stats.ino}`;
    if (!seen.has(key)) bytes += stats.size;
    seen.add(key);
  };
  await visit(path);
  return bytes;
}

/** Puts what a run has written out of the way. */
export type Bury = (path: string) => Promise<void>;

/**
 * Empties the files below a path and moves them aside; they go with `directory` in the end. A file system without a journal
 * (ext4 on many virtual machines) does not use the inode of a deleted file again for a minute and more, and looks at each of
 * those whenever a file is made: after a few thousand deletions a thousand files cost a second, and that second would be
 * given to whoever writes a file for a file.
 */
export function createBury(directory: string): Bury {
  let buried = 0;
  const empty = async (path: string): Promise<void> => {
    const found = await lstat(path);
    if (found.isFile()) await truncate(path, 0);
    if (found.isDirectory()) for (const name of await readdir(path)) await empty(join(path, name));
  };
  return async (path) => {
    if ((await lstat(path).catch(() => undefined)) === undefined) return;
    await mkdir(directory, { recursive: true });
    await empty(path);
    buried += 1;
    await rename(path, join(directory, String(buried)));
  };
}

/**
 * Everything that was written before is on the disk, so that nobody pays for somebody else's bytes; and memory for as many
 * bytes as a run may write has just been used. A virtual machine gives memory that lay free for two seconds back to its host,
 * and each page costs many times more when it is touched again: whoever runs soon after a deletion would pay half of what
 * one pays who waited for a daemon meanwhile (measured for 1.9 GB: 0.5 s and 3.5 s of processor time).
 */
export async function settle({ directory, bytes }: { readonly directory: string; readonly bytes: number }): Promise<void> {
  await runOrFail("sync", []);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const used = join(directory, "used-memory");
  await runOrFail("dd", ["if=/dev/zero", `of=${used}`, "bs=1M", `count=${Math.ceil(bytes / 1024 ** 2)}`, "status=none"]);
  await rm(used);
}
