/** Checking stored files beside the event loop: the same verdict as reading them, in every format and at every length. */
import { afterAll, describe, expect, test } from "vitest";
import { checkPlainFile, createFileChecker, pipelineErrors, readStoredFile, type PipelineSpec } from "../../../src/pipeline/index.ts";
import { lsn, type PageVerifierOptions } from "../../../src/postgres/index.ts";
import { sampleBytes, seededNumbers } from "../../support/sample-bytes.ts";
import { keys, memoryReader, storeSample, type StoredSample } from "./stored-files.ts";

const checker = createFileChecker({ threads: 2 });
afterAll(() => checker.close());
const MiB = 1024 * 1024;
const pages: PageVerifierOptions = { path: "base/5/16384", startLsn: lsn(0xffff_ffff_ffffn), blockSize: 8192, relationSegmentBlocks: 131_072 };

const optionsOf = (sample: StoredSample, spec: PipelineSpec, bytes = sample.bytes) => ({
  source: memoryReader(bytes, sample.name),
  format: { compression: spec.compression, encrypted: spec.encryption !== "none" },
  keys,
  chunks: sample.measures.chunks,
  headerSize: sample.measures.headerSize,
  hash: "sha256" as const,
  expected: sample.measures,
  concurrency: 3,
});

const specs: readonly PipelineSpec[] = [
  { compression: "none", encryption: "none" },
  { compression: "zstd", encryption: "none" },
  { compression: "lz4", encryption: "aes-256-gcm" },
  { compression: "none", encryption: "aes-128-gcm" },
];

describe.each(specs)("$compression, $encryption", (spec) => {
  test("what was stored is what it was, pages looked at, many files side by side", async () => {
    const lengths = [0, 1, 8192, 255 * 1024, MiB, MiB + 1, 5 * MiB + 8192 + 7];
    const samples = await Promise.all(lengths.map((length) => storeSample(sampleBytes(length), spec)));
    const reports = await Promise.all(samples.map((sample) => checker.check({ ...optionsOf(sample, spec), pages })));
    expect(reports.map((report) => report?.pages ?? 0)).toEqual(lengths.map((length) => Math.floor(length / 8192)));
    // Noise is full of damaged pages.
    expect(reports.at(-1)?.badCount).toBeGreaterThan(0);
  });

  test("every damage that reading finds is found, and the checker goes on", async () => {
    const sample = await storeSample(sampleBytes(3 * MiB + 77), spec);
    const random = seededNumbers(99);
    for (let round = 0; round < 12; round += 1) {
      const damaged = Buffer.from(sample.bytes);
      const at = random() % damaged.length;
      damaged[at] = (damaged[at] ?? 0) ^ (1 << random() % 8);
      const bytes = round % 3 === 0 ? sample.bytes.subarray(0, at) : damaged;
      const options = optionsOf(sample, spec, bytes);
      const [read, checked] = await Promise.allSettled([readStoredFile(options, async () => undefined), checker.check(options)]);
      expect([read.status, checked.status]).toEqual(["rejected", "rejected"]);
      if (checked.status === "rejected" && !pipelineErrors.damaged.is(checked.reason)) expect(read).toEqual(checked);
    }
    await expect(checker.check(optionsOf(sample, spec))).resolves.toBeUndefined();
  });
});

test("a digest that is another is a damage although every chunk has its checksum", async () => {
  const spec = { compression: "none", encryption: "none" } as const;
  const sample = await storeSample(sampleBytes(2 * MiB), spec);
  const options = optionsOf(sample, spec);
  const expected = { ...sample.measures, plainDigest: "00".repeat(32) };
  await expect(checker.check({ ...options, expected })).rejects.toThrow(/digest of the plain bytes/);
});

test("ends when it is told to", async () => {
  const spec = { compression: "none", encryption: "none" } as const;
  const sample = await storeSample(sampleBytes(4 * MiB), spec);
  const stop = new AbortController();
  stop.abort();
  await expect(checker.check({ ...optionsOf(sample, spec), signal: stop.signal })).rejects.toMatchObject({ code: "ABORTED" });
});

describe("in the thread that calls, of what is stored as it was", () => {
  const spec = { compression: "none", encryption: "none" } as const;

  test.each([64 * 1024, 8191, 3 * MiB])("%i bytes at a time: the same of every file as beside the event loop", async (room) => {
    for (const length of [0, 1, 8192, MiB, 2 * MiB + 8192 + 7]) {
      const options = { ...optionsOf(await storeSample(sampleBytes(length), spec), spec), pages };
      expect(await checkPlainFile(options.source, options, Buffer.alloc(room))).toEqual(await checker.check(options));
    }
  });

  test("every damage that reading finds, in the same words", async () => {
    const sample = await storeSample(sampleBytes(2 * MiB + 77), spec);
    const random = seededNumbers(7);
    const room = Buffer.alloc(256 * 1024);
    for (let round = 0; round < 12; round += 1) {
      const damaged = Buffer.from(sample.bytes);
      const at = random() % damaged.length;
      damaged[at] = (damaged[at] ?? 0) ^ (1 << random() % 8);
      const options = optionsOf(sample, spec, round % 3 === 0 ? sample.bytes.subarray(0, at) : damaged);
      const [read, checked] = await Promise.allSettled([readStoredFile(options, async () => undefined), checkPlainFile(options.source, options, room)]);
      expect(read.status).toBe("rejected");
      expect(checked).toEqual(read);
    }
  });

  test("what an index says that is not so, and a source that gives less than it has", async () => {
    const sample = await storeSample(sampleBytes(MiB + 5), spec);
    const options = optionsOf(sample, spec);
    const room = Buffer.alloc(MiB);
    const [first, second] = sample.measures.chunks;
    if (first === undefined || second === undefined) throw new Error("no chunks");
    const wrong: readonly (readonly [RegExp, Partial<typeof options>])[] = [
      [/checksum of chunk 1/, { chunks: [first, { ...second, crc32c: second.crc32c ^ 1 }] }],
      [/chunk 1 holds 5 bytes where 6 are due/, { chunks: [first, { ...second, plain: 6 }] }],
      [/header of 7 bytes/, { headerSize: 7 }],
      [/instead of/, { expected: { ...sample.measures, plainDigest: "00".repeat(32) } }],
      [/ends within chunk 1/, { source: { ...options.source, read: async (offset, length) => sample.bytes.subarray(offset, offset + length - (length === 5 ? 1 : 0)) } }],
    ];
    for (const [reason, more] of wrong) {
      const changed = { ...options, ...more };
      await expect(checkPlainFile(changed.source, changed, room)).rejects.toThrow(reason);
    }
    await expect(checkPlainFile(options.source, options, room)).resolves.toBeUndefined();
  });
});
