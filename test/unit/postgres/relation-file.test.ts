import { describe, expect, it } from "vitest";
import { isRelationFile, parseRelationPath } from "../../../src/postgres/index.ts";

describe("relation files", () => {
  it.each([
    ["global/1213", { database: 0, node: 1213, fork: "main", segment: 0 }],
    ["global/1213_vm", { database: 0, node: 1213, fork: "vm", segment: 0 }],
    ["base/5/16384", { database: 5, node: 16384, fork: "main", segment: 0 }],
    ["base/5/16384.1", { database: 5, node: 16384, fork: "main", segment: 1 }],
    ["base/5/16384_fsm.12", { database: 5, node: 16384, fork: "fsm", segment: 12 }],
    ["base/5/16384_init", { database: 5, node: 16384, fork: "init", segment: 0 }],
    [
      "pg_tblspc/16400/PG_15_202209061/5/16401.2",
      { tablespace: 16400, database: 5, node: 16401, fork: "main", segment: 2 },
    ],
    ["PG_15_202209061/5/16401", { database: 5, node: 16401, fork: "main", segment: 0 }],
    ["PG_9.6_201608131/5/16401", { database: 5, node: 16401, fork: "main", segment: 0 }],
    ["base/5/4294967295", { database: 5, node: 4294967295, fork: "main", segment: 0 }],
  ])("are known by their path: %s", (path, expected) => {
    expect(parseRelationPath(path)).toEqual(expected);
  });

  it.each([
    "global/pg_control",
    "global/pg_filenode.map",
    "global/pg_internal.init",
    "base/5/PG_VERSION",
    "base/5/pg_filenode.map",
    "base/5/INCREMENTAL.16384",
    "base/5/t3_16384",
    "base/5/16384_new",
    "base/5/16384.0",
    "base/5/16384.01",
    "base/5/16384.",
    "base/5/016384",
    "base/5/0",
    "base/5/4294967296",
    "base/5/16384.tmp",
    "base/5/16384\n",
    "base/16384",
    "base/pgsql_tmp/16384",
    "base/5/x/16384",
    "x/base/5/16384",
    "16384",
    "pg_xact/0000",
    "pg_multixact/members/0000",
    "pg_wal/000000010000000000000001",
    "pg_tblspc/16400/16401",
    "pg_tblspc/x/PG_15_202209061/5/16401",
    "PG_15/5/16401",
    "PG_15_202209061/16401",
    "global/5/16384",
    "",
  ])("are not: %j", (path) => {
    expect(isRelationFile(path)).toBe(false);
  });
});
