/** What stands in files whose only purpose is to be secret, so that it can be taken out wherever else it stands. */
import { open } from "node:fs/promises";

/** Bytes; a longer file is no key. */
const largestSecretFile = 256 * 1024;

/** The contents of those that are there and can be read. */
export async function readSecretFiles(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of new Set(paths)) {
    const file = await open(path, "r").catch(() => undefined); // What cannot be read cannot be in the bundle either.
    if (file === undefined) continue;
    try {
      if ((await file.stat()).size <= largestSecretFile) found.push(await file.readFile("utf8"));
    } catch {
      // The same: it went, or is a directory.
      continue;
    } finally {
      await file.close();
    }
  }
  return found;
}
