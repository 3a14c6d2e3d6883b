/** Marks at bit positions, and streams made of single blocks. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { loadJavaScriptEngine, loadWasmEngine } from "../../../src/compression/bzip2-engine.ts";
import { findMark, markAt, readBits, requireSingleStream, sliceBits } from "../../../src/compression/bzip2-stream.ts";
import { compressionErrors } from "../../../src/compression/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";

const bitsOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
const blockMark = "001100010100000101011001001001100101001101011001";
const endMark = "000101110111001001000101001110000101000010010000";

function bytesOf(bits: string): Buffer {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "0");
  return Buffer.from((padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

describe("bits", () => {
  test("are read and cut at any position", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), fc.nat(), fc.nat(), (bytes, a, b) => {
        const all = bitsOf(bytes);
        const [from, to] = [a % (all.length + 1), b % (all.length + 1)].sort((x, y) => x - y) as [number, number];
        expect(bitsOf(sliceBits(bytes, from, to))).toBe(bitsOf(bytesOf(all.slice(from, to))));
        const count = Math.min(32, to - from);
        expect(readBits(bytes, from, count)).toBe(count === 0 ? 0 : Number.parseInt(all.slice(from, from + count), 2));
      }),
      { numRuns: 1000 },
    );
  });

  test("marks are found wherever they lie, and nowhere else", () => {
    const noise = fc.array(fc.constantFrom("0", "1"), { maxLength: 90 }).map((bits) => bits.join(""));
    fc.assert(
      fc.property(noise, fc.constantFrom(blockMark, endMark), noise, fc.nat(60), (before, mark, behind, from) => {
        const bits = before + mark + behind;
        const bytes = bytesOf(bits);
        const all = bitsOf(bytes);
        const places = [all.indexOf(blockMark, from), all.indexOf(endMark, from)].filter((place) => place >= 0);
        expect(findMark(bytes, from)).toBe(places.length === 0 ? -1 : Math.min(...places));
        expect(markAt(bytes, before.length)).toBe(mark === blockMark ? "block" : "end");
      }),
      { numRuns: 1000 },
    );
  });
});

describe("one stream", () => {
  test("is what the library wrote, and neither a cut nor an extended nor a second one", async () => {
    const engine = await loadWasmEngine();
    for (const size of [0, 1, 10, 1000, 5001]) {
      const stream = Buffer.from(engine.compress(sampleBytes(size), 9));
      requireSingleStream(stream);
      const bad = [
        stream.subarray(0, -1),
        Buffer.concat([stream, Buffer.of(0)]),
        Buffer.concat([stream, stream]),
        stream.subarray(1),
      ];
      for (const bytes of bad)
        expect(() => requireSingleStream(bytes)).toThrow(
          expect.objectContaining({ code: compressionErrors.damaged.spec.code }),
        );
    }
  });
});

describe("engines", () => {
  test("the fast and the slow one read each other", async () => {
    const [fast, slow] = [await loadWasmEngine(), loadJavaScriptEngine()];
    const plain = sampleBytes(20_000);
    expect(Buffer.compare(slow.decompress(fast.compress(plain, 9), 20_000), plain)).toBe(0);
    expect(Buffer.compare(fast.decompress(slow.compress(plain, 9), 20_000), plain)).toBe(0);
  });

  test("neither gives more bytes than it is allowed", async () => {
    for (const engine of [await loadWasmEngine(), loadJavaScriptEngine()]) {
      const stream = engine.compress(Buffer.alloc(100_000), 1);
      expect(() => engine.decompress(stream, 99_999), engine.name).toThrow("more plain bytes");
      expect(engine.decompress(stream, 100_000).length).toBe(100_000);
    }
  });

  test("the fast one survives errors and changing sizes without losing memory", async () => {
    const engine = await loadWasmEngine();
    const large = sampleBytes(900_000, "noise");
    const stream = engine.compress(large, 9);
    for (let round = 0; round < 60; round++) {
      const damaged = Buffer.from(stream);
      damaged[1000 + round] = (damaged[1000 + round] ?? 0) ^ 1;
      expect(() => engine.decompress(damaged, 900_000)).toThrow(
        expect.objectContaining({ code: compressionErrors.damaged.spec.code }),
      );
      const small = sampleBytes(round * 100, "text", round + 1);
      expect(Buffer.compare(engine.decompress(engine.compress(small, 9), small.length), small)).toBe(0);
    }
    expect(Buffer.compare(engine.decompress(stream, 900_000), large)).toBe(0);
  });
});
