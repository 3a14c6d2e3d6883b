/** One change after the other to the small files of a directory, whichever process makes it. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { lockOpenFile } from "../../common/index.ts";
import { storageErrors } from "../errors.ts";
import { storageError } from "../system-error.ts";
import type { Place } from "./place.ts";

/** A change takes milliseconds; whoever has the lock for longer hangs in its disk. */
const patienceMs = 30_000;

/**
 * Runs `change` while nobody else has the directory at `path`; the lock (flock(2)) ends with this process, too.
 * Throws STORAGE_FAILED when it is not free within half a minute.
 */
export async function withDirectory<T>(place: Place, path: string, change: () => Promise<T>): Promise<T> {
  const absolute = place.absolute(path);
  const directory = await open(absolute, constants.O_RDONLY | constants.O_DIRECTORY).catch((error: unknown) => {
    throw storageError(error, "open", absolute);
  });
  try {
    if (!(await lockOpenFile(directory.fd, { waitMs: patienceMs }))) {
      throw storageErrors.failed(`"${absolute}" is being changed by another process, which has not ended for ${patienceMs / 1000} s`, { path: absolute });
    }
    return await change();
  } finally {
    await directory.close();
  }
}
