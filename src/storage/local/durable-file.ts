/** Single files of their own: built beside their name and published, or appended to, or replaced. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { publishFile, syncDirectory, syncFile } from "../../common/index.ts";
import { storageErrors } from "../errors.ts";
import { lastPart, parentPath, withLastPart } from "../path.ts";
import type { CommitOptions, DurableSink } from "../streams.ts";
import { attempting, storageError, systemCode } from "../system-error.ts";
import { temporaryName } from "../temporary-name.ts";
import { writeFully } from "./file-calls.ts";
import { createFileSink } from "./file-sink.ts";
import type { Place } from "./place.ts";
import { createFlags, fileMode } from "./place.ts";

/** Starts the file `path`. The temporary name is random, so that two writers of one name never share bytes. */
export async function createDurableFile(place: Place, path: string): Promise<DurableSink> {
  const { calls } = place;
  await place.makeAll(parentPath(path) ?? "", true);
  const temporary = withLastPart(path, temporaryName(`${lastPart(path)}.${randomBytes(4).toString("hex")}`));
  const name = place.absolute(temporary);
  const fd = await attempting("create", name, () => calls.open(place.bytes(temporary), createFlags, fileMode));
  let whole: boolean | undefined;
  const sink = createFileSink(place, fd, temporary, { sync: true, onEnd: (complete) => (whole = complete) });
  let committed = false;
  try {
    await calls.fchmod(fd, fileMode);
  } catch (error) {
    await sink.abort();
    throw storageError(error, "set the mode of", name);
  }

  async function commit(options: CommitOptions = {}): Promise<void> {
    if (committed) throw storageErrors.misuse(`"${place.absolute(path)}" was committed twice`);
    if (whole !== true) await sink.close();
    await attempting("commit", place.absolute(path), () =>
      publishFile(place.bytes(temporary), place.bytes(path), options),
    );
    committed = true;
  }

  async function abort(): Promise<void> {
    if (committed) return;
    await sink.abort();
    await removeName(place, temporary);
  }

  return { ...sink, temporaryPath: temporary, commit, abort };
}

/** Removes the file or link `path` durably; false when there was none. */
export async function removeName(place: Place, path: string): Promise<boolean> {
  try {
    await place.calls.unlink(place.bytes(path));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw storageError(error, "remove", place.absolute(path));
  }
  await attempting("sync the directory of", place.absolute(path), () =>
    syncDirectory(place.bytes(parentPath(path) ?? "")),
  );
  return true;
}

/** Makes the content of `path` durable, whoever wrote it. */
export async function syncStoredFile(place: Place, path: string): Promise<void> {
  await attempting("sync", place.absolute(path), async () => {
    await syncFile(place.bytes(path));
    await syncDirectory(place.bytes(parentPath(path) ?? ""));
  });
}

const newline = 0x0a;

/** Length of the file up to and including its last newline. */
async function wholeLines(place: Place, fd: number, size: number): Promise<number> {
  const block = Buffer.alloc(4096);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - block.length);
    const piece = block.subarray(0, end - start);
    for (let filled = 0; filled < piece.length;) {
      const read = await place.calls.read(fd, piece.subarray(filled), start + filled);
      if (read === 0) throw storageErrors.fileShrank("the file became shorter while its end was looked for");
      filled += read;
    }
    const at = piece.lastIndexOf(newline);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

/** Appends `line` durably, cutting off a torn last line first; returns the bytes cut off. */
export async function appendDurableLine(place: Place, path: string, line: string): Promise<number> {
  const { calls } = place;
  if (line.includes("\n")) throw storageErrors.misuse(`a line for "${place.absolute(path)}" contains a newline`);
  const name = place.absolute(path);
  await place.makeAll(parentPath(path) ?? "", true);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const fd = await attempting("open", name, () => calls.open(place.bytes(path), flags, fileMode));
  try {
    const { size } = await calls.fstat(fd);
    const whole = await wholeLines(place, fd, size);
    if (whole < size) await calls.ftruncate(fd, whole);
    if (size === 0) await calls.fchmod(fd, fileMode);
    await writeFully(calls, fd, Buffer.from(`${line}\n`, "utf8"), whole);
    await calls.fsync(fd);
    if (size === 0) await syncDirectory(place.bytes(parentPath(path) ?? ""));
    return size - whole;
  } catch (error) {
    throw storageError(error, "append to", name, Buffer.byteLength(line) + 1);
  } finally {
    await calls.close(fd);
  }
}
