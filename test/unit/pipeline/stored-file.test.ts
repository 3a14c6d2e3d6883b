/** Reverse after forward is identity: all methods, modes and sizes, with an index and without. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { chunkSizeOf, compressionMethods, openCompressor } from "../../../src/compression/index.ts";
import { encryptionErrors, encryptionModes } from "../../../src/encryption/index.ts";
import {
  type ChunkEntry,
  createMemoryBudget,
  pipelineErrors,
  type PipelineSpec,
  readStoredFile,
  type ReadMeasures,
  type ReadStoredFileOptions,
} from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { keys, memoryReader, type StoredSample, storeSample } from "./stored-files.ts";

async function readBack(
  sample: StoredSample,
  options: Partial<ReadStoredFileOptions> = {},
): Promise<{ plain: Buffer; measures: ReadMeasures }> {
  const pieces: Buffer[] = [];
  let due = 0;
  const measures = await readStoredFile(
    {
      source: memoryReader(sample.bytes, sample.name),
      keys,
      hash: "sha256",
      expected: sample.measures,
      concurrency: 3,
      ...options,
    },
    async (piece, offset) => {
      expect(offset).toBe(due);
      due += piece.length;
      pieces.push(Buffer.from(piece));
    },
  );
  return { plain: Buffer.concat(pieces), measures };
}

const specs: readonly PipelineSpec[] = compressionMethods.flatMap((compression) =>
  encryptionModes.map((encryption) => ({ compression, encryption })),
);

describe.each(specs)("$compression with $encryption", (spec) => {
  const chunk = chunkSizeOf(spec.compression);
  // Every cipher with every method for small files; around the borders of chunks one cipher will do.
  const around = spec.encryption === "none" || spec.encryption === "aes-256-gcm";
  const sizes = [0, 1, 8192, ...(around ? [chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 17] : [])];

  test.each(sizes)("gives back %i bytes", async (size) => {
    const plain = sampleBytes(size, size % 2 === 0 ? "text" : "noise");
    const sample = await storeSample(plain, spec);
    for (const chunks of [sample.measures.chunks, undefined]) {
      const { plain: back, measures } = await readBack(sample, { chunks });
      expect(Buffer.compare(back, plain)).toBe(0);
      expect(measures).toEqual({
        plainSize: size,
        plainDigest: sample.measures.plainDigest,
        storedDigest: sample.measures.storedDigest,
      });
    }
  });
});

test("identity holds for any bytes, pieces and specification", async () => {
  const fast = specs.filter((spec) => spec.compression !== "bzip2");
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 5000 }),
      fc.constantFrom(...fast),
      fc.integer({ min: 1, max: 6000 }),
      fc.boolean(),
      async (bytes, spec, piece, indexed) => {
        const sample = await storeSample(Buffer.from(bytes), spec, "sha512", piece);
        const { plain } = await readBack(sample, {
          hash: "sha512",
          chunks: indexed ? sample.measures.chunks : undefined,
        });
        expect(Buffer.compare(plain, bytes)).toBe(0);
      },
    ),
    { numRuns: 100 },
  );
});

describe("reading", () => {
  test("goes several chunks ahead and delivers in order, one at a time", async () => {
    const sample = await storeSample(sampleBytes(8 * 1024 * 1024), { compression: "zstd", encryption: "none" });
    const inner = memoryReader(sample.bytes, sample.name);
    let reads = 0;
    let delivered = 0;
    let ahead = 0;
    let inside = false;
    const source = {
      ...inner,
      read: async (offset: number, length: number) => {
        reads++;
        ahead = Math.max(ahead, reads - delivered);
        return inner.read(offset, length);
      },
    };
    await readStoredFile({ source, hash: "sha256", chunks: sample.measures.chunks, concurrency: 3 }, async () => {
      expect(inside).toBe(false);
      inside = true;
      await new Promise((resolve) => setImmediate(resolve));
      inside = false;
      delivered++;
    });
    expect(delivered).toBe(8);
    expect(ahead).toBeGreaterThan(1);
    expect(ahead).toBeLessThanOrEqual(4);
  });

  test("accepts what other programs wrote: one large frame, several, by the name's suffix", async () => {
    const compressor = await openCompressor("zstd");
    const plain = sampleBytes(3 * 1024 * 1024);
    const one = Buffer.from(await compressor.compress(plain));
    const { plain: back } = await readBack(
      { bytes: one, name: "000000010000000000000001.zstd", measures: undefined as never },
      { expected: undefined },
    );
    expect(Buffer.compare(back, plain)).toBe(0);
  });

  test("believes the given format rather than the name", async () => {
    const sample = await storeSample(Buffer.from("plain text"), { compression: "none", encryption: "none" });
    const named = { ...sample, name: "base/5/readme.gz" };
    const { plain } = await readBack(named, { format: { compression: "none", encrypted: false } });
    expect(plain.toString()).toBe("plain text");
    await expect(readBack(named)).rejects.toSatisfy(pipelineErrors.damaged.is);
  });

  test("stops at the error of the receiver, and tells it as it is", async () => {
    const sample = await storeSample(sampleBytes(4 * 1024 * 1024), { compression: "lz4", encryption: "aes-256-gcm" });
    const full = new Error("disk full");
    for (const chunks of [sample.measures.chunks, undefined]) {
      let calls = 0;
      const reading = readStoredFile(
        { source: memoryReader(sample.bytes, sample.name), keys, hash: "sha256", chunks, concurrency: 2 },
        async () => {
          if (++calls === 2) throw full;
        },
      );
      await expect(reading).rejects.toBe(full);
      expect(calls).toBe(2);
    }
  });

  test("stops when it is cancelled", async () => {
    const sample = await storeSample(sampleBytes(4 * 1024 * 1024, "noise"), {
      compression: "none",
      encryption: "none",
    });
    for (const chunks of [sample.measures.chunks, undefined]) {
      const controller = new AbortController();
      let calls = 0;
      const reading = readStoredFile(
        {
          source: memoryReader(sample.bytes, sample.name),
          hash: "sha256",
          chunks,
          concurrency: 2,
          signal: controller.signal,
        },
        async () => {
          calls++;
          controller.abort();
        },
      );
      await expect(reading).rejects.toMatchObject({ code: "ABORTED" });
      expect(calls).toBeLessThan(4);
    }
  });

  test("passes on the error of the storage as it is, with nothing left under way", async () => {
    const sample = await storeSample(sampleBytes(6 * 1024 * 1024), { compression: "zstd", encryption: "none" });
    const lost = new Error("connection lost");
    for (const chunks of [sample.measures.chunks, undefined]) {
      let underWay = 0;
      let reads = 0;
      const source = {
        ...memoryReader(sample.bytes, sample.name),
        read: async (offset: number, length: number) => {
          underWay++;
          await new Promise((resolve) => setImmediate(resolve));
          underWay--;
          if (++reads === 3) throw lost;
          return sample.bytes.subarray(offset, offset + length);
        },
      };
      // Without an index the file is one or two reads: let the third be the first.
      if (chunks === undefined) reads = 2;
      await expect(
        readStoredFile({ source, hash: "sha256", chunks, concurrency: 4 }, async () => undefined),
      ).rejects.toBe(lost);
      expect(underWay).toBe(0);
    }
  });

  test("tells an unknown data key by its id, not as damage", async () => {
    const sample = await storeSample(Buffer.from("x"), { compression: "none", encryption: "aes-256-gcm" });
    for (const chunks of [sample.measures.chunks, undefined]) {
      await expect(readBack(sample, { chunks, keys: () => undefined })).rejects.toSatisfy(
        encryptionErrors.keyUnknown.is,
      );
      await expect(readBack(sample, { chunks, keys: undefined })).rejects.toSatisfy(encryptionErrors.keyUnknown.is);
    }
  });
});

describe("where the digest of the plain bytes is enough", () => {
  const chunk = chunkSizeOf("zstd");
  /** Noise: each chunk is stored in as many bytes as any other. */
  const noise = (count: number): Buffer => sampleBytes(count * chunk, "noise");
  const sameStored = ({ measures }: StoredSample): number => {
    const [first, ...others] = measures.chunks;
    expect(others.every(({ stored }) => stored === first?.stored)).toBe(true);
    return first?.stored ?? 0;
  };
  /** Every frame is whole, its own checksum right, and each in the place of another. */
  const swapped = (sample: StoredSample): Buffer => {
    const length = sameStored(sample);
    return Buffer.concat([sample.bytes.subarray(length, 2 * length), sample.bytes.subarray(0, length), sample.bytes.subarray(2 * length)]);
  };

  test.each(["zstd", "lz4", "none"] as const)("frames of %s that changed places are noticed by it alone", async (compression) => {
    const sample = await storeSample(noise(3), { compression, encryption: "none" });
    const { chunks, plainDigest, plainSize } = sample.measures;
    const moved = { ...sample, bytes: swapped(sample) };
    const attempt = readBack(moved, { chunks, plainIsEnough: true, expected: { plainDigest, plainSize } });
    await expect(attempt).rejects.toThrow(/digest of the plain bytes/);
    // Where it is not known the checksum of the chunk has to say so.
    await expect(readBack(moved, { chunks, plainIsEnough: true, expected: { plainSize } })).rejects.toThrow(/checksum of chunk 0/);
  });

  test.each(specs.filter(({ compression }) => compression !== "bzip2"))("buffers are used again and every byte is right: $compression with $encryption", async (spec) => {
    const pool = createMemoryBudget(8 * chunk, chunk);
    const plain = Buffer.concat([noise(2), sampleBytes(3 * chunk + 17, "text")]);
    const sample = await storeSample(plain, spec);
    const inner = memoryReader(sample.bytes, sample.name);
    // As a file is read: into the buffer that is given.
    const source = {
      ...inner,
      read: async (offset: number, length: number, into?: Buffer) => {
        const bytes = await inner.read(offset, length);
        return into === undefined ? bytes : into.subarray(0, bytes.copy(into));
      },
    };
    const { plain: back, measures } = await readBack(sample, { source, chunks: sample.measures.chunks, plainIsEnough: true, pool });
    expect(Buffer.compare(back, plain)).toBe(0);
    const same = spec.compression === "none" && spec.encryption === "none";
    expect(measures.storedDigest).toBe(same ? sample.measures.plainDigest : undefined);
    expect(pool.used).toBe(0);
    // Given up in the middle, nothing is kept either.
    await expect(readStoredFile({ source: memoryReader(sample.bytes, sample.name), keys, hash: "sha256", chunks: sample.measures.chunks, pool, concurrency: 3 }, () => Promise.reject(new Error("enough")))).rejects.toThrow("enough");
    expect(pool.used).toBe(0);
  });
});

