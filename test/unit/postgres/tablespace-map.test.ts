import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTablespaceMap, parseTablespaceMap, pathFromBytes } from "../../../src/postgres/index.ts";

const anyPath = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .filter((bytes) => !bytes.includes(0))
  .map(pathFromBytes);
const anyMap = fc.uniqueArray(fc.record({ oid: fc.integer({ min: 1, max: 0xffff_ffff }), path: anyPath }), {
  selector: (entry) => entry.oid,
  maxLength: 6,
});

describe("tablespace_map", () => {
  it("is read with its escapes", () => {
    expect(parseTablespaceMap("16384 /srv/a b\n16385 /srv/line\\\nend\\\\x\\\ry\n")).toEqual([
      { oid: 16384, path: "/srv/a b" },
      { oid: 16385, path: "/srv/line\nend\\x\ry" },
    ]);
  });

  it("is written as PostgreSQL writes it", () => {
    expect(formatTablespaceMap([{ oid: 16385, path: " /srv/line\nend\\" }]).toString()).toBe(
      "16385  /srv/line\\\nend\\\\\n",
    );
    expect(formatTablespaceMap([])).toHaveLength(0);
    expect(parseTablespaceMap("")).toEqual([]);
  });

  it("survives writing and reading, whatever bytes the paths have", () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        expect(parseTablespaceMap(formatTablespaceMap(map))).toEqual(map);
      }),
    );
  });

  it("has one form for a path, also where a backslash stands within a character", () => {
    const [entry] = parseTablespaceMap(Buffer.from("4 \xe8\\\xa4\xb9\n", "latin1"));
    expect(entry).toEqual({ oid: 4, path: Buffer.from([0xe8, 0xa4, 0xb9]).toString("utf8") });
  });

  it("cut anywhere is refused or ends with a whole line", () => {
    fc.assert(
      fc.property(anyMap, fc.nat(200), (map, length) => {
        const written = formatTablespaceMap(map);
        let read: unknown[] | undefined;
        try {
          read = parseTablespaceMap(written.subarray(0, length));
        } catch (error) {
          expect(error).toMatchObject({ code: "TABLESPACE_MAP_DAMAGED" });
          return;
        }
        expect(map.slice(0, read.length)).toEqual(read);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    "16384\n",
    "16384 \n",
    "x /srv\n",
    " /srv\n",
    "0 /srv\n",
    "99999999999 /srv\n",
    "1 /a\n1 /b\n",
    "1 /a",
    "1 /a\\\n",
    "1 /a\0\n",
  ])("refuses %j", (text) => {
    expect(() => parseTablespaceMap(text)).toThrow(expect.objectContaining({ code: "TABLESPACE_MAP_DAMAGED" }));
  });

  it("is not written with a path that no directory can have", () => {
    for (const entry of [
      { oid: 1, path: "" },
      { oid: 1, path: "a\0" },
      { oid: 0, path: "/a" },
    ]) {
      expect(() => formatTablespaceMap([entry])).toThrow(expect.objectContaining({ code: "TABLESPACE_MAP_DAMAGED" }));
    }
  });
});
