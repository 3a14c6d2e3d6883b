import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { manifestPath, nameTablespaces, storedPath } from "../../../src/backup/backup-paths.ts";

const tablespace = (oid: number, name: string) => ({ oid, name, location: `/t/${oid}`, inPlace: false });

describe("the two names of a file", () => {
  it("lead to each other, for any tablespace names and paths", () => {
    const path = fc.string({ minLength: 1, maxLength: 20, unit: "binary" }).filter((text) => !text.startsWith("/"));
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 30, unit: "binary" }), { maxLength: 6 });
    fc.assert(
      fc.property(names, path, (list, relative) => {
        const tablespaces = nameTablespaces(list.map((name, i) => tablespace(16384 + i, name)));
        expect(manifestPath(storedPath(relative, undefined, tablespaces), tablespaces.oidOf)).toBe(relative);
        for (let oid = 16384; oid < 16384 + list.length + 2; oid += 1) {
          const stored = storedPath(relative, oid, tablespaces);
          expect(stored.split("/")[0]).toMatch(/^tblspc_/);
          expect(manifestPath(stored, tablespaces.oidOf)).toBe(`pg_tblspc/${oid}/${relative}`);
        }
      }),
    );
  });

  it("a tablespace without a known name is called by its OID, also when another one has that number for a name", () => {
    const tablespaces = nameTablespaces([tablespace(1, "16500"), tablespace(2, "16500_16500")]);
    expect(tablespaces.directoryOf(16500)).toBe("tblspc_16500_16500_16500");
    expect(tablespaces.directoryOf(16500)).toBe("tblspc_16500_16500_16500");
    expect(tablespaces.directoryOf(1)).toBe("tblspc_16500");
    expect(tablespaces.oidOf("tblspc_16500_16500_16500")).toBe(16500);
  });

  it("the files beside the cluster are no part of it", () => {
    expect(manifestPath("backup.info", nameTablespaces([]).oidOf)).toBeUndefined();
    expect(manifestPath("tblspc_unknown/x", nameTablespaces([]).oidOf)).toBeUndefined();
  });
});
