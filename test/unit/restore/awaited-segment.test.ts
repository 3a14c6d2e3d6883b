/** How a call waits for the process that keeps segments ready, and how that process shows that it lives. */
import { accessSync, appendFileSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock, type Clock } from "../../../src/common/index.ts";
import { takeAwaited } from "../../../src/restore/awaited-segment.ts";
import { beginBeat, isBeating } from "../../../src/restore/prefetch-beat.ts";
import { leaveNote } from "../../../src/restore/segment-note.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

const name = "000000010000000000000004";
const segmentSize = 1000;
let dataDirectory: string;
let directory: string;

beforeEach(() => {
  dataDirectory = temporaryDirectory().path;
  directory = join(dataDirectory, "moneta_wal");
  mkdirSync(directory);
});

/** A clock on which each pause takes a second, and a step is taken in it. */
function clockOf(steps: readonly (() => void)[]): Clock {
  let time = 0;
  const left = [...steps];
  return {
    ...systemClock,
    monotonic: () => time,
    sleep: () => {
      time += 1000;
      left.shift()?.();
      return Promise.resolve();
    },
  };
}

/** What the process does that makes the segment. */
const grow = (bytes: number) => (): void => appendFileSync(join(directory, `${name}.123`), Buffer.alloc(bytes, 1));
const publish = (): void => renameSync(join(directory, `${name}.123`), join(directory, name));
const nothing = (): void => undefined;

async function take(steps: readonly (() => void)[], destination = join(dataDirectory, "RECOVERYXLOG")) {
  writeFileSync(join(directory, "beat"), "");
  const said: string[] = [];
  const taken = await takeAwaited({ name, segmentSize, destination, dataDirectory, clock: clockOf(steps), onNote: (line) => said.push(line) });
  return { taken, said, bytes: existsSync(destination) ? readFileSync(destination) : undefined };
}

describe("a call for a segment that is not ready", () => {
  it("waits as long as there is ever more of it, and while it is synced", async () => {
    const steps = [grow(200), nothing, grow(200), nothing, nothing, grow(200), grow(200), grow(200), nothing, nothing, nothing, nothing, nothing, publish];
    expect(await take(steps)).toEqual({ taken: true, said: [], bytes: Buffer.alloc(segmentSize, 1) });
    expect(readdirSync(directory)).toEqual(["beat"]);
  });

  it("does not wait for one of which nothing more comes: whoever made it was killed", async () => {
    const late = Array.from({ length: 10 }, () => nothing);
    expect((await take([grow(200), grow(200), ...late, grow(600), publish])).taken).toBe(false);
    expect(existsSync(join(directory, "awaited"))).toBe(false);
  });

  it("does not take a note on it for a part of it", async () => {
    const longer = (bytes: number) => (): void => leaveNote(directory, name, "x".repeat(bytes));
    expect((await take([longer(1000), longer(2000), longer(3000), longer(4000), longer(5000), grow(1000), publish])).taken).toBe(false);
  });

  it("has said what there is to say about it, once", async () => {
    const line = `${name} is taken from the second copy of the WAL: the repository does not have it`;
    expect(await take([grow(1000), () => leaveNote(directory, name, line), publish])).toMatchObject({ taken: true, said: [line] });
    expect(readdirSync(directory)).toEqual(["beat"]);
  });

  it("is answered with one that lies ready", async () => {
    writeFileSync(join(directory, name), "WAL");
    expect(await take([])).toEqual({ taken: true, said: [], bytes: Buffer.from("WAL") });
  });
});

/** A place on another file system than the tests' own, where there is one. */
function elsewhere(): string | undefined {
  const memory = "/dev/shm";
  try {
    accessSync(memory, constants.W_OK | constants.X_OK);
    return statSync(memory).dev === statSync(tmpdir()).dev ? undefined : memory;
  } catch {
    return undefined;
  }
}

describe("pg_wal on another file system", () => {
  const place = elsewhere();
  let pgWal: string | undefined;
  afterEach(() => {
    if (pgWal !== undefined) rmSync(pgWal, { recursive: true });
  });

  it.skipIf(place === undefined)(place === undefined ? "gets what lies ready (needs another file system)" : "gets what lies ready, and nothing stays behind", async () => {
    pgWal = mkdtempSync(join(place ?? "", "moneta-test-"));
    expect(statSync(pgWal).dev).not.toBe(statSync(dataDirectory).dev);
    const wal = Buffer.alloc(3 * 1024 * 1024, "WAL");
    writeFileSync(join(directory, name), wal);
    const { taken, bytes } = await take([], join(pgWal, "RECOVERYXLOG"));
    expect([taken, bytes?.equals(wal)]).toEqual([true, true]);
    expect(readdirSync(pgWal)).toEqual(["RECOVERYXLOG"]);
    expect(readdirSync(directory)).toEqual(["beat"]);
  });
});

describe("the process that keeps segments ready", () => {
  const beat = (): string => join(directory, "beat");
  /** As after a delivery that took long. */
  const age = (): void => utimesSync(beat(), new Date(0), new Date(0));

  it("shows that it lives also while it makes a long one", async () => {
    expect(await isBeating(directory)).toBe(false);
    const own = await beginBeat(directory, systemClock);
    expect(await isBeating(directory)).toBe(true);
    age();
    await waitFor("it beats again", () => isBeating(directory));
    await own.end();
    expect(existsSync(beat())).toBe(false);
  });

  it("leaves the place to another one that has begun since", async () => {
    const first = await beginBeat(directory, systemClock);
    expect(await first.isOurs()).toBe(true);
    const second = await beginBeat(directory, systemClock);
    expect([await first.isOurs(), await second.isOurs()]).toEqual([false, true]);
    await first.end();
    expect(existsSync(beat())).toBe(true);
    await second.end();
    expect(existsSync(beat())).toBe(false);
  });

  it("notices that recovery has ended", async () => {
    const own = await beginBeat(directory, systemClock);
    rmSync(directory, { recursive: true });
    await expect(own.isOurs()).rejects.toMatchObject({ code: "ENOENT" });
    await own.end();
  });
});
