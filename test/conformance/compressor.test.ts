/** What every compressor must do, whatever library is behind it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  chunkSizeOf,
  type Compressor,
  compressionErrors,
  compressionMethods,
  createDecoder,
  levelRanges,
  openCompressor,
} from "../../src/compression/index.ts";
import { collect, inPieces, sampleBytes, type SampleKind } from "../support/sample-bytes.ts";

describe.each(compressionMethods)("%s", (method) => {
  let compressor: Compressor;
  beforeAll(async () => {
    compressor = await openCompressor(method);
  });
  afterAll(() => compressor.close());

  const chunk = chunkSizeOf(method);
  const kinds: readonly SampleKind[] = ["text", "noise", "zeros"];

  describe.each(kinds)("with %s", (kind) => {
    test.each([0, 1, 100, 8192, chunk - 1, chunk])("gives back %i bytes", async (size) => {
      const plain = sampleBytes(size, kind);
      const frame = await compressor.compress(plain);
      expect(Buffer.compare(await compressor.decompress(frame, size), plain)).toBe(0);
    });
  });

  test("its frames one after another are a legal stream of its decoder", async () => {
    const parts = [
      sampleBytes(chunk, "text", 1),
      sampleBytes(chunk, "noise", 2),
      sampleBytes(5000, "text", 3),
      Buffer.alloc(0),
    ];
    const frames = await Promise.all(parts.map((part) => compressor.compress(part)));
    const plain = await collect(createDecoder(method).decode(inPieces(Buffer.concat(frames), 50_000)));
    expect(Buffer.compare(plain, Buffer.concat(parts))).toBe(0);
  });

  test("many calls at one time do not mix", async () => {
    const samples = Array.from({ length: 24 }, (_, index) => sampleBytes(3000 + 777 * index, "text", index + 1));
    const frames = await Promise.all(samples.map((sample) => compressor.compress(sample)));
    const plains = await Promise.all(
      frames.map((frame, index) => compressor.decompress(frame, samples[index]?.length ?? 0)),
    );
    for (const [index, plain] of plains.entries())
      expect(Buffer.compare(plain, samples[index] ?? Buffer.alloc(0))).toBe(0);
  });

  test("compresses a view into a larger buffer, and only that", async () => {
    const whole = sampleBytes(10_000);
    const view = new Uint8Array(whole.buffer, whole.byteOffset + 1234, 4321);
    const frame = await compressor.compress(view);
    const enclosed = Buffer.concat([Buffer.from("before"), frame, Buffer.from("behind")]);
    const plain = await compressor.decompress(enclosed.subarray(6, 6 + frame.length), 4321);
    expect(Buffer.compare(plain, view)).toBe(0);
  });

  test("refuses a frame cut anywhere", async () => {
    const plain = sampleBytes(9000);
    const frame = await compressor.compress(plain);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: frame.length - 1 }), async (length) => {
        await expect(compressor.decompress(frame.subarray(0, length), plain.length)).rejects.toSatisfy(
          compressionErrors.damaged.is,
        );
      }),
      { numRuns: 60 },
    );
    for (let cut = 1; cut <= Math.min(24, frame.length); cut++) {
      await expect(
        compressor.decompress(frame.subarray(0, frame.length - cut), plain.length),
        `cut ${cut}`,
      ).rejects.toSatisfy(compressionErrors.damaged.is);
    }
  });

  test("refuses anything behind the frame, be it garbage, zeros or another frame", async () => {
    const plain = sampleBytes(9000);
    const frame = await compressor.compress(plain);
    for (const extra of [
      Buffer.from([0]),
      Buffer.from("x"),
      Buffer.alloc(4),
      Buffer.alloc(1000),
      sampleBytes(500, "noise"),
      Buffer.from(frame),
    ]) {
      await expect(compressor.decompress(Buffer.concat([frame, extra]), plain.length)).rejects.toSatisfy(
        compressionErrors.damaged.is,
      );
    }
  });

  test("refuses a plain length that is not the frame's", async () => {
    const plain = sampleBytes(9000);
    const frame = await compressor.compress(plain);
    for (const length of [0, 1, 8999, 9001, 100_000]) {
      await expect(compressor.decompress(frame, length)).rejects.toSatisfy(compressionErrors.damaged.is);
    }
  });

  test("refuses what is not its format", async () => {
    if (method === "none") return;
    for (const foreign of [
      Buffer.alloc(0),
      Buffer.alloc(100),
      sampleBytes(100, "noise"),
      Buffer.from("hello, world"),
    ]) {
      await expect(compressor.decompress(foreign, 100)).rejects.toSatisfy(compressionErrors.damaged.is);
    }
  });

  // Formats with a checksum of their own; a zstd frame may have none, a chunk as it is never has one: there the CRC-32C
  // of the chunk index decides (test/unit/pipeline/damage.test.ts).
  const checksummed = method === "gzip" || method === "lz4" || method === "bzip2";
  if (checksummed)
    test("refuses a changed bit or gives the same bytes, never others", async () => {
      const plain = sampleBytes(4000);
      const frame = Buffer.from(await compressor.compress(plain));
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: frame.length * 8 - 1 }), async (bit) => {
          const changed = Buffer.from(frame);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          let result: Uint8Array;
          try {
            result = await compressor.decompress(changed, plain.length);
          } catch (error) {
            expect(error).toSatisfy(compressionErrors.damaged.is);
            return;
          }
          // A few bits carry nothing: the time stamp and the name of the system in a gzip header, for example.
          expect(Buffer.compare(result, plain)).toBe(0);
        }),
        { numRuns: 150 },
      );
    });

  test("honours the level, or has none", async () => {
    const range = levelRanges[method];
    if (range === null) return;
    const plain = sampleBytes(400_000);
    const weak = await openCompressor(method, range.min);
    const strong = await openCompressor(method, range.max);
    try {
      const [small, large] = [await strong.compress(plain), await weak.compress(plain)];
      expect(Buffer.compare(small, large)).not.toBe(0);
      // bzip2 sorts larger blocks at a higher level, which need not help.
      if (method !== "bzip2") expect(small.length).toBeLessThan(large.length);
      await expect(openCompressor(method, range.max + 1)).rejects.toSatisfy(compressionErrors.levelInvalid.is);
      await expect(openCompressor(method, range.min - 1)).rejects.toSatisfy(compressionErrors.levelInvalid.is);
      await expect(openCompressor(method, 1.5)).rejects.toSatisfy(compressionErrors.levelInvalid.is);
    } finally {
      await weak.close();
      await strong.close();
    }
  });

  test("stores incompressible bytes with little overhead", async () => {
    const frame = await compressor.compress(sampleBytes(chunk, "noise"));
    expect(frame.length).toBeLessThan(chunk * 1.011);
  });
});
