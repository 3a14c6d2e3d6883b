/** The walker over LZ4 frames, and XXH32 against published values and the frames of the library. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { compressionErrors, openCompressor } from "../../../src/compression/index.ts";
import { loadLz4 } from "../../../src/compression/lz4.ts";
import { measureLz4Frame } from "../../../src/compression/lz4-frame.ts";
import { createXxhash32, xxhash32 } from "../../../src/compression/xxhash32.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";

const LIMIT = 1 << 26;
const measure = (bytes: Uint8Array, available = bytes.length): ReturnType<typeof measureLz4Frame> =>
  measureLz4Frame((offset) => bytes[offset] ?? 0, available, LIMIT);

describe("XXH32", () => {
  // Values of the reference implementation with seed 0.
  test.each([
    ["", 0x02cc5d05],
    ["a", 0x550d7456],
    ["abc", 0x32d153ff],
    ["abcdefghijklmnopqrstuvwxyz", 0x63a14d5f],
    ["Nobody inspects the spammish repetition", 0xe2293b2f],
  ])("of %j", (text, value) => {
    expect(xxhash32(Buffer.from(text))).toBe(value);
  });

  test("is the checksum that the library puts behind its frames", async () => {
    for (const size of [1, 15, 16, 17, 1000, 70_001]) {
      const plain = sampleBytes(size);
      const frame = await (await openCompressor("lz4")).compress(plain);
      expect(Buffer.from(frame).readUInt32LE(frame.length - 4)).toBe(xxhash32(plain));
    }
  });

  test("does not depend on how its input is split", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(40), { maxLength: 20 }), (bytes, cuts) => {
        const hash = createXxhash32();
        let offset = 0;
        for (const cut of cuts) {
          hash.update(bytes.subarray(offset, offset + cut));
          offset += cut;
        }
        hash.update(bytes.subarray(offset));
        expect(hash.digest()).toBe(xxhash32(bytes));
      }),
    );
  });
});

describe("measuring a frame", () => {
  test("asks for more until the last byte is there, and knows where the frame ends", async () => {
    const frame = Buffer.from(await (await openCompressor("lz4")).compress(sampleBytes(5000)));
    for (let available = 0; available < frame.length; available++) {
      const result = measure(frame, available);
      expect(result.kind).toBe("need");
      if (result.kind === "need") expect(result.bytes).toBeLessThanOrEqual(frame.length);
    }
    expect(measure(Buffer.concat([frame, frame]))).toMatchObject({ kind: "frame", length: frame.length });
  });

  test("notices every changed bit of the header", async () => {
    const frame = Buffer.from(await (await openCompressor("lz4")).compress(sampleBytes(5000)));
    for (let bit = 0; bit < 7 * 8; bit++) {
      const changed = Buffer.from(frame);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => {
        const result = measure(changed);
        // A changed magic number may be that of a skippable frame, which no decoder takes for data.
        if (result.kind !== "skippable") throw compressionErrors.failed(`accepted bit ${bit}`);
        throw compressionErrors.damaged("skipped");
      }).toThrow(expect.objectContaining({ code: compressionErrors.damaged.spec.code }));
    }
  });

  test("refuses the legacy format by name", () => {
    expect(() => measure(Buffer.from([0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0]))).toThrow("legacy");
  });
});

describe("the traps of the library", () => {
  test("it accepts a frame without its end, which our compressor does not", async () => {
    const library = await loadLz4();
    const plain = sampleBytes(5000);
    const frame = await library.compressFrame(plain, { contentChecksum: true });
    const headless = frame.subarray(0, frame.length - 8);
    expect(library.decompressFrameSync(headless).length).toBe(5000);
    await expect((await openCompressor("lz4")).decompress(headless, 5000)).rejects.toSatisfy(
      compressionErrors.damaged.is,
    );
  });

  test("it decodes only the first of several frames, which our compressor refuses", async () => {
    const library = await loadLz4();
    const frame = await library.compressFrame(sampleBytes(5000), { contentChecksum: true });
    expect(library.decompressFrameSync(Buffer.concat([frame, frame])).length).toBe(5000);
    await expect((await openCompressor("lz4")).decompress(Buffer.concat([frame, frame]), 5000)).rejects.toSatisfy(
      compressionErrors.damaged.is,
    );
  });
});
