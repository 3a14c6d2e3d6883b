/** A library is believed only after it has shown that it does what it promises. */
import { describe, expect, test } from "vitest";
import { compressionErrors, type Compressor, levelOf, openCompressor } from "../../../src/compression/index.ts";
import { proveCompressor } from "../../../src/compression/registry.ts";

async function liar(lies: Partial<Compressor>): Promise<Compressor> {
  const honest = await openCompressor("zstd");
  return { ...honest, ...lies };
}

describe("the self-test", () => {
  test("passes what is honest", async () => {
    await proveCompressor(await openCompressor("zstd", 3), [await openCompressor("zstd", 1)]);
  });

  test("catches a library that ignores the level", async () => {
    const one = await openCompressor("zstd", 3);
    const three = await openCompressor("zstd", 3);
    await expect(proveCompressor(one, [three])).rejects.toSatisfy(compressionErrors.selfTestFailed.is);
  });

  test("catches a library that accepts cut input", async () => {
    const honest = await openCompressor("zstd");
    const decompress: Compressor["decompress"] = async (frame, length) => {
      const whole = await honest.decompress(frame, length).catch(() => new Uint8Array(length));
      return whole;
    };
    await expect(proveCompressor(await liar({ decompress }))).rejects.toThrow("without its last byte");
  });

  test("catches a library that gives back other bytes", async () => {
    const honest = await openCompressor("zstd");
    const decompress: Compressor["decompress"] = async (frame, length) => {
      const plain = Buffer.from(await honest.decompress(frame, length));
      plain[100] = (plain[100] ?? 0) ^ 1;
      return plain;
    };
    await expect(proveCompressor(await liar({ decompress }))).rejects.toThrow("other bytes");
  });

  test("catches a library that cannot read what it wrote", async () => {
    const compress: Compressor["compress"] = async () => Buffer.from("not a frame");
    await expect(proveCompressor(await liar({ compress }))).rejects.toThrow("does not read back");
  });
});

describe("levels", () => {
  test("are the method's standard when none is given", () => {
    expect([levelOf("gzip", undefined), levelOf("zstd", undefined), levelOf("bzip2", undefined)]).toEqual([6, 3, 9]);
  });

  test("are without effect where the library has none", () => {
    expect(levelOf("lz4", 12)).toBe(0);
    expect(levelOf("none", -3)).toBe(0);
  });

  test("outside the range are refused with the range", () => {
    expect(() => levelOf("gzip", 10)).toThrow("outside the 1 to 9 of gzip");
  });
});
