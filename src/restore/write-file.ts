/** One file of the cluster: made under its name, written piece by piece, given its mode, and synced if nobody else does. */
import fs, { constants } from "node:fs";
import { promisify } from "node:util";
import { pathToBytes } from "../postgres/index.ts";
import { writeFully, type FileCalls } from "../storage/index.ts";
import { attempting } from "./attempt.ts";

export interface FileTarget {
  /** Absolute, in the project's form of file names. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  /** Sync it before it is closed. */
  readonly sync: boolean;
}

/** Bytes of one file after which they are sent to the disk while the next ones are fetched: at the end less is left to wait for. */
const SENT_EVERY = 64 * 1024 * 1024;
const fdatasync = promisify(fs.fdatasync);

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * `read` gives every byte to `write`, in whatever order, and rejects when they are not what they must be: then the file is
 * left as it is, for the restore to remove with all the rest. Throws RESTORE_NO_SPACE, RESTORE_FAILED, and what `read` throws.
 */
export async function writeTargetFile(
  calls: FileCalls,
  { path, mode, sync }: FileTarget,
  read: (write: (piece: Uint8Array, offset: number) => Promise<void>) => Promise<unknown>,
): Promise<void> {
  const fd = await attempting("create", path, () => calls.open(pathToBytes(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  let whole = false;
  let unsent = 0;
  let sending: Promise<void> | undefined;
  let refused: { readonly error: unknown } | undefined;
  /** What the disk refuses it may tell only once. */
  const send = async (): Promise<void> => {
    try {
      await attempting("sync", path, () => fdatasync(fd));
    } catch (error) {
      refused ??= { error };
    }
    sending = undefined;
  };
  const write = async (piece: Uint8Array, offset: number): Promise<void> => {
    if (piece.length === 0) return;
    if (refused !== undefined) throw refused.error;
    await attempting("write", path, () => writeFully(calls, fd, piece, offset));
    unsent += piece.length;
    if (unsent < SENT_EVERY || sending !== undefined) return;
    unsent = 0;
    sending = send();
  };
  try {
    await read(write);
    await sending;
    if (refused !== undefined) throw refused.error;
    const wanted = mode & 0o777;
    if (wanted !== 0o600) await attempting("set the mode of", path, () => calls.fchmod(fd, wanted));
    if (sync) await attempting("sync", path, () => calls.fsync(fd));
    whole = true;
  } finally {
    await sending;
    const closing = attempting("close", path, () => calls.close(fd));
    // A file system may report only now what it could not write; of a file that is given up nobody wants to know.
    if (whole) await closing;
    else await closing.catch(() => undefined);
  }
}
