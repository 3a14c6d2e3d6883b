/** Reading stored files: anywhere in a large one, all of a small one. */
import { constants } from "node:fs";
import { storageErrors } from "../errors.ts";
import type { RandomReader } from "../streams.ts";
import { attempting, storageError } from "../system-error.ts";
import type { Place } from "./place.ts";

/** Opens the file `path` for positional reads. Links are followed: adopted repositories have them. */
export async function openFileReader(place: Place, path: string): Promise<RandomReader> {
  const { calls } = place;
  const name = place.absolute(path);
  // Without O_NONBLOCK a FIFO in the place of a file would hold up whoever opens it, for ever; of a file it changes nothing.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const fd = await attempting("open", name, () => calls.open(place.bytes(path), flags, 0));
  let size: number;
  try {
    const facts = await attempting("look at", name, () => calls.fstat(fd));
    if (!facts.isFile()) throw storageErrors.failed(`"${name}" is not a file`, { path: name });
    size = facts.size;
  } catch (error) {
    await calls.close(fd);
    throw error;
  }
  let closed = false;

  async function read(offset: number, length: number, room?: Buffer): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, size - offset));
    const into = room === undefined ? Buffer.allocUnsafe(wanted) : room.subarray(0, wanted);
    for (let filled = 0; filled < wanted;) {
      let got: number;
      try {
        got = await calls.read(fd, into.subarray(filled), offset + filled);
      } catch (error) {
        throw storageError(error, "read", name, wanted);
      }
      if (got === 0) {
        throw storageErrors.fileShrank(`"${name}" had ${size} bytes and ends now at ${offset + filled}`, {
          path: name,
          size,
        });
      }
      filled += got;
    }
    return into;
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await attempting("close", name, () => calls.close(fd));
  }

  return { size, name, read, close };
}

/** The whole file `path`, at most `maxBytes` of it. */
export async function readSmallFile(place: Place, path: string, maxBytes: number): Promise<Buffer> {
  const reader = await openFileReader(place, path);
  try {
    if (reader.size > maxBytes) {
      const message = `"${reader.name}" has ${reader.size} bytes, expected at most ${maxBytes}`;
      throw storageErrors.failed(message, { path: reader.name, size: reader.size });
    }
    return await reader.read(0, reader.size);
  } finally {
    await reader.close();
  }
}
