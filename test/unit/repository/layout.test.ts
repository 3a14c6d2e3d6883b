import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pathFromBytes, pathToBytes } from "../../../src/postgres/index.ts";
import { repositoryErrors, serverLayout, tablespaceDirectory, tablespaceName } from "../../../src/repository/index.ts";

test("the tree of a server is pgmoneta's, with ours beside it", () => {
  const layout = serverLayout("primary");
  expect(layout.backup("20261120090138")).toBe("primary/backup/20261120090138");
  expect(layout.backupFile("20261120090138", "backup.info")).toBe("primary/backup/20261120090138/backup.info");
  expect(layout.walFile("000000010000000000000001.zstd")).toBe("primary/wal/000000010000000000000001.zstd");
  expect(layout.walIndexFile("0000000A000000FF00000001")).toBe("primary/wal_index/0000000A000000FF.jsonl");
  expect(layout.walGaps).toBe("primary/wal_gaps.json");
  expect(layout.walCoverage).toBe("primary/wal_coverage.json");
  expect(layout.keyFile("ab".repeat(16))).toBe(`primary/keys/${"ab".repeat(16)}.key`);
});

test("names that are not one directory are refused", () => {
  for (const name of ["", ".", "..", ".hidden", "a/b", "/", "a\0"]) {
    expect(() => serverLayout(name), JSON.stringify(name)).toThrow();
    expect(() => serverLayout("primary").backup(name), JSON.stringify(name)).toThrow();
    try {
      serverLayout(name);
    } catch (error) {
      expect(error).toSatisfy(repositoryErrors.nameRefused.is);
    }
  }
});

describe("the directory of a tablespace", () => {
  test.each([
    ["fast", "tblspc_fast"],
    ["Größe", "tblspc_Größe"],
    [".hidden", "tblspc_.hidden"],
    ["a/b", "tblspc_a%2Fb"],
    ["100%", "tblspc_100%25"],
    ["two words\n", "tblspc_two%20words%0A"],
    ["%2F", "tblspc_%252F"],
    [pathFromBytes(Buffer.from([0x61, 0xff, 0x80])), "tblspc_a%FF%80"],
    ["\u0085", "tblspc_%C2%85"],
  ])("of %j is %j, and back", (name, directory) => {
    expect(tablespaceDirectory(name)).toBe(directory);
    expect(tablespaceName(directory)).toBe(name);
  });

  test("is one name that a file system takes, and stands for one tablespace only", () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 63 })
      .map((bytes) => pathFromBytes(bytes.map((byte) => (byte === 0 ? 1 : byte))));
    fc.assert(
      fc.property(name, (tablespace) => {
        const directory = tablespaceDirectory(tablespace);
        expect(directory).not.toMatch(/[/\0\n]/);
        expect(pathToBytes(directory).length).toBeLessThanOrEqual(255);
        expect(Buffer.from(directory, "utf8")).toEqual(pathToBytes(directory));
        expect(tablespaceName(directory)).toBe(tablespace);
      }),
      { numRuns: 500 },
    );
  });

  test("is not every directory", () => {
    for (const directory of ["data", "tblspc", "tblspc_%", "tblspc_%2", "tblspc_%zz", "tblspc_%2f"])
      expect(tablespaceName(directory), directory).toBeUndefined();
  });
});
