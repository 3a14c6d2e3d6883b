/** Specification and suffix stand for each other. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { compressionMethods } from "../../../src/compression/index.ts";
import { specFromName, suffixOf } from "../../../src/pipeline/index.ts";

const specs = compressionMethods.flatMap((compression) =>
  ([false, true] as const).map((encrypted) => ({
    compression,
    encrypted,
    encryption: encrypted ? ("aes-256-gcm" as const) : ("none" as const),
  })),
);

describe("suffixes", () => {
  test("are pgmoneta's", () => {
    expect(specs.map(suffixOf)).toEqual([
      "",
      ".aes",
      ".gz",
      ".gz.aes",
      ".zstd",
      ".zstd.aes",
      ".lz4",
      ".lz4.aes",
      ".bz2",
      ".bz2.aes",
    ]);
  });

  test("differ for different specifications", () => {
    expect(new Set(specs.map(suffixOf)).size).toBe(specs.length);
  });

  test("and names give each other back, for every name that does not end like a suffix itself", () => {
    const names = fc.string({ minLength: 1 }).filter((name) => !/\.(gz|zstd|lz4|bz2|aes)$/.test(name));
    fc.assert(
      fc.property(names, fc.constantFrom(...specs), (plainName, spec) => {
        const { compression, encrypted } = spec;
        expect(specFromName(plainName + suffixOf(spec))).toEqual({ plainName, compression, encrypted });
      }),
    );
  });

  test("are taken off once, and never all of a name", () => {
    expect(specFromName("a.gz.gz")).toEqual({ plainName: "a.gz", compression: "gzip", encrypted: false });
    expect(specFromName("a.aes.gz")).toEqual({ plainName: "a.aes", compression: "gzip", encrypted: false });
    expect(specFromName(".aes")).toEqual({ plainName: ".aes", compression: "none", encrypted: false });
    expect(specFromName(".gz.aes")).toEqual({ plainName: ".gz", compression: "none", encrypted: true });
  });
});
