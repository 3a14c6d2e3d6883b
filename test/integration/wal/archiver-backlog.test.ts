/** B10: what a long outage leaves: a directory full of finished segments. `MONETA_SEGMENTS=10000` is the long form. */
import { createHash } from "node:crypto";
import { mkdirSync, openSync, ftruncateSync, writeSync, closeSync, readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { lsn, rootHistory, segmentName, timelineId } from "../../../src/postgres/index.ts";
import { openServerIdentity, openWalInventory } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { countFromEnvironment } from "../../support/long-run.ts";
import { runOrFail } from "../../support/processes.ts";
import { tool } from "../../support/requires.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const program = join(import.meta.dirname, "../../fixtures/.built/wal/archiver-program.js");
const segmentSize = 1024 * 1024;
const many = countFromEnvironment("MONETA_SEGMENTS", 150);
/** Some memory is used from the first hundreds on, whatever follows: the long form begins behind that. */
const few = many > 1000 ? 500 : 20;
const timeline = timelineId(1);
/** Begins just before the names carry over into their middle part: 4096 segments of 1 MiB to each. */
const start = 4 * 4096 - Math.floor(many / 2);
const nameOf = (number: number): string => segmentName(timeline, lsn(BigInt(start + number) * BigInt(segmentSize)), segmentSize);

/** A quarter of each segment is hard to compress, the rest is what `archive_timeout` leaves: zeros, and a hole in the file. */
async function backlog(count: number): Promise<{ base: string; digests: string[] }> {
  const { path: base } = temporaryDirectory({ prefix: "mback" });
  await openServerIdentity(openLocalStorage(base), "primary").write({ systemIdentifier: "1", segmentSize });
  mkdirSync(join(base, "primary/wal"), { recursive: true, mode: 0o700 });
  const digests: string[] = [];
  const noise = sampleBytes(segmentSize / 4, "noise", 7);
  const whole = Buffer.alloc(segmentSize);
  for (let number = 0; number < count; number += 1) {
    noise.writeUInt32BE(number);
    noise.copy(whole);
    digests.push(createHash("sha256").update(whole).digest("hex"));
    const fd = openSync(join(base, "primary/wal", nameOf(number)), "w", 0o600);
    writeSync(fd, noise);
    ftruncateSync(fd, segmentSize);
    closeSync(fd);
  }
  return { base, digests };
}

interface Done {
  readonly segments: number;
  readonly storedBytes: number;
  readonly peakKb: number;
  readonly cpuMs: number;
}

async function archive(base: string): Promise<Done> {
  return JSON.parse(await runOrFail(process.execPath, [program, JSON.stringify({ base })])) as Done;
}

it(`${many} finished segments get their final form, every one, with the memory and the work that a few take`, async () => {
  const small = await archive((await backlog(few)).base);
  const { base, digests } = await backlog(many);
  const done = await archive(base);
  const each = (of: Done): number => of.cpuMs / of.segments;
  console.log(`${many} segments: ${each(done).toFixed(1)} ms of CPU each (of ${few}: ${each(small).toFixed(1)}), peak ${(done.peakKb / 1024).toFixed(0)} MiB (of ${few}: ${(small.peakKb / 1024).toFixed(0)})`);
  expect(done.segments).toBe(many);
  // Whatever grows with the number of segments that wait would show in the work for each of them.
  expect(each(done)).toBeLessThan(2 * each(small));

  const names = digests.map((_, number) => nameOf(number));
  expect((await readdir(join(base, "primary/wal"))).sort()).toEqual(names.map((name) => `${name}.zstd`));
  const inventory = openWalInventory(openLocalStorage(base), "primary", segmentSize);
  const from = lsn(BigInt(start) * BigInt(segmentSize));
  const to = lsn(BigInt(start + many) * BigInt(segmentSize));
  expect(await inventory.continuity({ from, to, history: rootHistory(timeline) })).toMatchObject({ complete: true });
  let stored = 0;
  for (const [number, name] of names.entries()) {
    const record = await inventory.lookup(name);
    expect([name, record?.plainDigest]).toEqual([name, digests[number]]);
    const bytes = readFileSync(join(base, "primary/wal", `${name}.zstd`));
    expect([name, record?.storedDigest]).toEqual([name, createHash("sha256").update(bytes).digest("hex")]);
    stored += bytes.length;
  }
  expect(stored).toBe(done.storedBytes);
  // The public tool's word, on one of each hundred.
  for (let number = 0; number < many; number += 100) {
    const plain = await runOrFail("sh", ["-c", '"$1" -dc "$2" | sha256sum', "sh", tool("zstd"), join(base, "primary/wal", `${nameOf(number)}.zstd`)]);
    expect(plain.slice(0, 64)).toBe(digests[number]);
  }
  expect(done.peakKb).toBeLessThan(small.peakKb + 40 * 1024);
}, 1_800_000);
