/**
 * Durable writes: the only place of the project that renames a file or tree into place.
 *
 * The order is always the same: the data is on disk before the name is, and the name is on disk before anybody
 * is told (POSIX fsync(2), rename(2); Linux sync(1) with `-f` calls syncfs(2), whose error reporting is reliable
 * from Linux 5.8 on).
 */
import { execFile } from "node:child_process";
import { closeSync, constants, existsSync, fchmodSync, fdatasync, fsyncSync, openSync, renameSync, rmSync, writeFileSync, type PathLike } from "node:fs";
import { access, link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { commonErrors } from "./errors.ts";

/** A path as text, or as bytes where a name from PostgreSQL may not be UTF-8. */
export type FilePath = string | Buffer;

function parentOf(path: FilePath): FilePath {
  if (typeof path === "string") return dirname(path);
  return Buffer.from(dirname(path.toString("latin1")), "latin1");
}

function exists(path: PathLike): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/** Makes names created, renamed or removed in `directory` durable. */
export async function syncDirectory(directory: FilePath): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the content of one file durable. */
export async function syncFile(path: FilePath): Promise<void> {
  // A FIFO that took the place of the file fails instead of holding up whoever syncs it.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes everything written to the file system that holds `path` durable (one syncfs for a tree of many files). */
export async function syncFilesystem(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    execFile("sync", ["-f", "--", path], (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(commonErrors.syncFailed(`the file system of "${path}" could not be synced: ${stderr.trim()}`, { path }, error));
    });
  });
}

export interface PublishOptions {
  /** Replace a file that has the final name; without it that is `TARGET_EXISTS`. */
  readonly replace?: boolean;
}

/**
 * Gives a finished temporary file its final name: fsync file, name it, fsync directory.
 * Without `replace` the name is made with link(2), which fails if it is taken, so that two writers cannot both win.
 */
export async function publishFile(temporary: FilePath, final: FilePath, options: PublishOptions = {}): Promise<void> {
  await syncFile(temporary);
  if (options.replace === true) {
    await rename(temporary, final);
  } else {
    try {
      await link(temporary, final);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw commonErrors.targetExists(`"${final.toString()}" exists already`, { path: final.toString() }, error);
    }
    await rm(temporary);
  }
  await syncDirectory(parentOf(final));
}

/** As `syncDirectory`, for the receiver, whose next step must not begin before this one is done. */
export function syncDirectorySync(directory: string): void {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * As `publishFile`, for a file that its one writer has open as `fd`: data, name and directory are durable when it
 * returns. Refuses with `TARGET_EXISTS` when the final name is taken.
 */
export function publishOpenFileSync(fd: number, temporary: string, final: string): void {
  fsyncSync(fd);
  if (existsSync(final)) throw commonErrors.targetExists(`"${final}" exists already`, { path: final });
  renameSync(temporary, final);
  syncDirectorySync(dirname(final));
}

/** Moves a file that must not be used under its name any more out of the way, durably; returns where it is now. */
export function setAsideSync(path: string, suffix: string): string {
  for (let number = 1; ; number += 1) {
    const aside = `${path}.${suffix}${number === 1 ? "" : `-${number}`}`;
    if (existsSync(aside)) continue;
    renameSync(path, aside);
    syncDirectorySync(dirname(path));
    return aside;
  }
}

export interface WriteOptions {
  /** Permission bits, applied whatever the umask is. */
  readonly mode: number;
  /** Account and group of the file, where they are not to be those of the process. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Replaces or creates a small file atomically: readers see the old content or the new, also after a power cut. */
export async function writeFileDurably(path: string, data: string | Uint8Array, options: WriteOptions): Promise<void> {
  const temporary = `${path}.tmp`;
  // A leftover of a crash may lie there with another owner or mode: begin from nothing.
  await rm(temporary, { force: true });
  const handle = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, options.mode);
  try {
    if (options.owner !== undefined) await handle.chown(options.owner.uid, options.owner.gid);
    await handle.chmod(options.mode);
    await handle.writeFile(data);
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await handle.close();
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

const syncData = promisify(fdatasync);

/**
 * As `writeFileDurably`, for a small file that its one writer replaces every few seconds: all but waiting for the disk is
 * done at once, where the thread pool would be woken for each of a dozen calls. After a power cut the file has this
 * content or an earlier one, because nobody waits for the name.
 */
export async function renewFile(path: string, data: string | Uint8Array, options: WriteOptions): Promise<void> {
  const temporary = `${path}.tmp`;
  // A leftover of a crash may lie there with another owner or mode: begin from nothing.
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, options.mode);
  try {
    try {
      fchmodSync(fd, options.mode);
      writeFileSync(fd, data);
      await syncData(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * Publishes a finished tree: everything in it durable, then visible at once under its final name. `sync` is of a
 * descriptor that was opened before the tree was filled (`openFilesystemSync`).
 */
export async function publishTree(temporary: string, final: string, sync: () => Promise<void>): Promise<void> {
  if (await exists(final)) throw commonErrors.targetExists(`"${final}" exists already`, { path: final });
  await sync();
  await rename(temporary, final);
  await syncDirectory(dirname(final));
}

/**
 * Gives a file a second name of the same directory, durably, so that it stays when the first name goes to another file.
 * False when the name was there already.
 */
export async function addName(path: string, second: string): Promise<boolean> {
  try {
    await link(path, second);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await syncDirectory(dirname(second));
    return false;
  }
  await syncDirectory(dirname(second));
  return true;
}

/**
 * Gives a file or tree another name, in whatever directory of the same file system, durably: after a power cut it has the
 * old name or the new. A file that has the new name is replaced, a directory with content is not.
 */
export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
  await syncDirectory(dirname(from));
}

/** Takes a file or tree out of view under another name of the same directory, durably; the first step of every removal. */
export async function hideTree(visible: string, hidden: string): Promise<void> {
  await rename(visible, hidden);
  await syncDirectory(dirname(visible));
}
