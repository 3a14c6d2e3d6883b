/** What is said of tablespaces that came without a file. */
import { describe, expect, it } from "vitest";
import { refuseEmptyTablespaces, refuseLeftOut, refuseRelative } from "../../../src/backup/empty-tablespaces.ts";

const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;

describe("a tablespace that came empty", () => {
  const empty = [{ oid: 16400, location: "/mnt/fast" }];
  const present = (oid: number) => [{ oid, name: "fast", location: "/mnt/fast", inPlace: false }];

  it("is accepted only when the server no longer has it: one made anew in its place has another OID", () => {
    expect(() => refuseEmptyTablespaces(empty, [])).not.toThrow();
    expect(() => refuseEmptyTablespaces(empty, present(16401))).not.toThrow();
    expect(() => refuseEmptyTablespaces(empty, present(16400))).toThrow(code("BACKUP_MISMATCH"));
  });

  it("is refused when the server cannot be asked", () => {
    expect(() => refuseEmptyTablespaces(empty, undefined)).toThrow(code("BACKUP_MISMATCH"));
  });
});

it("a tablespace that the server did not name is accepted only when the server no longer has it", () => {
  const leftOut = [{ oid: 16400, name: "fast" }];
  expect(() => refuseLeftOut(leftOut, [])).not.toThrow();
  expect(() => refuseLeftOut(leftOut, [{ oid: 16401, name: "fast" }])).not.toThrow();
  expect(() => refuseLeftOut(leftOut, leftOut)).toThrow(code("BACKUP_MISMATCH"));
  expect(() => refuseLeftOut(leftOut, undefined)).toThrow(code("BACKUP_MISMATCH"));
});

it("a relative location is refused unless it is the tablespace's own place in the data directory", () => {
  expect(() => refuseRelative(16400, "/mnt/fast")).not.toThrow();
  expect(() => refuseRelative(16400, "pg_tblspc/16400")).not.toThrow();
  expect(() => refuseRelative(16400, "../../fast")).toThrow(code("BACKUP_MISMATCH"));
  expect(() => refuseRelative(16400, "pg_tblspc/16401")).toThrow(code("BACKUP_MISMATCH"));
});
