import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { invalidLsn, lsn, timelineId } from "../../../src/postgres/index.ts";
import { createWalWriter, type WalWriter } from "../../../src/wal/wal-writer.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { eachTestHasAWalDirectory, faultyDisk, megabyte, systemError, type FaultyDisk } from "./segment.ts";

const directory = eachTestHasAWalDirectory();
const content = sampleBytes(3 * megabyte, "noise", 11);
const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error;
const name = (number: number): string => `0000000B${"0".repeat(8)}${number.toString(16).toUpperCase().padStart(8, "0")}`;

function writer(options: { start?: number; existing?: number; calls?: FaultyDisk } = {}): WalWriter & { readonly completed: string[] } {
  const start = (options.start ?? 9) * megabyte;
  const completed: string[] = [];
  const made = createWalWriter({
    directory: directory.path,
    timeline: timelineId(11),
    start: lsn(start),
    segmentSize: megabyte,
    existingEnd: lsn(start + (options.existing ?? 0)),
    onComplete: (segment) => completed.push(segment),
    calls: options.calls,
  });
  return Object.assign(Object.defineProperties({}, Object.getOwnPropertyDescriptors(made)) as WalWriter, { completed });
}

describe("the writer of a timeline", () => {
  it("divides any pieces into segments with hexadecimal names, and never promises less than before", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900_000 }), { minLength: 1, maxLength: 12 }), (sizes) => {
        for (const stale of directory.names()) directory.remove(stale);
        const target = writer();
        let taken = 0;
        let promised = 0n;
        for (const size of sizes) {
          const piece = content.subarray(taken, taken + size);
          target.take(piece);
          taken += piece.length;
          target.sync();
          expect(target.flushed).toBe(BigInt(9 * megabyte + taken));
          expect(target.flushed).toBeGreaterThanOrEqual(promised);
          promised = target.flushed;
        }
        target.close();
        const full = Math.floor(taken / megabyte);
        expect(target.completed).toEqual([9, 10, 11].slice(0, full).map(name));
        for (let n = 0; n < full; n++) expect(directory.read(name(9 + n)).equals(content.subarray(n * megabyte, (n + 1) * megabyte))).toBe(true);
        if (taken % megabyte > 0) {
          expect(directory.read(`${name(9 + full)}.partial`).equals(content.subarray(full * megabyte, taken))).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("promises what is before the first segment, and nothing at all while it compares", () => {
    expect(writer().flushed).toBe(BigInt(9 * megabyte));
    directory.put(`${name(9)}.partial`, content.subarray(0, 5000));
    const target = writer({ existing: 5000 });
    for (let at = 0; at < 5000; at += 1000) {
      expect([target.comparing, target.flushed]).toEqual([true, invalidLsn]);
      target.take(content.subarray(at, at + 1000));
      target.sync();
    }
    expect([target.comparing, target.flushed]).toEqual([false, BigInt(9 * megabyte + 5000)]);
    target.close();
  });

  it("completes a partial that is full already when it was compared", () => {
    directory.put(`${name(9)}.partial`, content.subarray(0, megabyte));
    const target = writer({ existing: megabyte });
    target.take(content.subarray(0, megabyte - 1));
    expect([target.comparing, target.completed]).toEqual([true, []]);
    target.take(content.subarray(megabyte - 1, megabyte + 10));
    target.sync();
    expect([target.flushed, target.completed]).toEqual([BigInt(10 * megabyte + 10), [name(9)]]);
    target.close();
    expect(directory.names()).toEqual([name(9), `${name(10)}.partial`]);
  });

  it("counts what is taken and not synced", () => {
    const target = writer();
    target.take(content.subarray(0, 10));
    target.take(content.subarray(10, 30));
    expect(target.unsynced).toBe(30);
    target.sync();
    expect(target.unsynced).toBe(0);
    target.close();
  });

  it.each([".zstd", ".gz.aes", ".aes", ".bz2", ".lz4"])("receives a segment beside <name>%s, which the archiver compares with it", (suffix) => {
    directory.put(name(10) + suffix, Buffer.from("kept"));
    const target = writer();
    target.take(content.subarray(0, 2 * megabyte));
    expect(target.completed).toEqual([name(9), name(10)]);
    target.close();
    expect(directory.names()).toEqual([name(9), name(10), name(10) + suffix].sort());
    expect(directory.read(name(10) + suffix).toString()).toBe("kept");
  });

  it("takes a segment that is stored under its name for the one it received when the bytes are the same, and never touches another", () => {
    directory.put(name(9), content.subarray(0, megabyte));
    const target = writer();
    target.take(content.subarray(0, megabyte));
    expect([target.completed, target.flushed]).toEqual([[name(9)], BigInt(10 * megabyte)]);
    const other = Buffer.from(content.subarray(megabyte, 2 * megabyte));
    other[5] = (other[5] ?? 0) ^ 1;
    directory.put(name(10), other);
    expect(() => {
      target.take(content.subarray(megabyte, 2 * megabyte));
    }).toThrow(code("WAL_SEGMENT_EXISTS"));
    expect(target.flushed).toBe(BigInt(10 * megabyte));
    target.close();
    expect(directory.names()).toEqual([name(9), name(10), `${name(10)}.partial`]);
    expect(directory.read(name(10)).equals(other)).toBe(true);
  });

  it("gives a segment up when it cannot be synced, and takes nothing more", () => {
    const disk = faultyDisk();
    const target = writer({ calls: disk });
    target.take(content.subarray(0, 100));
    target.sync();
    target.take(content.subarray(100, 200));
    disk.fail = (call) => (call === "datasync" ? systemError("EIO") : undefined);
    expect(() => {
      target.sync();
    }).toThrow(code("WAL_SYNC_FAILED"));
    expect(disk.counts.datasync).toBe(2);
    disk.fail = () => undefined;
    expect(() => {
      target.take(content.subarray(200, 300));
    }).toThrow(code("WAL_SYNC_FAILED"));
    target.sync();
    expect(disk.counts.datasync).toBe(2);
    // What was acknowledged stays acknowledged.
    expect(target.flushed).toBe(BigInt(9 * megabyte + 100));
    expect(directory.names()).toEqual([`${name(9)}.partial.unsynced`]);
  });

  it("gives a full segment up when it cannot be synced: it is never called complete", () => {
    const disk = faultyDisk();
    disk.fail = (call) => (call === "datasync" ? systemError("EIO") : undefined);
    const target = writer({ calls: disk });
    expect(() => {
      target.take(content.subarray(0, megabyte));
    }).toThrow(code("WAL_SYNC_FAILED"));
    expect(target.completed).toEqual([]);
    expect(directory.names()).toEqual([]);
    expect(target.flushed).toBe(BigInt(9 * megabyte));
  });

  it("keeps a segment whose disk is full as it is", () => {
    const disk = faultyDisk();
    disk.fail = (call) => (call === "write" && disk.counts.write > 1 ? systemError("ENOSPC") : undefined);
    const target = writer({ calls: disk });
    target.take(content.subarray(0, 100));
    target.sync();
    expect(() => {
      target.take(content.subarray(100, 200));
    }).toThrow(code("WAL_DISK_FULL"));
    target.close();
    expect(directory.read(`${name(9)}.partial`).length).toBe(100);
    expect(target.flushed).toBe(BigInt(9 * megabyte + 100));
  });

  it("needs its directory", () => {
    expect(() => createWalWriter({ directory: `${directory.path}/absent`, timeline: timelineId(1), start: lsn(0), segmentSize: megabyte, existingEnd: lsn(0), onComplete: () => undefined })).toThrow(
      code("WAL_WRITE_FAILED"),
    );
  });
});
