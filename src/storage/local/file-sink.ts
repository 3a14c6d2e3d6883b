/** Writing one new file, in order, remembering any failure until the end. */
import type { MonetaError } from "../../common/index.ts";
import { storageErrors } from "../errors.ts";
import type { ByteSink } from "../streams.ts";
import { storageError } from "../system-error.ts";
import { writeFully } from "./file-calls.ts";
import type { Place } from "./place.ts";

export interface FileSinkOptions {
  /** Sync the content before the descriptor closes, so that a failed write-back is reported here. */
  readonly sync: boolean;
  /** Called once, when the file has ended: true after a `close` that succeeded. */
  readonly onEnd: (whole: boolean) => void;
}

/** A sink for the open descriptor `fd` of the new file at `path`. */
export function createFileSink(place: Place, fd: number, path: string, options: FileSinkOptions): ByteSink {
  const { calls } = place;
  let position = 0;
  let failure: MonetaError | undefined;
  let state: "open" | "closed" | "aborted" = "open";
  let tail: Promise<void> = Promise.resolve();

  async function writeNext(chunk: Uint8Array): Promise<void> {
    if (failure !== undefined) throw failure;
    const bytes = chunk.length;
    try {
      await writeFully(calls, fd, chunk, position);
      position += bytes;
    } catch (error) {
      failure = storageError(error, "write", place.absolute(path), bytes);
      throw failure;
    }
  }

  function write(chunk: Uint8Array): Promise<void> {
    if (state !== "open")
      return Promise.reject(storageErrors.misuse(`"${place.absolute(path)}" was written after its end`));
    if (chunk.length === 0) return Promise.resolve();
    const written = tail.then(() => writeNext(chunk));
    // The failure reaches the caller through `written` and again through `close`; the queue itself must go on.
    tail = written.catch(() => undefined);
    return written;
  }

  async function close(): Promise<void> {
    if (state === "aborted") throw storageErrors.misuse(`"${place.absolute(path)}" was closed after it was given up`);
    if (state === "closed") {
      if (failure !== undefined) throw failure;
      return;
    }
    state = "closed";
    await tail;
    try {
      if (failure === undefined && options.sync) await calls.fsync(fd);
    } catch (error) {
      failure = storageError(error, "sync", place.absolute(path), position);
    }
    try {
      await calls.close(fd);
    } catch (error) {
      failure ??= storageError(error, "close", place.absolute(path), position);
    }
    options.onEnd(failure === undefined);
    if (failure !== undefined) throw failure;
  }

  async function abort(): Promise<void> {
    if (state !== "open") return;
    state = "aborted";
    await tail;
    options.onEnd(false);
    await calls.close(fd).catch((error: unknown) => {
      throw storageError(error, "close", place.absolute(path), position);
    });
  }

  return { write, close, abort };
}