describe("an index that does not describe the file", () => {
  const plain = sampleBytes(2 * 1024 * 1024 + 100);

  test.each<[string, (chunks: ChunkEntry[]) => void]>([
    ["lacks a chunk", (chunks) => void chunks.pop()],
    ["has one too many", (chunks) => void chunks.push({ stored: 0, plain: 0, crc32c: 0 })],
    ["has two swapped", (chunks) => void chunks.reverse()],
    ["states another checksum", (chunks) => void chunks.splice(1, 1, { ...(chunks[1] as ChunkEntry), crc32c: 1 })],
    ["states another plain length", (chunks) => void chunks.splice(1, 1, { ...(chunks[1] as ChunkEntry), plain: 5 })],
    ["states a negative length", (chunks) => void chunks.splice(1, 1, { ...(chunks[1] as ChunkEntry), stored: -5 })],
    ["states a huge length", (chunks) => void chunks.splice(1, 1, { ...(chunks[1] as ChunkEntry), plain: 2 ** 40 })],
    ["is empty", (chunks) => void chunks.splice(0)],
  ])("is noticed when it %s", async (_, change) => {
    for (const spec of [
      { compression: "zstd", encryption: "none" },
      { compression: "none", encryption: "aes-256-gcm" },
    ] as const) {
      const sample = await storeSample(plain, spec);
      const chunks = sample.measures.chunks.map((chunk) => ({ ...chunk }));
      change(chunks);
      await expect(readBack(sample, { chunks })).rejects.toSatisfy(pipelineErrors.damaged.is);
      // Also when nothing but the index is known.
      if (change.toString().includes("push") && spec.encryption === "none") continue;
      await expect(readBack(sample, { chunks, expected: undefined })).rejects.toSatisfy(pipelineErrors.damaged.is);
    }
  });

  test("is noticed when its header size is wrong", async () => {
    const sample = await storeSample(plain, { compression: "zstd", encryption: "aes-256-gcm" });
    await expect(readBack(sample, { chunks: sample.measures.chunks, headerSize: 0 })).rejects.toSatisfy(
      pipelineErrors.damaged.is,
    );
    expect((await readBack(sample, { chunks: sample.measures.chunks, headerSize: 60 })).plain.length).toBe(
      plain.length,
    );
  });
});
