/**
 * A file that somebody asked for at a place of theirs: written under another name, durable before it has its own, never
 * over anything. Whoever writes it holds a lock on it, so that what a kill left is known as nobody's and goes when the
 * same file, or the next of its kind, is asked for.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, lstat, open, readdir, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { publishFile } from "./durable-file.ts";
import { commonErrors } from "./errors.ts";
import { lockOpenFile } from "./file-lock.ts";

export interface OutputFile {
  /** Where the bytes are until the file has its name. */
  readonly temporary: string;
  readonly path: string;
  /** Paths of what others had written of the same file before they were killed; removed, and worth a line in the log. */
  readonly abandoned: readonly string[];
  /** Appends. */
  write(piece: Uint8Array): Promise<void>;
  /** Permission bits and the time of the last change, milliseconds since 1970. */
  describe(mode: number, modifiedMs: number): Promise<void>;
  /** Makes what was written durable, under its temporary name. */
  sync(): Promise<void>;
  /** Gives the file its name, durably. Throws TARGET_EXISTS when something has it. */
  publish(): Promise<void>;
  /** Removes what was written. Safe at any time; a published file stays. */
  discard(): Promise<void>;
}

/** Throws TARGET_EXISTS when something, also a link that leads nowhere, has the name. */
export async function refuseExisting(path: string): Promise<void> {
  try {
    await access(path, constants.F_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  throw commonErrors.targetExists(`"${path}" exists already`, { path });
}

/**
 * Begins the file, readable by nobody else. Throws TARGET_EXISTS, and what the system says.
 *
 * @param unfinished the beginning of the name that it has meanwhile: another one than its own where the next file of this
 *   kind in that directory has another name, and is to take away what a kill left of this one all the same
 */
export async function createOutputFile(path: string, unfinished: string = basename(path)): Promise<OutputFile> {
  await refuseExisting(path);
  const stem = join(dirname(path), unfinished);
  const abandoned = await removeAbandoned(stem);
  const { handle, temporary } = await openTemporary(stem);
  let published = false;
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await handle.close();
  };
  return {
    temporary,
    path,
    abandoned,
    async write(piece) {
      for (let done = 0; done < piece.length;) {
        done += (await handle.write(piece, done, piece.length - done)).bytesWritten;
      }
    },
    async describe(mode, modifiedMs) {
      await handle.chmod(mode & 0o7777);
      await handle.utimes(modifiedMs / 1000, modifiedMs / 1000);
    },
    async sync() {
      await handle.sync();
    },
    async publish() {
      await handle.sync();
      // With the lock until it has its name: another one who asks for the same file must not take it for abandoned.
      await publishFile(temporary, path);
      published = true;
      await close();
    },
    async discard() {
      await close();
      if (!published) await rm(temporary, { force: true });
    },
  };
}

const temporarySuffix = /^\.[0-9a-f]{12}\.tmp$/;
const attempts = 5;

/** A new file beside the one that is asked for, locked where locks work. `stem` is a path. */
async function openTemporary(stem: string): Promise<{ handle: FileHandle; temporary: string }> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  for (let attempt = 1; ; attempt += 1) {
    const temporary = `${stem}.${randomBytes(6).toString("hex")}.tmp`;
    const handle = await open(temporary, flags, 0o600);
    // Somebody who saw it before it was locked may have taken it for abandoned, and removed it.
    if ((await lock(handle)) !== false && (await isStillNamed(handle, temporary))) return { handle, temporary };
    await handle.close();
    if (attempt === attempts) throw commonErrors.targetExists(`what is written as "${stem}" is removed by others`, { path: stem });
  }
}

/** Undefined where there are no locks: then nothing that is left is ever called abandoned either. */
async function lock(handle: FileHandle): Promise<boolean | undefined> {
  try {
    return await lockOpenFile(handle.fd);
  } catch (error) {
    if (commonErrors.fileLockFailed.is(error)) return undefined;
    throw error;
  }
}

async function isStillNamed(handle: FileHandle, path: string): Promise<boolean> {
  const [held, named] = [await handle.stat(), await lstat(path).catch(() => undefined)];
  return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}

/** Removes what those left who were killed while they wrote the same file, or one with the same stem. */
async function removeAbandoned(stem: string): Promise<string[]> {
  const removed: string[] = [];
  const [directory, name] = [dirname(stem), basename(stem)];
  // A directory that can be written to and not be listed: then what is left stays.
  for (const other of await readdir(directory).catch(() => [])) {
    if (!other.startsWith(name) || !temporarySuffix.test(other.slice(name.length))) continue;
    const leftover = join(directory, other);
    if (await removeUnlessLocked(leftover)) removed.push(leftover);
  }
  return removed;
}

async function removeUnlessLocked(path: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    // Writing, because NFS makes of flock a lock that needs it.
    handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // Gone meanwhile, or not ours to touch.
    return false;
  }
  try {
    if ((await lock(handle)) !== true || !(await handle.stat()).isFile() || !(await isStillNamed(handle, path))) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    await handle.close();
  }
}
