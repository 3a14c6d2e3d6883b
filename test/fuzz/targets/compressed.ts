/** Compressed streams and stored files: what comes back is what was stored, or it is refused. */
import { gzipSync } from "node:zlib";
import { createDecoder, openCompressor, type CompressionMethod } from "../../../src/compression/index.ts";
import { FRAME_LIMIT } from "../../../src/compression/frame-walk.ts";
import { loadLz4 } from "../../../src/compression/lz4.ts";
import { readZstdHeader } from "../../../src/compression/zstd-frame.ts";
import { createSealer } from "../../../src/encryption/index.ts";
import { readStoredFile, type ChunkEntry, crc32c } from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { readerOf } from "../../unit/repository/test-repository.ts";
import { cutSeldom } from "../engine/mutate.ts";
import type { Random } from "../engine/random.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";
import { MonetaError } from "../../../src/common/index.ts";
import { createHash } from "node:crypto";
import { keyRing, sampleDataKey } from "./keys.ts";

/** Little of each sort: what is tried is the form of a stream, and every byte is decoded twice for each input. */
const plains = [Buffer.alloc(0), Buffer.from("hello"), sampleBytes(600), sampleBytes(150, "noise"), Buffer.alloc(3000)];
/** More than a block of zstd and LZ4, than the window and one piece of the plain bytes of gzip; packed it is a few kilobytes. */
const largePlain = Buffer.alloc(300_000, sampleBytes(1500));

/** LZ4 by its library alone: our compressor would start a thread for it. */
async function largeUnit(method: CompressionMethod): Promise<Buffer> {
  if (method === "lz4") return (await loadLz4()).compressFrame(largePlain, { contentChecksum: true });
  const compressor = await openCompressor(method);
  try {
    return Buffer.from(await compressor.compress(largePlain));
  } finally {
    await compressor.close();
  }
}

async function unitsOf(method: CompressionMethod): Promise<Buffer[]> {
  const compressor = await openCompressor(method);
  try {
    const units: Buffer[] = [];
    for (const plain of plains) units.push(Buffer.from(await compressor.compress(plain)));
    return units;
  } finally {
    await compressor.close();
  }
}

async function* asSource(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield piece;
}

/** The digest and the length of what is decoded, or the code of the refusal. Nothing beyond `most` is waited for. */
async function decoded(method: CompressionMethod, pieces: readonly Buffer[], most: number): Promise<string> {
  const digest = createHash("sha1");
  let length = 0;
  try {
    for await (const piece of createDecoder(method).decode(asSource(pieces))) {
      mustHold(piece.length <= 8 * 1024 * 1024, "a piece has a few megabytes at most");
      digest.update(piece);
      length += piece.length;
      if (length > most) return "much";
    }
  } catch (error) {
    if (error instanceof MonetaError) return error.code;
    throw error;
  }
  return `${length} ${digest.digest("hex")}`;
}

/** Seeds of other makers. */
const foreign: Partial<Record<CompressionMethod, readonly Buffer[]>> = {
  gzip: [gzipSync(sampleBytes(400), { level: 0 }), Buffer.from("1f8b08080000000000036e616d6500cb48cdc9c9070086a6103605000000", "hex")],
  // Frames of the public tools: without a content size, with a checksum, a skippable one.
  zstd: [Buffer.from("28b52ffd045829000068656c6c6f0a", "hex"), Buffer.from("502a4d180400000001020304", "hex"), Buffer.from("28b52ffd2000010000", "hex")],
  lz4: [Buffer.from("04224d186040820600008068656c6c6f0a00000000", "hex"), Buffer.from("502a4d180400000001020304", "hex")],
};

const words: Partial<Record<CompressionMethod, readonly Buffer[]>> = {
  gzip: [Buffer.from("1f8b0800000000000003", "hex"), Buffer.from("0300000000000000000000", "hex")],
  zstd: [Buffer.from("28b52ffd", "hex"), Buffer.from("010000", "hex"), Buffer.from("502a4d18ffffffff", "hex"), Buffer.from([0, 0, 0])],
  lz4: [Buffer.from("04224d18", "hex"), Buffer.from("00000000", "hex"), Buffer.from("ffffffff", "hex"), Buffer.from("0100008000", "hex")],
  bzip2: [Buffer.from("BZh9"), Buffer.from("314159265359", "hex"), Buffer.from("17724538509000000000", "hex")],
};

/** Of so many inputs one may start a command, which takes as long as a hundred of the others. */
const commandOnceIn = 24;
const zstdMagic = Buffer.from("28b52ffd", "hex");

/**
 * Frames of zstd that state more plain bytes than are decoded in memory state less: each of them starts a command, and nothing
 * behind their header reaches the decoder.
 */
function stateLess(input: Buffer): Buffer {
  const repaired = Buffer.from(input);
  for (let at = repaired.indexOf(zstdMagic); at >= 0; at = repaired.indexOf(zstdMagic, at + 1)) {
    const stated = statedSize(repaired.subarray(at));
    if (stated !== undefined && stated.size > FRAME_LIMIT) repaired.fill(0, at + stated.from + 2, at + stated.to);
  }
  return repaired;
}

/** The content size that a frame states and where it stands. */
function statedSize(frame: Buffer): { readonly size: number; readonly from: number; readonly to: number } | undefined {
  try {
    const header = readZstdHeader((offset) => frame[offset] ?? 0, frame.length);
    if ("need" in header || header.plainSize === undefined) return undefined;
    const length = [1, 2, 4, 8][(frame[4] ?? 0) >> 6] ?? 0;
    return { size: header.plainSize, from: header.headerLength - length, to: header.headerLength };
  } catch (error) {
    // A header that is refused as it is stays as it is.
    if (error instanceof MonetaError) return undefined;
    throw error;
  }
}

