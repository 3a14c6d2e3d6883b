/**
 * Single entries of a copy brought to what they shall be, whatever lies there: nothing is written that is right already,
 * and no link is followed, which could lead out of the copy.
 */
import type { BigIntStats } from "node:fs";
import { chmod, lstat, mkdir, readFile, readlink, rmdir, symlink, unlink, writeFile } from "node:fs/promises";
import { pathToBytes } from "../../postgres/index.ts";
import { attempting } from "../attempt.ts";
import { removeContent } from "../remove-content.ts";

/** What `lstat` says of a path; undefined when nothing is there. */
export async function lookAt(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(pathToBytes(path), { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return attempting("look at", path, () => Promise.reject(error as Error));
  }
}

/** Removes whatever has this name; nothing is removed that a link leads to. */
export async function removeEntry(path: string): Promise<void> {
  const found = await lookAt(path);
  if (found === undefined) return;
  if (found.isDirectory()) await removeContent(path);
  await attempting("remove", path, () => (found.isDirectory() ? rmdir(pathToBytes(path)) : unlink(pathToBytes(path))));
}

export function setMode(path: string, mode: number): Promise<void> {
  return attempting("set the mode of", path, () => chmod(pathToBytes(path), mode));
}

/** A real directory at `path`, and at everything between it and `root`, which is one. */
export async function placeDirectory(path: string, root: string, mode: number): Promise<void> {
  if (path === root || !path.startsWith(`${root}/`)) return;
  await placeDirectory(path.slice(0, path.lastIndexOf("/")), root, mode);
  const found = await lookAt(path);
  if (found?.isDirectory() === true) return;
  if (found !== undefined) await removeEntry(path);
  await attempting("make the directory", path, () => mkdir(pathToBytes(path), { mode }));
  await setMode(path, mode);
}

/** A file with this content and mode; the bytes that were written, 0 when it was right already. */
export async function putContent(path: string, content: Buffer, mode: number): Promise<number> {
  const found = await lookAt(path);
  const plain = found !== undefined && found.isFile() && found.nlink === 1n;
  if (plain && found.size === BigInt(content.length)) {
    const there = await attempting("read", path, () => readFile(pathToBytes(path)));
    if (there.equals(content)) {
      if ((Number(found.mode) & 0o777) !== mode) await setMode(path, mode);
      return 0;
    }
  }
  await removeEntry(path);
  await attempting("write", path, () => writeFile(pathToBytes(path), content, { flag: "wx", mode: 0o600 }));
  await setMode(path, mode);
  return content.length;
}

/** A symbolic link to `target`. */
export async function putLink(path: string, target: string): Promise<void> {
  const found = await lookAt(path);
  if (found?.isSymbolicLink() === true) {
    const there = await attempting("read", path, () => readlink(pathToBytes(path), { encoding: "buffer" }));
    if (there.equals(pathToBytes(target))) return;
  }
  await removeEntry(path);
  await attempting("make the link", path, () => symlink(pathToBytes(target), pathToBytes(path)));
}
