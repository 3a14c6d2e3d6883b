/** Decoders without an index: any split of the input, every cut, every extension. */
import { afterAll, describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  compressionErrors,
  type CompressionMethod,
  createDecoder,
  openCompressor,
} from "../../../src/compression/index.ts";
import { collect, inPieces, sampleBytes } from "../../support/sample-bytes.ts";

const methods: readonly CompressionMethod[] = ["gzip", "zstd", "lz4", "bzip2"];

async function streamOf(method: CompressionMethod, parts: readonly Buffer[]): Promise<Buffer> {
  const compressor = await openCompressor(method);
  try {
    return Buffer.concat(await Promise.all(parts.map((part) => compressor.compress(part))));
  } finally {
    await compressor.close();
  }
}

const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 11, 0, 0, 0]), Buffer.from("hello world")]);

// Held over the whole file: threads take a while to start.
const pool = openCompressor("bzip2");
afterAll(async () => (await pool).close());

describe.each(methods)("decoder of %s", (method) => {
  const decode = (bytes: Buffer, size: number): Promise<Buffer> =>
    collect(createDecoder(method).decode(inPieces(bytes, size)));

  test("does not care where the input is split", async () => {
    const parts = [
      sampleBytes(700, "text", 1),
      sampleBytes(300, "noise", 2),
      Buffer.alloc(0),
      sampleBytes(900, "zeros"),
    ];
    const stream = await streamOf(method, parts);
    for (const size of [1, 2, 3, 7, 13, 64, stream.length]) {
      expect(Buffer.compare(await decode(stream, size), Buffer.concat(parts)), `pieces of ${size}`).toBe(0);
    }
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: stream.length - 1 }), async (at) => {
        const split = async function* (): AsyncGenerator<Buffer> {
          yield stream.subarray(0, at);
          yield stream.subarray(at);
        };
        expect(Buffer.compare(await collect(createDecoder(method).decode(split())), Buffer.concat(parts))).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test("refuses a stream cut within a frame", async () => {
    const first = await streamOf(method, [sampleBytes(700, "text", 1)]);
    const stream = Buffer.concat([first, await streamOf(method, [sampleBytes(500, "text", 2)])]);
    for (
      let length = 0;
      length < stream.length;
      length += length < first.length + 40 && length > first.length - 40 ? 1 : 17
    ) {
      // Cut between two frames it is a legal stream: what is missing is known to the index and the digests only.
      if (length === first.length) continue;
      await expect(decode(stream.subarray(0, length), 100), `cut to ${length}`).rejects.toSatisfy(
        compressionErrors.damaged.is,
      );
    }
  });

  test("refuses garbage and zeros behind the stream, also in a piece of their own", async () => {
    const stream = await streamOf(method, [sampleBytes(700)]);
    for (const extra of [
      Buffer.alloc(1),
      Buffer.alloc(600),
      Buffer.from("x"),
      sampleBytes(100_000, "noise"),
      Buffer.alloc(3_000_000),
    ]) {
      await expect(decode(Buffer.concat([stream, extra]), 65_536)).rejects.toSatisfy(compressionErrors.damaged.is);
      const apart = async function* (): AsyncGenerator<Buffer> {
        yield stream;
        yield extra;
      };
      await expect(collect(createDecoder(method).decode(apart()))).rejects.toSatisfy(compressionErrors.damaged.is);
    }
  });

  test("passes on the error of its source as it is", async () => {
    const stream = await streamOf(method, [sampleBytes(50_000, "noise")]);
    const broken = new Error("disk on fire");
    const source = async function* (): AsyncGenerator<Buffer> {
      yield stream.subarray(0, 1000);
      throw broken;
    };
    await expect(collect(createDecoder(method).decode(source()))).rejects.toBe(broken);
  });

  test("lets its source go when the receiver stops early", async () => {
    const stream = await streamOf(
      method,
      Array.from({ length: 8 }, (_, index) => sampleBytes(300_000, "noise", index + 1)),
    );
    let closed = false;
    const source = async function* (): AsyncGenerator<Buffer> {
      try {
        yield* inPieces(stream, 10_000);
      } finally {
        closed = true;
      }
    };
    for await (const piece of createDecoder(method).decode(source())) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(true);
  });
});

describe.each(["zstd", "lz4"] as const)("skippable frames in %s", (method) => {
  test("are passed over, also at the ends", async () => {
    const plain = sampleBytes(2000);
    const frame = await streamOf(method, [plain]);
    const stream = Buffer.concat([skippable, frame, skippable, frame, skippable]);
    const decoded = await collect(createDecoder(method).decode(inPieces(stream, 5)));
    expect(Buffer.compare(decoded, Buffer.concat([plain, plain]))).toBe(0);
  });

  test("alone are no data", async () => {
    await expect(collect(createDecoder(method).decode(inPieces(skippable, 5)))).rejects.toSatisfy(
      compressionErrors.damaged.is,
    );
  });
});

test("a changed checksum of a whole bzip2 stream is noticed although every block is sound", async () => {
  const stream = await streamOf("bzip2", [sampleBytes(700)]);
  let noticed = 0;
  // The checksum of the stream ends within the last byte, behind it is padding.
  for (let bit = stream.length * 8 - 40; bit < stream.length * 8; bit++) {
    const changed = Buffer.from(stream);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
    await collect(createDecoder("bzip2").decode(inPieces(changed, 100))).catch((error: unknown) => {
      expect(error).toSatisfy(compressionErrors.damaged.is);
      noticed++;
    });
  }
  expect(noticed).toBe(40);
});
