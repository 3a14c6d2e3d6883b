/** What an unfinished restore wrote: how much it is, and its removal. Names are bytes, links are not followed. */
import type { Dirent } from "node:fs";
import { lstat, readdir, rmdir, unlink } from "node:fs/promises";
import { attempting } from "./attempt.ts";

const slash = Buffer.from("/");

/** Removes what is in `directory`, except the names in `keep`; an absent directory has nothing. */
export async function removeContent(directory: string, keep: ReadonlySet<string> = new Set()): Promise<void> {
  await attempting("remove what is in", directory, () => removeBelow(Buffer.from(directory), keep));
}

async function removeBelow(directory: Buffer, keep: ReadonlySet<string>): Promise<void> {
  for (const entry of await entriesOf(directory)) {
    if (keep.has(entry.name.toString("utf8"))) continue;
    const path = Buffer.concat([directory, slash, entry.name]);
    if (entry.isDirectory()) {
      await removeBelow(path, new Set());
      await rmdir(path);
    } else {
      await unlink(path);
    }
  }
}

/** Bytes on disk of all files below the directories; with `onlyNamed` of those alone that have no second name elsewhere. */
export async function bytesBelow(directories: readonly string[], onlyNamed = false): Promise<number> {
  let sum = 0;
  const waiting = directories.map((directory) => Buffer.from(directory));
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    for (const entry of await entriesOf(directory)) {
      const path = Buffer.concat([directory, slash, entry.name]);
      if (entry.isDirectory()) {
        waiting.push(path);
        continue;
      }
      const { blocks, nlink } = await lstat(path);
      if (!onlyNamed || nlink === 1) sum += blocks * 512;
    }
  }
  return sum;
}

/** Entries of a directory, by bytes; none of one that is not there. */
export async function entriesOf(directory: Buffer): Promise<Dirent<Buffer>[]> {
  try {
    return await readdir(directory, { encoding: "buffer", withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
