import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFileSum, manifestCrc, nameDifferences, type CheckedFile } from "../../../src/backup/manifest-check.ts";
import { manifestCrc32c, pathFromBytes } from "../../../src/postgres/index.ts";

const sumOf = (files: readonly CheckedFile[]) => {
  const sum = createFileSum();
  for (const file of files) sum.add(file);
  return sum;
};

const file = fc.record({
  path: fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => pathFromBytes(Buffer.from(bytes))),
  size: fc.nat(),
  crc32c: fc.nat({ max: 0xffff_ffff }),
});
const files = fc.uniqueArray(file, { selector: ({ path }) => path, minLength: 1, maxLength: 40 });

const listsOf = (expected: readonly CheckedFile[], found: readonly CheckedFile[]) => ({
  expected: async (onFile: (file: CheckedFile) => void) => expected.forEach(onFile),
  found: async (onFile: (file: CheckedFile) => void) => found.forEach(onFile),
});

describe("the sum of a list of files", () => {
  it("is that of the same files in any order", () => {
    fc.assert(
      fc.property(
        files.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => sumOf(list).equals(sumOf(shuffled)),
      ),
    );
  });

  it("changes with one path, size or checksum, with one file more and one less", () => {
    fc.assert(
      fc.property(files, fc.nat(), file, (list, at, other) => {
        const index = at % list.length;
        const chosen = list[index] as CheckedFile;
        const whole = sumOf(list);
        const rest = list.filter((_, i) => i !== index);
        expect(whole.equals(sumOf(rest))).toBe(false);
        expect(whole.equals(sumOf([...list, other]))).toBe(false);
        expect(whole.equals(sumOf([...rest, { ...chosen, size: chosen.size + 1 }]))).toBe(false);
        expect(whole.equals(sumOf([...rest, { ...chosen, crc32c: chosen.crc32c ^ 1 }]))).toBe(false);
        expect(whole.equals(sumOf([...rest, { ...chosen, path: `${chosen.path}x` }]))).toBe(false);
      }),
    );
  });

  it("takes names apart that differ only in bytes that are no text", () => {
    const one = { path: pathFromBytes(Buffer.from([0x61, 0xff])), size: 1, crc32c: 1 };
    const other = { path: pathFromBytes(Buffer.from([0x61, 0xfe])), size: 1, crc32c: 1 };
    expect(sumOf([one]).equals(sumOf([other]))).toBe(false);
  });

  it("is no fixed point: a file twice is not a file once, nor nothing", () => {
    const one = { path: "a", size: 1, crc32c: 1 };
    expect(sumOf([one, one]).equals(sumOf([one]))).toBe(false);
    expect(sumOf([one, one]).equals(sumOf([]))).toBe(false);
  });
});

describe("the differences of two lists", () => {
  const list = [1, 2, 3, 4].map((n) => ({ path: `base/${n}`, size: n, crc32c: n }));

  it("are named: missing, additional, of another size, of other content", async () => {
    const found = [list[0], { path: "base/2", size: 9, crc32c: 2 }, { path: "base/3", size: 3, crc32c: 8 }, { path: "evil", size: 0, crc32c: 0 }];
    const differences = await nameDifferences(listsOf(list, found as CheckedFile[]), 4);
    expect(differences.sort()).toEqual([
      '"base/2" has 9 bytes instead of 2',
      '"base/3" has other content than the server sent',
      '"base/4" did not arrive',
      '"evil" is not in the server\'s manifest',
    ]);
  });

  it("are found in portions as well, and at most ten are named", async () => {
    const many = Array.from({ length: 300 }, (_, n) => ({ path: `base/${n}`, size: n, crc32c: n }));
    expect(await nameDifferences(listsOf(many, many.slice(1)), 200_000)).toEqual(['"base/0" did not arrive']);
    expect(await nameDifferences(listsOf(many, []), 200_000)).toHaveLength(10);
    expect(await nameDifferences(listsOf(many, many), 200_000)).toEqual([]);
  });
});

it("the checksum of a manifest is read as PostgreSQL writes it, and nothing else is taken for one", () => {
  fc.assert(
    fc.property(fc.nat({ max: 0xffff_ffff }), (crc) => {
      expect(manifestCrc({ path: "a", size: 1, checksumAlgorithm: "CRC32C", checksum: manifestCrc32c(crc) })).toBe(crc);
    }),
  );
  expect(() => manifestCrc({ path: "a", size: 1 })).toThrow(/no CRC-32C for "a"/);
  expect(() => manifestCrc({ path: "a", size: 1, checksumAlgorithm: "SHA256", checksum: "00".repeat(32) })).toThrow(/no CRC-32C/);
});
