import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runOrFail } from "../../support/processes.ts";

/** Bytes of all files below a path; one that has several names counts once. */
export async function bytesBelow(path: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  const visit = async (one: string): Promise<void> => {
    const stats = await lstat(one);
    if (stats.isDirectory()) {
      for (const name of await readdir(one)) await visit(join(one, name));
      return;
    }
    const key = `${stats.dev}.${stats.ino}`;
    if (!seen.has(key)) bytes += stats.size;
    seen.add(key);
  };
  await visit(path);
  return bytes;
}

/** Everything that was written before is on the disk, so that nobody pays for somebody else's bytes. */
export async function settle(): Promise<void> {
  await runOrFail("sync", []);
  await new Promise((resolve) => setTimeout(resolve, 300));
}
