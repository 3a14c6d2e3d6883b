/** The walker over zstd frames (RFC 8878), and the trap of the library that writes no content size. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { compressionErrors, openCompressor } from "../../../src/compression/index.ts";
import { packagedZstd } from "../../../src/compression/zstd.ts";
import { type FrameMeasure, measureZstdFrame, stateContentSize } from "../../../src/compression/zstd-frame.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";

const LIMIT = 1 << 26;

function measure(bytes: Uint8Array, available = bytes.length, limit = LIMIT): FrameMeasure {
  const at = (offset: number): number => {
    expect(offset, "asks only for what is there").toBeLessThan(available);
    return bytes[offset] ?? 0;
  };
  return measureZstdFrame(at, available, limit);
}

async function frameOf(plain: Buffer): Promise<Buffer> {
  return Buffer.from(await (await openCompressor("zstd")).compress(plain));
}

/** Magic, then a header without window descriptor and one byte of content size, then raw blocks. */
function rawFrame(content: Buffer, blockSizes: readonly number[]): Buffer {
  const blocks = blockSizes.map((size, index) => {
    const word = Buffer.alloc(3);
    word.writeUIntLE((size << 3) | (index === blockSizes.length - 1 ? 1 : 0), 0, 3);
    const from = blockSizes.slice(0, index).reduce((sum, each) => sum + each, 0);
    return Buffer.concat([word, content.subarray(from, from + size)]);
  });
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, content.length]), ...blocks]);
}

describe("measuring a frame", () => {
  test("asks for more until the last byte is there, and never for more than the frame has", async () => {
    const frame = await frameOf(sampleBytes(300_000));
    const followed = Buffer.concat([frame, frame]);
    for (let available = 0; available < frame.length; available += available < 40 ? 1 : 997) {
      const result = measure(followed, available);
      expect(result.kind).toBe("need");
      if (result.kind === "need") {
        expect(result.bytes).toBeGreaterThan(available);
        expect(result.bytes).toBeLessThanOrEqual(frame.length);
      }
    }
    expect(measure(followed, frame.length)).toEqual({
      kind: "frame",
      length: frame.length,
      plainSize: 300_000,
      plainBound: 300_000,
    });
    expect(measure(followed)).toMatchObject({ kind: "frame", length: frame.length });
  });

  test("reads every width of the content size", () => {
    expect(measure(rawFrame(Buffer.from("hello"), [2, 3]))).toEqual({
      kind: "frame",
      length: 17,
      plainSize: 5,
      plainBound: 5,
    });
    // Flag 1: two bytes, from 256 on.
    const two = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x2c, 0x00, 0x63, 0x09, 0x00, 0x61]);
    expect(measure(two)).toMatchObject({ kind: "frame", plainSize: 256 + 0x2c, length: two.length });
    // Flag 3: eight bytes; beyond the limit it is not even looked at further.
    const eight = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0]);
    expect(measure(eight)).toEqual({ kind: "large" });
  });

  test("bounds what a frame without content size can hold by its blocks", () => {
    // Window of 1 MiB, then blocks of one repeated byte, 128 KiB plain each: the shortest way to much memory.
    const bomb = Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50]),
      ...Array.from({ length: 1000 }, () => Buffer.from([0x02, 0x00, 0x10, 0x61])),
      Buffer.from([0x03, 0x00, 0x10, 0x61]),
    ]);
    expect(measure(bomb)).toMatchObject({ kind: "large" });
    expect(measure(bomb, bomb.length, 1 << 30)).toMatchObject({
      kind: "frame",
      plainSize: undefined,
      plainBound: 1001 * 131_072,
    });
  });

  test("tells skippable frames with their length", () => {
    expect(measure(Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 1, 0, 0]))).toEqual({ kind: "skippable", length: 8 + 259 });
  });

  test("refuses foreign magic, reserved bits, dictionaries and reserved block types", () => {
    const good = rawFrame(Buffer.from("hello"), [5]);
    const changed = (offset: number, value: number): Buffer => {
      const copy = Buffer.from(good);
      copy[offset] = value;
      return copy;
    };
    for (const bad of [
      changed(0, 0x29),
      changed(4, 0x28),
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 5, 0x29, 0, 0]),
      changed(6, 0x2f),
      changed(8, 0xff),
    ]) {
      expect(() => measure(bad)).toThrow(expect.objectContaining({ code: compressionErrors.damaged.spec.code }));
    }
  });

  test("never fails otherwise, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (tail) => {
        try {
          measure(Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), tail]));
        } catch (error) {
          expect(error).toSatisfy(compressionErrors.damaged.is);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("the packaged library", () => {
  test("honours the level through its inner entry, which the public one drops", async () => {
    const library = packagedZstd();
    const plain = sampleBytes(200_000);
    const [fast, strong] = [await library.compress(plain, 1), await library.compress(plain, 19)];
    expect(strong.length).toBeLessThan(fast.length * 0.98);
  });

  test("gets the content size into its header, for every size", async () => {
    const library = packagedZstd();
    for (const size of [0, 1, 255, 256, 65_791, 65_792, 1_048_576]) {
      const frame = await library.compress(sampleBytes(size), 3);
      expect(measure(frame)).toMatchObject({ kind: "frame", length: frame.length, plainSize: size });
      expect((await library.decompress(frame, size)).length).toBe(size);
      expect(stateContentSize(frame, size)).toBe(frame);
    }
  });
});
