/**
 * A call for a segment that is not ready, while a process keeps segments ready: that one is at work on it, or can be at once,
 * because it has its keys. Deriving them from the master key takes longer than all the rest of a call, and doing
 * the same work twice makes both late.
 */
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../common/index.ts";
import { awaitedName, beatName, prefetchDirectory } from "./own-names.ts";

/** A beat is older than this only when its process has ended, or is too late to be of use. */
const silentMs = 10_000;
/** A process that was killed beats no more and seems to live for a while: it must not hold recovery up for long. */
const patienceMs = 3_000;
const pauseMs = 10;

/** Whether the process that touches the file `beat` is at work. */
export async function isBeating(beat: string): Promise<boolean> {
  try {
    return Math.abs(Date.now() - (await stat(beat)).mtimeMs) < silentMs;
  } catch {
    // Nobody has begun.
    return false;
  }
}

/**
 * Has the process that keeps segments ready make the segment `name`, and moves it to `destination`. False when there is no
 * such process or it does not come to it in time: then the segment is to be fetched. Never rejects.
 */
export async function takeAwaited(name: string, destination: string, dataDirectory: string, clock: Clock): Promise<boolean> {
  const directory = join(dataDirectory, prefetchDirectory);
  const [awaited, beat, ready] = [awaitedName, beatName, name].map((file) => join(directory, file)) as [string, string, string];
  try {
    if (!(await isBeating(beat))) return false;
    await writeFile(awaited, name, { mode: 0o600 });
    const begin = clock.monotonic();
    while (!(await exists(ready))) {
      if (clock.monotonic() - begin > patienceMs || !(await isBeating(beat))) return false;
      await clock.sleep(pauseMs);
    }
    // First, so that it is not made a second time when it is gone from there.
    await rm(awaited, { force: true });
    await rename(ready, destination);
    return true;
  } catch {
    // pg_wal on another file system, for example.
    return false;
  } finally {
    await rm(awaited, { force: true }).catch(() => undefined);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The other side: what somebody waits for, as far as it can be read. */
export async function readAwaited(directory: string): Promise<string | undefined> {
  try {
    return (await readFile(join(directory, awaitedName), "utf8")).trim();
  } catch {
    return undefined;
  }
}
