import { describe, expect, it } from "vitest";
import { parseIo, parseMemory, parseProportional, parseStat, readIo, readMemory, readStat, treeOf } from "../../bench/measure/index.ts";

const STAT = "4711 (odd ) name (x) S 42 4711 4711 0 -1 4194560 100 200 3 4 150 50 1000 25 20 0 11 0 123 456 789 184467";

describe("files of /proc", () => {
  it("finds parent and seconds behind a name with blanks and parentheses", () => {
    expect(parseStat(STAT)).toEqual({ pid: 4711, parent: 42, own: 2, reaped: 10.25 });
  });

  it("takes a stat that is cut off for none", () => {
    expect(parseStat("4711 (node) S 42")).toBeUndefined();
    expect(parseStat("")).toBeUndefined();
  });

  it("reads memory in bytes, and none of a process that is ending", () => {
    expect(parseMemory("Name:\tnode\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")).toEqual({ peakResident: 2097152, resident: 1048576 });
    expect(parseMemory("Name:\tnode\nState:\tZ (zombie)\n")).toBeUndefined();
  });

  it("does not take the parts of the proportional share for the whole", () => {
    expect(parseProportional("Rss:  9 kB\nPss_Anon: 1 kB\nPss:                 3 kB\nPss_File: 2 kB\n")).toBe(3072);
  });

  it("reads the counters of bytes", () => {
    const text = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n";
    expect(parseIo(text)).toEqual({ readCalls: 1, writtenCalls: 2, readStorage: 5, writtenStorage: 6 });
    expect(parseIo("rchar: 1\n")).toBeUndefined();
  });

  it("reads what this kernel says of this process", () => {
    expect(readStat(process.pid)).toMatchObject({ pid: process.pid, parent: process.ppid });
    expect(readMemory(process.pid)?.resident).toBeGreaterThan(1024 * 1024);
    expect(readIo(process.pid)?.readCalls).toBeGreaterThan(0);
  });

  it("has nothing to say of a process that is gone", () => {
    expect(readStat(2 ** 22 + 1)).toBeUndefined();
  });
});

describe("treeOf", () => {
  const one = (pid: number, parent: number): { pid: number; parent: number; own: number; reaped: number } => ({ pid, parent, own: 1, reaped: 0 });

  it("holds the roots and all below them, each once", () => {
    const table = [one(1, 0), one(2, 1), one(3, 2), one(4, 1), one(5, 4), one(6, 9)];
    const pids = treeOf([2, 3, 4], table).map(({ pid }) => pid);
    expect(pids.sort()).toEqual([2, 3, 4, 5]);
  });

  it("is empty when the root is gone", () => {
    expect(treeOf([7], [one(1, 0)])).toEqual([]);
  });
});
