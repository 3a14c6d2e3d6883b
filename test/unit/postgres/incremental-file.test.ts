import { describe, expect, test } from "vitest";
import { incrementalHeaderLength, parseIncrementalHeader, pathOfIncremental } from "../../../src/postgres/index.ts";

const blockSize = 8192;

function header(truncation: number, blocks: readonly number[], length: number): Buffer {
  const bytes = Buffer.alloc(length);
  [0xd3ae1f0d, blocks.length, truncation, ...blocks].forEach((word, at) => bytes.writeUInt32LE(word, at * 4));
  return bytes;
}

describe("the header of an incremental file", () => {
  test("is as long as its block numbers, in whole pages when blocks follow", () => {
    expect(incrementalHeaderLength(header(7, [], 12), 12, blockSize, "f")).toBe(12);
    // As PostgreSQL's own tools never write it, and others may.
    expect(incrementalHeaderLength(header(7, [], 12), blockSize, blockSize, "f")).toBe(blockSize);
    expect(incrementalHeaderLength(header(7, [3], 16), 2 * blockSize, blockSize, "f")).toBe(blockSize);
    const many = Array.from({ length: 2046 }, (_, at) => at);
    expect(incrementalHeaderLength(header(7, many, 8196), 2 * blockSize + 2046 * blockSize, blockSize, "f")).toBe(2 * blockSize);
  });

  test("says how long the whole file is: to the truncation, or to the last block", () => {
    expect(parseIncrementalHeader(header(7, [], 12), "f")).toMatchObject({ truncationBlocks: 7, fileBlocks: 7 });
    const read = parseIncrementalHeader(header(2, [1, 8], blockSize), "f");
    expect(read).toMatchObject({ length: blockSize, truncationBlocks: 2, fileBlocks: 9 });
    expect([...read.blocks]).toEqual([1, 8]);
  });

  test.each([
    ["is cut", () => incrementalHeaderLength(Buffer.alloc(11), 11, blockSize, "base/1/INCREMENTAL.1259")],
    ["is another file", () => incrementalHeaderLength(Buffer.alloc(12), 12, blockSize, "base/1/INCREMENTAL.1259")],
    ["has another size", () => incrementalHeaderLength(header(7, [3], 16), 2 * blockSize - 1, blockSize, "base/1/INCREMENTAL.1259")],
    ["has bytes behind its end", () => incrementalHeaderLength(header(7, [], 12), 13, blockSize, "base/1/INCREMENTAL.1259")],
    ["names a block twice", () => parseIncrementalHeader(header(7, [3, 3], blockSize), "base/1/INCREMENTAL.1259")],
    ["names blocks in disorder", () => parseIncrementalHeader(header(7, [3, 2], blockSize), "base/1/INCREMENTAL.1259")],
  ])("is refused with the name of the file when it %s", (_, read) => {
    expect(read).toThrow(/base\/1\/INCREMENTAL\.1259 is no incremental file/);
  });
});

test("the name of an incremental file is that of the whole one with a word before it", () => {
  expect(pathOfIncremental("base/1/INCREMENTAL.1259")).toBe("base/1/1259");
  expect(pathOfIncremental("INCREMENTAL.1259")).toBe("1259");
  expect(pathOfIncremental("base/1/1259")).toBeUndefined();
  expect(pathOfIncremental("INCREMENTAL.d/1259")).toBeUndefined();
});
