import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classifyWalFile, historyFileName, partialFileName, timelineId } from "../../../src/postgres/index.ts";

describe("files of a WAL directory", () => {
  it("are told apart by their names", () => {
    const base = "0000000A0000001600000B37";
    expect(classifyWalFile(base)).toEqual({ kind: "segment", timeline: 10, base });
    expect(classifyWalFile(partialFileName(base))).toEqual({ kind: "partial", timeline: 10, base });
    expect(classifyWalFile(historyFileName(timelineId(10)))).toEqual({ kind: "history", timeline: 10 });
    expect(classifyWalFile(`${base}.00000028.backup`)).toEqual({
      kind: "backup-history",
      timeline: 10,
      base,
      offset: 0x28,
    });
  });

  it.each([
    "",
    "archive_status",
    "summaries",
    "00000001.HISTORY",
    "0000001.history",
    "00000000.history",
    "000000000000000000000001",
    "00000000000000000000000a",
    "0000000a000000000000000b",
    "00000001000000000000000",
    "0000000100000000000000011",
    "000000010000000000000001.partial.tmp",
    "000000010000000000000001.zstd",
    "000000010000000000000001.backup",
    "000000010000000000000001.0000028.backup",
    "000000010000000000000001\n",
    "xlogtemp.123",
  ])("that PostgreSQL would not take for WAL are other ones: %j", (name) => {
    expect(classifyWalFile(name)).toEqual({ kind: "other" });
  });

  it("never make it throw", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => classifyWalFile(name).kind.length > 0));
  });
});