function decoderTarget(method: CompressionMethod, cost: number, allocation: number): FuzzTarget {
  return {
    name: method,
    cost,
    allocation,
    atOnce: 8,
    leavesBuffers: true,
    async open() {
      const units = await unitsOf(method);
      const large = [await largeUnit(method)];
      const corpus = [...units, Buffer.concat(units), ...(foreign[method] ?? [])];
      const borders = units.reduce<number[]>((sums, { length }) => [...sums, (sums.at(-1) ?? 0) + length], [0]);
      const whole = Buffer.concat(units);
      return {
        corpus,
        large,
        words: words[method] ?? [],
        ...(method === "zstd" ? { repair: stateLess, unrepaired: commandOnceIn } : {}),
        async run(input, random) {
          const most = 64 * 1024 * 1024;
          const one = await decoded(method, [input], most);
          mustEqual(await decoded(method, cutSeldom(input, random), most), one, "it decodes to the same however the input is cut");
          if (input.length < whole.length && whole.subarray(0, input.length).equals(input)) {
            mustHold(borders.slice(1).includes(input.length) === /^[0-9]/.test(one), "a stream that was cut within a unit is refused");
          }
          return /^[0-9]/.test(one) ? undefined : one;
        },
      };
    },
  };
}

export const gzipTarget = decoderTarget("gzip", 16, 2 * 1024 * 1024);
export const zstdTarget = decoderTarget("zstd", 16, 40 * 1024 * 1024);
export const lz4Target = decoderTarget("lz4", 16, 40 * 1024 * 1024);
export const bzip2Target = decoderTarget("bzip2", 64, 48 * 1024 * 1024);

interface Stored {
  readonly bytes: Buffer;
  readonly chunks: readonly ChunkEntry[];
}

function sealed(units: readonly Buffer[], lengths: readonly Buffer[]): Stored {
  const sealer = createSealer("aes-256-gcm", sampleDataKey);
  const frames = units.map((unit, index) => sealer.seal(unit, index === units.length - 1));
  return {
    bytes: Buffer.concat([sealer.header(), ...frames]),
    chunks: frames.map((frame, index) => ({ stored: frame.length, plain: lengths[index]?.length ?? 0, crc32c: crc32c(lengths[index] ?? Buffer.alloc(0)) })),
  };
}

async function stored(input: Buffer, name: string, chunks: readonly ChunkEntry[] | undefined): Promise<string> {
  const pieces: Buffer[] = [];
  const measures = await readStoredFile({ source: readerOf(input, name), keys: keyRing, chunks, hash: "sha256", concurrency: 2 }, async (piece, offset) => {
    mustHold(offset === pieces.reduce((sum, { length }) => sum + length, 0), "pieces follow each other");
    pieces.push(piece);
  });
  const plain = Buffer.concat(pieces);
  mustHold(measures.plainSize === plain.length && measures.plainDigest === createHash("sha256").update(plain).digest("hex"), "what is measured is what was given");
  return plain.toString("latin1");
}

/** Walks the frames of a container and seals the last one anew is not possible without the key: the key is ours here. */
export const containerTarget: FuzzTarget = {
  name: "encryption-container",
  cost: 16,
  allocation: 8 * 1024 * 1024,
  atOnce: 8,
  async open() {
    const filled = plains.filter(({ length }) => length > 0);
    const raw = sealed(filled, filled);
    const units = (await unitsOf("zstd")).filter((_unit, index) => (plains[index]?.length ?? 0) > 0);
    const packed = sealed(units, filled);
    const empty = sealed([Buffer.alloc(0)], [Buffer.alloc(0)]);
    const good = new Map([[raw, Buffer.concat(filled).toString("latin1")], [packed, Buffer.concat(filled).toString("latin1")], [empty, ""]]);
    return {
      corpus: [raw.bytes, packed.bytes, empty.bytes],
      words: [Buffer.from("MONETA\0E\x01\x01", "latin1"), Buffer.from([0x80, 0, 0, 16]), Buffer.from([0, 0x40, 0, 0])],
      // What is sealed by somebody who has the key, but is no unit of the compression.
      generate: (random: Random) => {
        const damaged = units.map((unit) => {
          const copy = Buffer.from(unit);
          if (random.once(2)) copy[random.below(copy.length)] = random.below(256);
          const plausible = random.once(commandOnceIn) ? copy : stateLess(copy);
          return random.once(6) ? plausible.subarray(0, random.below(plausible.length)) : plausible;
        });
        return sealed(damaged, filled).bytes;
      },
      async run(input, random) {
        const name = random.once(2) ? "f.zstd.aes" : "f.aes";
        const known = [raw, packed, empty].find(({ bytes }) => bytes.equals(input));
        const chunks = random.once(3) ? (name === "f.aes" ? raw : packed).chunks : undefined;
        const text = await stored(input, name, chunks);
        // The generator seals with the key, so that what it makes is authentic; of the rest only the originals are.
        const original = known !== undefined || ![raw, packed, empty].some(({ bytes }) => bytes.subarray(0, 60).equals(input.subarray(0, 60)));
        mustHold(original, "a container that was changed is refused");
        if (known !== undefined && known !== packed && name === "f.aes") mustEqual(text, good.get(known), "a container gives what was sealed");
        return undefined;
      },
    };
  },
};
