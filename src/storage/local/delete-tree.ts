/** Deleting a tree that nobody sees any more: links are removed, never followed; names may be any bytes. */
import { opendir } from "node:fs/promises";
import { syncDirectory } from "../../common/index.ts";
import type { Removal } from "../storage.ts";
import { storageError, systemCode } from "../system-error.ts";
import type { Place } from "./place.ts";

/** Names handled at a time, so that a directory of a million files needs no million names in memory. */
const batchSize = 256;

interface Name {
  readonly bytes: Buffer;
  readonly isDirectory: boolean;
}

function below(directory: Buffer, name: string): Buffer {
  return Buffer.concat([directory, Buffer.from("/"), Buffer.from(name, "latin1")]);
}

async function* batches(directory: Buffer): AsyncGenerator<Name[]> {
  let batch: Name[] = [];
  // Latin-1 keeps every byte of a name.
  for await (const entry of await opendir(directory, { encoding: "latin1", bufferSize: batchSize })) {
    batch.push({ bytes: below(directory, entry.name), isDirectory: entry.isDirectory() });
    if (batch.length === batchSize) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** Deletes the tree at `path` and syncs the directory above it. An absent tree is no error. */
export async function deleteTree(place: Place, path: string): Promise<Removal> {
  const { calls } = place;
  let files = 0;
  let directories = 0;
  const failed = (error: unknown, bytes: Buffer) => storageError(error, "remove", bytes.toString());

  /** True if this call removed it; somebody else may have been quicker. */
  async function removeName(bytes: Buffer, remove: (bytes: Buffer) => Promise<void>): Promise<boolean> {
    try {
      await remove(bytes);
      return true;
    } catch (error) {
      if (systemCode(error) === "ENOENT") return false;
      throw failed(error, bytes);
    }
  }

  async function deleteBatch(batch: readonly Name[]): Promise<void> {
    const plain = batch.filter((name) => !name.isDirectory);
    const removed = await Promise.all(plain.map((name) => removeName(name.bytes, (b) => calls.unlink(b))));
    files += removed.filter(Boolean).length;
    for (const name of batch) if (name.isDirectory) await deleteDirectory(name.bytes);
  }

  async function deleteDirectory(bytes: Buffer): Promise<void> {
    // A file system may skip names while others are removed: read again until it is empty.
    for (let before = -1; ;) {
      try {
        for await (const batch of batches(bytes)) await deleteBatch(batch);
        await calls.rmdir(bytes);
        directories += 1;
        return;
      } catch (error) {
        const code = systemCode(error);
        if (code === "ENOENT") return;
        const now = files + directories;
        // Nothing more could be taken away and it is still not empty: somebody else fills it.
        if ((code !== "ENOTEMPTY" && code !== "EEXIST") || now === before) throw failed(error, bytes);
        before = now;
      }
    }
  }

  const top = place.bytes(path);
  let isDirectory: boolean;
  try {
    isDirectory = (await calls.lstat(top)).isDirectory();
  } catch (error) {
    if (systemCode(error) === "ENOENT") return { files, directories };
    throw failed(error, top);
  }
  if (isDirectory) await deleteDirectory(top);
  else if (await removeName(top, (b) => calls.unlink(b))) files += 1;
  await syncDirectory(top.subarray(0, top.lastIndexOf("/") + 1));
  return { files, directories };
}
