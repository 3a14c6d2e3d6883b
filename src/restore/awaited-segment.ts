/**
 * A call for a segment that is not ready, while a process keeps segments ready: that one is at work on it, or can be at once,
 * because it has its keys. Deriving them from the master key takes longer than all the rest of a call, and doing
 * the same work twice makes both late.
 */
import { createReadStream } from "node:fs";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../common/index.ts";
import { writeWhole } from "./deliver-segment.ts";
import { awaitedName, prefetchDirectory } from "./own-names.ts";
import { isBeating } from "./prefetch-beat.ts";
import { notedSegment, takeNote } from "./segment-note.ts";

/**
 * How long nothing may be seen of the segment. A process that was killed beats no more and seems to live for a while: it
 * must not hold recovery up for long.
 */
const patienceMs = 3_000;
const pauseMs = 10;

export interface AwaitedSegment {
  readonly name: string;
  readonly segmentSize: number;
  /** Where PostgreSQL wants it. */
  readonly destination: string;
  readonly dataDirectory: string;
  readonly clock: Clock;
  /** Called with the line that the server's log is to have about it, if there is one. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/**
 * Has the process that keeps segments ready make a segment, and moves it to its destination. False when there is no
 * such process or it does not come to it in time: then the segment is to be fetched. Never rejects.
 */
export async function takeAwaited({ name, segmentSize, destination, dataDirectory, clock, onNote }: AwaitedSegment): Promise<boolean> {
  const directory = join(dataDirectory, prefetchDirectory);
  const awaited = join(directory, awaitedName);
  const ready = join(directory, name);
  try {
    if (!(await isBeating(directory))) return false;
    await writeFile(awaited, name, { mode: 0o600 });
    let most = 0;
    let seen = clock.monotonic();
    while (!(await exists(ready))) {
      const bytes = await bytesUnderWay(directory, name);
      // One that has all its bytes is being synced, which takes as long as it would take here.
      if (bytes > most || bytes >= segmentSize) seen = clock.monotonic();
      most = Math.max(most, bytes);
      if (clock.monotonic() - seen > patienceMs || !(await isBeating(directory))) return false;
      await clock.sleep(pauseMs);
    }
    // First, so that it is not made a second time when it is gone from there.
    await rm(awaited, { force: true });
    const line = await takeNote(directory, name);
    if (line !== undefined) onNote?.(line);
    await move(ready, destination);
    return true;
  } catch {
    // No room where it is to be, for example: then it is said by whoever fetches it.
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

/** Bytes that lie there of a segment which has not its name yet; of two processes that make it, of the one that is further. */
async function bytesUnderWay(directory: string, name: string): Promise<number> {
  const files = (await readdir(directory)).filter((file) => file.startsWith(`${name}.`) && notedSegment(file) === undefined);
  const sizes = await Promise.all(files.map((file) => stat(join(directory, file)).then(({ size }) => size, () => 0)));
  return Math.max(0, ...sizes);
}

/** Also where pg_wal is a link to another file system: then the segment has its name there when all of it is on disk. */
async function move(ready: string, destination: string): Promise<void> {
  try {
    await rename(ready, destination);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await writeWhole(destination, async (write) => {
      for await (const piece of createReadStream(ready) as AsyncIterable<Buffer>) await write(piece);
      return true;
    });
    await rm(ready);
  }
}

/** The other side: what somebody waits for, as far as it can be read. */
export async function readAwaited(directory: string): Promise<string | undefined> {
  try {
    return (await readFile(join(directory, awaitedName), "utf8")).trim();
  } catch {
    return undefined;
  }
}
