/** The file that is converted: opened once, and the same until the end. */
import { constants } from "node:fs";
import { lstat, open, realpath, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../common/index.ts";
import type { RandomReader } from "../pipeline/index.ts";
import { attempting } from "./attempt.ts";
import { convertErrors } from "./errors.ts";

export interface SourceFile extends RandomReader {
  readonly mode: number;
  readonly modifiedMs: number;
  /** Throws CONVERT_FILE_CHANGED when it is not what it was when it was opened, or another one has its name. */
  requireUnchanged(): Promise<void>;
  /** Removes its name, durably. */
  remove(): Promise<void>;
}

/** A reader of an open file. */
export function readerOf(handle: FileHandle, path: string, size: number): RandomReader {
  return {
    size,
    name: path,
    async read(offset, length) {
      const piece = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(piece, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return piece.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}

/** The same reader; `onRead` hears after each read which share of the file, at most 1, was read. What is read twice counts twice. */
export function watched<Reader extends RandomReader>(reader: Reader, onRead: (share: number) => void): Reader {
  let read = 0;
  return {
    ...reader,
    async read(offset, length, into) {
      const piece = await reader.read(offset, length, into);
      read += piece.length;
      onRead(reader.size === 0 ? 1 : Math.min(1, read / reader.size));
      return piece;
    },
  };
}

async function refuseRepository(path: string, repository: string | undefined): Promise<void> {
  if (repository === undefined) return;
  let root: string;
  try {
    root = await realpath(repository);
  } catch {
    // No repository here: nothing of it can be meant.
    return;
  }
  const place = await realpath(dirname(path));
  if (place !== root && !place.startsWith(`${root}/`)) return;
  throw convertErrors.refused(
    `"${path}" lies in the repository "${root}", whose files are only read through its own commands`,
    { path },
  );
}

/** Opens it. Throws CONVERT_NO_FILE, CONVERT_REFUSED and CONVERT_FAILED. */
export async function openSource(path: string, repository: string | undefined): Promise<SourceFile> {
  const handle = await attempting("open", path, async () => {
    await refuseRepository(path, repository);
    const facts = await lstat(path);
    if (!facts.isFile()) throw convertErrors.refused(`"${path}" is no ordinary file`, { path });
    return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  });
  const first = await handle.stat();
  const changed = () => convertErrors.changed(`"${path}" was changed while it was read`, { path });
  return {
    ...readerOf(handle, path, first.size),
    mode: first.mode & 0o7777,
    modifiedMs: first.mtimeMs,
    async requireUnchanged() {
      const [now, named] = [await handle.stat(), await attempting("look at", path, () => lstat(path))];
      const same = now.size === first.size && now.mtimeMs === first.mtimeMs && now.ctimeMs === first.ctimeMs;
      if (!same || named.ino !== first.ino || named.dev !== first.dev) throw changed();
    },
    remove: () =>
      attempting("remove", path, async () => {
        await rm(path);
        await syncDirectory(dirname(path));
      }),
  };
}
