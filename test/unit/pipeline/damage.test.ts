/**
 * No damage of a stored file passes: not with an index, not with digests, not when it is encrypted. (What has
 * neither is as good as its format: a zstd frame without checksum cannot notice every changed bit.)
 */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { compressionMethods } from "../../../src/compression/index.ts";
import { encryptionErrors, type EncryptionMode } from "../../../src/encryption/index.ts";
import {
  type ChunkEntry,
  pipelineErrors,
  readStoredFile,
  type ReadStoredFileOptions,
} from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { keys, memoryReader, type StoredSample, storeSample } from "./stored-files.ts";

type Damage =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "extend"; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly length: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "zero"; readonly at: number; readonly length: number };

const place = fc.nat(2 ** 30);
const damages: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at: place }),
  fc.record({ kind: fc.constant("extend" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant("remove" as const), at: place, length: fc.integer({ min: 1, max: 5000 }) }),
  fc.record({ kind: fc.constant("insert" as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant("zero" as const), at: place, length: fc.integer({ min: 1, max: 5000 }) }),
);

function applied(bytes: Buffer, damage: Damage): Buffer {
  const at = "at" in damage && bytes.length > 0 ? damage.at % bytes.length : 0;
  const copy = Buffer.from(bytes);
  switch (damage.kind) {
    case "flip":
      copy[at] = (copy[at] ?? 0) ^ (1 << damage.bit);
      return copy;
    case "cut":
      return copy.subarray(0, at);
    case "extend":
      return Buffer.concat([copy, damage.bytes]);
    case "remove":
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + damage.length)]);
    case "insert":
      return Buffer.concat([copy.subarray(0, at), damage.bytes, copy.subarray(at)]);
    case "zero":
      return copy.fill(0, at, Math.min(copy.length, at + damage.length));
  }
}

/** Frames of the file by its index, to be rearranged. */
function framesOf(sample: StoredSample): Buffer[] {
  let offset = sample.measures.headerSize;
  return sample.measures.chunks.map((chunk) => {
    offset += chunk.stored;
    return sample.bytes.subarray(offset - chunk.stored, offset);
  });
}

/** Reads the bytes as the file of the sample; the plain bytes when nothing is complained about. */
async function attempt(
  bytes: Buffer,
  sample: StoredSample,
  options: Partial<ReadStoredFileOptions>,
): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    await readStoredFile(
      { source: memoryReader(bytes, sample.name), keys, hash: "sha256", concurrency: 2, ...options },
      async (piece) => {
        pieces.push(Buffer.from(piece));
      },
    );
  } catch (error) {
    // A changed header may name a data key that nobody has.
    expect(pipelineErrors.damaged.is(error) || encryptionErrors.keyUnknown.is(error), String(error)).toBe(true);
    expect(String(error)).toContain(sample.name);
    return undefined;
  }
  return Buffer.concat(pieces);
}

const modes: readonly EncryptionMode[] = ["none", "aes-256-gcm"];

describe.each(compressionMethods.flatMap((compression) => modes.map((encryption) => ({ compression, encryption }))))(
  "$compression with $encryption",
  (spec) => {
    const encrypted = spec.encryption !== "none";
    // Three chunks, the last one short; fewer rounds where a chunk costs a tenth of a second.
    const plain = Buffer.concat([sampleBytes(2 * 1024 * 1024 + 300_000, "zeros"), sampleBytes(3000)]);
    const numRuns = spec.compression === "bzip2" ? 6 : 40;
    let made: Promise<StoredSample> | undefined;
    const sample = (): Promise<StoredSample> => (made ??= storeSample(plain, spec));

    /** The ways to read a file of which something is known. */
    const ways = async (): Promise<readonly Partial<ReadStoredFileOptions>[]> => {
      const { measures } = await sample();
      const { plainSize, plainDigest, storedDigest, chunks } = measures;
      return [
        { chunks },
        { chunks, expected: measures },
        { expected: { plainSize, plainDigest } },
        { expected: { storedDigest } },
        ...(encrypted ? [{}] : []),
      ];
    };

    test("notices every damage", async () => {
      const stored = await sample();
      const options = await ways();
      await fc.assert(
        fc.asyncProperty(damages, fc.nat(), async (damage, way) => {
          const bytes = applied(stored.bytes, damage);
          fc.pre(!bytes.equals(stored.bytes));
          const chosen = options[way % options.length] ?? {};
          const result = await attempt(bytes, stored, chosen);
          if (result === undefined) return;
          // Some stored bytes mean nothing (the time in a gzip header), an empty frame may come in between: the plain
          // bytes are right then, and only the digest of the stored ones, or encryption, knows better.
          expect(encrypted || chosen.expected?.storedDigest !== undefined).toBe(false);
          expect(Buffer.compare(result, plain)).toBe(0);
        }),
        { numRuns },
      );
    });

    test("notices two frames swapped, one doubled, one left out, one of another file", async () => {
      const stored = await sample();
      const other = await storeSample(Buffer.concat([Buffer.alloc(plain.length - 5), Buffer.from("other")]), spec);
      const header = stored.bytes.subarray(0, stored.measures.headerSize);
      const [one, two, three] = framesOf(stored) as [Buffer, Buffer, Buffer];
      const foreign = framesOf(other)[2] ?? Buffer.alloc(0);
      const rearranged = [
        [one, three, two],
        [three, two, one],
        [one, two, two, three],
        [one, two, three, three],
        [one, three],
        [two, three],
        [one, two],
        [one, two, foreign],
      ];
      for (const frames of rearranged) {
        const bytes = Buffer.concat([header, ...frames]);
        // The first two chunks are the same zeros: without encryption nothing tells their frames apart, nor need it.
        if (bytes.equals(stored.bytes)) continue;
        for (const way of await ways()) expect(await attempt(bytes, stored, way)).toBeUndefined();
        // An index that was rearranged along with the frames does not help where they are sealed in their places.
        if (!encrypted || frames.includes(foreign)) continue;
        const entries = new Map<Buffer, ChunkEntry | undefined>(
          [one, two, three].map((frame, index) => [frame, stored.measures.chunks[index]]),
        );
        const chunks = frames.map((frame) => entries.get(frame)).filter((entry) => entry !== undefined);
        expect(await attempt(bytes, stored, { chunks })).toBeUndefined();
      }
    });
  },
);
