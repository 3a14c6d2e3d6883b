/** Checking stored files beside the event loop: the same verdict as reading them, in every format and at every length. */
import { afterAll, describe, expect, test } from "vitest";
import { createFileChecker, pipelineErrors, readStoredFile, type PipelineSpec } from "../../../src/pipeline/index.ts";
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
