/**
 * Brings one file of a copy to what the backup has: chunk by chunk, of which only those are fetched and written that
 * differ on disk. The digest of the whole is computed on the way, so that the file is proven whatever of it was kept.
 */
import { createHash } from "node:crypto";
import { constants, type BigIntStats } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { throwIfAborted } from "../../common/index.ts";
import { crc32c, type ChunkReader } from "../../pipeline/index.ts";
import { pathToBytes } from "../../postgres/index.ts";
import { openBackupChunks, readBackupFile, type BackupSource, type IndexedFile } from "../../repository/index.ts";
import { attempting } from "../attempt.ts";
import { sealOf, type FileSeals, type SealList } from "./file-seals.ts";
import { lookAt, removeEntry } from "./place-entry.ts";

export interface FileUpdate {
  readonly source: BackupSource;
  /** Of files that were right when the copy was last complete. */
  readonly known: FileSeals;
  /** Takes the seals of what is right now. */
  readonly seals: SealList;
  /** Sync each file before it is closed. */
  readonly syncEach: boolean;
  /** Called with the bytes that were written, and those of the file that count as done. */
  readonly onBytes: (written: number, done: number) => void;
}

/** What became of the file: not read, because it was not touched since; read and right; or written. */
export type FileOutcome = "untouched" | "same" | "changed";

/** Of a file whose chunks are not known. */
const pieceSize = 1024 * 1024;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;

/** Throws STORED_FILE_DAMAGED, and what reading the backup and writing the file throw. */
export async function updateFile(update: FileUpdate, file: IndexedFile, path: string, concurrency: number): Promise<FileOutcome> {
  const { known, seals, syncEach, onBytes } = update;
  const mode = file.mode & 0o777;
  const found = await lookAt(path);
  const usable = found !== undefined && isOwn(found);
  if (usable && file.digest !== "" && (Number(found.mode) & 0o777) === mode) {
    const seal = sealOf(path, found, file.digest);
    if (known.has(seal)) {
      seals.add(seal);
      onBytes(0, file.size);
      return "untouched";
    }
  }
  if (found !== undefined && !usable) await removeEntry(path);
  const flags = usable ? O_RDWR | O_NOFOLLOW : O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
  const handle = await attempting(usable ? "open" : "create", path, () => open(pathToBytes(path), flags, 0o600));
  try {
    let changed = await writeContent(update, file, { handle, path, size: usable ? Number(found.size) : 0, fresh: !usable }, concurrency);
    if (usable && Number(found.size) > file.size) {
      await attempting("cut", path, () => handle.truncate(file.size));
      changed = true;
    }
    const { mode: now } = await attempting("look at", path, () => handle.stat());
    if ((now & 0o777) !== mode) await attempting("set the mode of", path, () => handle.chmod(mode));
    if (syncEach) await attempting("sync", path, () => handle.sync());
    if (file.digest !== "") seals.add(sealOf(path, await attempting("look at", path, () => handle.stat({ bigint: true })), file.digest));
    return changed || !usable ? "changed" : "same";
  } finally {
    await handle.close();
  }
}

/** A file that may be written in place: under a second name it would change what somebody keeps there. */
function isOwn(found: BigIntStats): boolean {
  return found.isFile() && found.nlink === 1n && (Number(found.mode) & 0o600) === 0o600;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly path: string;
  /** What it had before, bytes. */
  readonly size: number;
  readonly fresh: boolean;
}

/** Nobody indexed the chunks of pgmoneta's files, and what is made of several has none. */
function hasChunks({ location, combined, content }: IndexedFile): boolean {
  return location === undefined && combined === undefined && content === undefined;
}

/** True when something was written. */
async function writeContent(update: FileUpdate, file: IndexedFile, target: OpenFile, concurrency: number): Promise<boolean> {
  if (target.fresh) return writeWhole(update, file, target, concurrency);
  const chunked = hasChunks(file);
  const { changed, digest } = chunked ? await writeChanged(update, file, target, concurrency) : await measure(file, target);
  if (digest === file.digest) {
    if (!chunked) update.onBytes(0, file.size);
    return changed;
  }
  // Of ours a chunk was taken for another one that has the same checksum.
  return writeWhole(update, file, target, concurrency);
}

async function writeWhole({ source, onBytes }: FileUpdate, file: IndexedFile, target: OpenFile, concurrency: number): Promise<boolean> {
  await readBackupFile(source, file, concurrency, async (piece, offset) => {
    await writeAll(target, piece, offset);
    onBytes(piece.length, piece.length);
  });
  return true;
}

interface Written {
  readonly changed: boolean;
  /** Of what the file holds now. */
  readonly digest: string;
}

async function writeChanged({ source, onBytes }: FileUpdate, file: IndexedFile, target: OpenFile, concurrency: number): Promise<Written> {
  const { chunks } = file;
  const digest = createHash(source.info.own?.hash ?? "sha512");
  let opened: Promise<ChunkReader> | undefined;
  const stored = async (number: number): Promise<Buffer> => (await (opened ??= openBackupChunks(source, file))).read(number);

  const look = async (number: number, offset: number): Promise<{ readonly piece: Buffer; readonly differs: boolean }> => {
    const { plain, crc32c: checksum } = chunks[number] ?? { plain: 0, crc32c: 0 };
    const here = Buffer.allocUnsafe(plain);
    const whole = offset + plain <= target.size && (await readAll(target, here, offset)) === plain;
    if (whole && crc32c(here) === checksum) return { piece: here, differs: false };
    return { piece: await stored(number), differs: true };
  };

  const ahead: Promise<{ readonly piece: Buffer; readonly differs: boolean }>[] = [];
  let changed = false;
  let begun = 0;
  try {
    for (let number = 0, next = 0, offset = 0; number < chunks.length; number += 1) {
      throwIfAborted(source.signal);
      for (; next < chunks.length && next < number + Math.max(1, concurrency); next += 1) {
        const looked = look(next, begun);
        // Reported when its turn comes.
        looked.catch(() => undefined);
        ahead.push(looked);
        begun += chunks[next]?.plain ?? 0;
      }
      const looked = await ahead.shift();
      if (looked === undefined) break;
      const { piece, differs } = looked;
      digest.update(piece);
      if (differs && piece.length > 0) {
        await writeAll(target, piece, offset);
        changed = true;
      }
      onBytes(differs ? piece.length : 0, piece.length);
      offset += piece.length;
    }
  } finally {
    await Promise.allSettled(ahead);
    // One that could not be opened has nothing to close, and has been reported.
    await opened?.then((reader) => reader.close(), () => undefined);
  }
  return { changed, digest: digest.digest("hex") };
}

/** The digest of a file of the size that it shall have; none of another. */
async function measure(file: IndexedFile, target: OpenFile): Promise<Written> {
  if (target.size !== file.size || file.digest === "") return { changed: false, digest: "none" };
  const digest = createHash("sha512");
  for (let offset = 0; offset < file.size; offset += pieceSize) {
    const piece = Buffer.allocUnsafe(Math.min(pieceSize, file.size - offset));
    if ((await readAll(target, piece, offset)) !== piece.length) return { changed: false, digest: "none" };
    digest.update(piece);
  }
  return { changed: false, digest: digest.digest("hex") };
}

async function readAll({ handle, path }: OpenFile, into: Buffer, offset: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await attempting("read", path, () => handle.read(into, done, into.length - done, offset + done));
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function writeAll({ handle, path }: OpenFile, piece: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await attempting("write", path, () => handle.write(piece, done, piece.length - done, offset + done));
    done += bytesWritten;
  }
}
