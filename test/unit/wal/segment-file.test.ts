import { readdirSync, readlinkSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { waitFor } from "../../support/wait-for.ts";
import { eachTestHasAWalDirectory, faultyDisk, lowestFreeDescriptor, megabyte, segment, systemError } from "./segment.ts";

const directory = eachTestHasAWalDirectory();
const partial = `${segment}.partial`;
const content = sampleBytes(megabyte, "noise", 7);
const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error;

describe("a new segment", () => {
  it("grows by what it takes, promises only what was synced, and gets its final name when it is full", () => {
    const file = directory.open();
    file.take(content.subarray(0, 1000));
    expect([file.offset, file.durable]).toEqual([1000, 0]);
    file.sync();
    expect(file.durable).toBe(1000);
    file.take(content.subarray(1000));
    file.complete();
    expect(directory.names()).toEqual([segment]);
    expect(directory.read(segment).equals(content)).toBe(true);
  });

  it("is not complete before its last byte", () => {
    const file = directory.open();
    file.take(content.subarray(1));
    expect(() => {
      file.complete();
    }).toThrow(code("WAL_SEGMENT_MALFORMED"));
    expect(directory.names()).toEqual([partial]);
  });

  it("never replaces a complete segment of its name", () => {
    const file = directory.open();
    file.take(content);
    directory.put(segment, Buffer.from("somebody else's"));
    expect(() => {
      file.complete();
    }).toThrow(code("WAL_SEGMENT_EXISTS"));
    expect(directory.read(segment).toString()).toBe("somebody else's");
    expect(directory.read(partial).equals(content)).toBe(true);
  });

  it("goes on where a short write ended", () => {
    const disk = faultyDisk();
    disk.shortWrites = 333;
    const file = directory.open({ calls: disk });
    file.take(content.subarray(0, 10_000));
    expect(file.offset).toBe(10_000);
    expect(directory.read(partial).equals(content.subarray(0, 10_000))).toBe(true);
  });

  it("begins anew over an empty file and over one of zeros, and never over anything else", () => {
    for (const size of [0, megabyte]) {
      directory.put(partial, Buffer.alloc(size));
      const file = directory.open();
      file.take(content.subarray(0, 8));
      file.close();
      expect(directory.read(partial).equals(content.subarray(0, 8))).toBe(true);
    }
    const written = Buffer.alloc(megabyte);
    written[megabyte - 1] = 1;
    for (const kept of [written, Buffer.from("x")]) {
      directory.put(partial, kept);
      expect(() => directory.open()).toThrow(code("WAL_SEGMENT_EXISTS"));
      expect(directory.read(partial).equals(kept)).toBe(true);
    }
  });
});

describe("a segment that was begun before", () => {
  it("is synced at once, and promises nothing before all of it was compared", () => {
    const disk = faultyDisk();
    directory.put(partial, content.subarray(0, 5000));
    const file = directory.open({ existing: 5000, calls: disk });
    expect(disk.counts.sync).toBe(1);
    expect(file.durable).toBeUndefined();
    file.take(content.subarray(0, 4999));
    file.sync();
    expect([file.durable, disk.counts.datasync]).toEqual([undefined, 0]);
    file.take(content.subarray(4999, 5000));
    expect(file.durable).toBeUndefined();
    file.sync();
    expect(file.durable).toBe(5000);
  });

  it("promises only what it has written itself: another process may have been told that the bytes before it were lost", () => {
    const disk = faultyDisk();
    const onDisk = new Set<number>();
    const cached = new Set<number>();
    // After a failure of write-back that somebody saw, bytes in the cache are never written and no sync says so.
    const forgetful: typeof disk = Object.assign(Object.create(disk) as typeof disk, {
      write: (fd: number, data: Uint8Array, position: number) => {
        const written = disk.write(fd, data, position);
        for (let at = position; at < position + written; at++) cached.add(at);
        return written;
      },
      datasync: (fd: number) => {
        disk.datasync(fd);
        for (const at of cached) onDisk.add(at);
      },
    });
    directory.put(partial, content.subarray(0, 5000));
    const file = directory.open({ existing: 5000, calls: forgetful });
    for (const [from, to] of [[0, 3000], [3000, 6000]] as const) {
      file.take(content.subarray(from, to));
      file.sync();
    }
    expect(file.durable).toBe(6000);
    expect(onDisk.size).toBe(6000);
  });

  it("keeps all of it when it cannot be synced: all of it may have been acknowledged", () => {
    const disk = faultyDisk();
    directory.put(partial, content.subarray(0, 5000));
    const file = directory.open({ existing: 5000, calls: disk });
    disk.fail = (call) => (call === "datasync" ? systemError("EIO") : undefined);
    file.take(content.subarray(0, 6000));
    expect(() => {
      file.sync();
    }).toThrow(code("WAL_SYNC_FAILED"));
    file.setAside();
    expect(directory.read(`${partial}.unsynced`).equals(content.subarray(0, 5000))).toBe(true);
  });

  it("takes any split of the stream for the same bytes", () => {
    fc.assert(
      fc.property(fc.nat(9_999), fc.array(fc.nat(10_000), { maxLength: 20 }), (existing, cuts) => {
        directory.put(partial, content.subarray(0, existing));
        const file = directory.open({ existing });
        const ends = [...cuts, 10_000].sort((a, b) => a - b);
        let from = 0;
        for (const to of ends) {
          file.take(content.subarray(from, to));
          from = to;
        }
        file.sync();
        expect(file.durable).toBe(10_000);
        file.close();
        expect(directory.read(partial).equals(content.subarray(0, 10_000))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("is divergence at any byte that differs: both versions are kept, and nothing is written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), fc.integer({ min: 1, max: 4000 }), (existing, position, pieceSize) => {
        const at = position % existing;
        const ours = Buffer.from(content.subarray(0, existing));
        ours[at] = (ours[at] ?? 0) ^ 1;
        directory.put(partial, ours);
        const before = directory.names();
        expect(before).toEqual([partial]);
        const file = directory.open({ existing });
        const stream = (): void => {
          for (let from = 0; from < 4000; from += pieceSize) file.take(content.subarray(from, Math.min(4000, from + pieceSize)));
        };
        expect(stream).toThrow(code("WAL_DIVERGED"));
        file.close();
        expect(directory.read(partial).equals(ours)).toBe(true);
        const evidence = directory.read(`${partial}.diverged`);
        expect(evidence.length).toBeGreaterThan(at);
        expect(evidence.equals(content.subarray(0, evidence.length))).toBe(true);
        directory.remove(`${partial}.diverged`);
      }),
      { numRuns: 60 },
    );
  });

  it("keeps the first evidence of a divergence, whatever comes later", () => {
    directory.put(partial, Buffer.alloc(100, 1));
    directory.put(`${partial}.diverged`, Buffer.from("first"));
    expect(() => {
      directory.open({ existing: 100 }).take(Buffer.alloc(100, 2));
    }).toThrow(code("WAL_DIVERGED"));
    expect(directory.read(`${partial}.diverged`).toString()).toBe("first");
  });

  it("is divergence also where the evidence cannot be written", () => {
    const disk = faultyDisk();
    directory.put(partial, Buffer.alloc(100, 1));
    const file = directory.open({ existing: 100, calls: disk });
    disk.fail = (call) => (call === "write" ? systemError("ENOSPC") : undefined);
    expect(() => {
      file.take(Buffer.alloc(100, 2));
    }).toThrow(code("WAL_DIVERGED"));
  });

  it("that another program filled with zeros goes on behind its WAL, in place", () => {
    const padded = Buffer.alloc(megabyte);
    content.copy(padded, 0, 0, 70_000);
    directory.put(partial, padded);
    const file = directory.open({ existing: 70_000 });
    file.take(content.subarray(0, 70_008));
    file.sync();
    expect(file.durable).toBe(70_008);
    expect(directory.read(partial).length).toBe(megabyte);
    file.take(content.subarray(70_008));
    file.complete();
    expect(directory.read(segment).equals(content)).toBe(true);
  });

  it("is refused when it is longer than a segment, shorter than it was, or no plain file", () => {
    directory.put(partial, Buffer.alloc(megabyte + 1, 1));
    expect(() => directory.open({ existing: megabyte })).toThrow(code("WAL_SEGMENT_MALFORMED"));
    directory.put(partial, Buffer.alloc(10, 1));
    expect(() => directory.open({ existing: 11 })).toThrow(code("WAL_WRITE_FAILED"));
    expect(() => directory.open({ existing: 10, name: "." })).toThrow(code("WAL_WRITE_FAILED"));
  });

  it("leaves no descriptor open when it is refused", () => {
    directory.put(partial, Buffer.alloc(10, 1));
    const free = lowestFreeDescriptor();
    expect(() => directory.open({ existing: 11 })).toThrow();
    expect(lowestFreeDescriptor()).toBe(free);
  });
});

/** Open in this process under a path with this in it. */
function descriptorsOf(name: string): number {
  const paths = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`, { encoding: "utf8" });
    } catch {
      // The one of the listing itself, or of another test.
      return "";
    }
  });
  return paths.filter((path) => path.startsWith(directory.path) && path.includes(name)).length;
}

describe("what is written early", () => {
  it("is promised by the sync that follows, and by nothing before it", async () => {
    const disk = faultyDisk();
    const file = directory.open({ calls: disk });
    file.take(content.subarray(0, 1000));
    file.writeEarly();
    file.writeEarly();
    await waitFor("it is written", () => {
      file.writeEarly();
      return disk.counts.datasyncBeside > 1;
    });
    expect([file.durable, file.unsynced, disk.counts.datasync]).toEqual([0, 1000, 0]);
    file.sync();
    expect([file.durable, file.unsynced, disk.synced]).toEqual([1000, 0, [1000]]);
  });

  it("and could not be is told by the next sync, although that one would say yes; the segment is not complete", async () => {
    for (const [system, expected] of [["EIO", "WAL_SYNC_FAILED"], ["ENOSPC", "WAL_DISK_FULL"]] as const) {
      const disk = faultyDisk();
      const file = directory.open({ calls: disk });
      file.take(content.subarray(0, 1000));
      file.sync();
      file.take(content.subarray(1000));
      disk.fail = (call) => (call === "datasyncBeside" ? systemError(system) : undefined);
      file.writeEarly();
      await new Promise((resolve) => setImmediate(resolve));
      expect(() => {
        file.sync();
      }).toThrow(code(expected));
      expect(() => {
        file.complete();
      }).toThrow(code(expected));
      expect([file.durable, disk.counts.datasync]).toEqual([1000, 1]);
      file.setAside();
      expect(directory.names()).toEqual([`${partial}.unsynced`]);
      directory.remove(`${partial}.unsynced`);
    }
  });

  it("keeps its descriptor until the system is through with it, also of a file that is closed", async () => {
    const waiting: (() => void)[] = [];
    const calls = { ...faultyDisk(), datasyncBeside: (_: number, done: (error: Error | null) => void) => waiting.push(() => { done(null); }) };
    const file = directory.open({ calls });
    file.take(content);
    file.writeEarly();
    expect(descriptorsOf(segment)).toBe(2);
    file.complete();
    expect(descriptorsOf(segment)).toBe(1);
    waiting[0]?.();
    expect([waiting.length, descriptorsOf(segment)]).toEqual([1, 0]);
  });

  it("is left to the sync where the file is not there under its name, or is still compared", () => {
    const disk = faultyDisk();
    const file = directory.open({ calls: disk });
    file.take(content.subarray(0, 1000));
    directory.remove(partial);
    file.writeEarly();
    file.sync();
    file.close();
    directory.put(partial, content.subarray(0, 1000));
    const old = directory.open({ calls: disk, existing: 1000 });
    old.take(content.subarray(0, 999));
    old.writeEarly();
    expect(disk.counts.datasyncBeside).toBe(0);
    old.take(content.subarray(999, 1001));
    old.writeEarly();
    expect(disk.counts.datasyncBeside).toBe(1);
  });
});

describe("a disk that fails", () => {
  it.each(["ENOSPC", "EDQUOT"])("at a write with %s is full, and what was written counts", (system) => {
    const disk = faultyDisk();
    disk.shortWrites = 600;
    const file = directory.open({ calls: disk });
    disk.fail = (call) => (call === "write" && disk.counts.write > 1 ? systemError(system) : undefined);
    expect(() => {
      file.take(content.subarray(0, 1000));
    }).toThrow(code("WAL_DISK_FULL"));
    expect([file.offset, file.durable]).toEqual([600, 0]);
  });

  it("at a write with EIO is told with the path", () => {
    const disk = faultyDisk();
    disk.fail = (call) => (call === "write" ? systemError("EIO") : undefined);
    const file = directory.open({ calls: disk });
    expect(() => {
      file.take(content.subarray(0, 10));
    }).toThrow(expect.objectContaining({ code: "WAL_WRITE_FAILED", message: expect.stringContaining(partial) as string }) as Error);
  });

  it("at the first sync of a segment that was begun before is never asked again for that file", () => {
    directory.put(partial, content.subarray(0, 100));
    const disk = faultyDisk();
    disk.fail = (call) => (call === "sync" ? systemError("EIO") : undefined);
    expect(() => directory.open({ existing: 100, calls: disk })).toThrow(code("WAL_SYNC_FAILED"));
    expect(directory.names()).toEqual([`${partial}.unsynced`]);
    expect(disk.counts.sync).toBe(1);
  });

  it("at the sync of a new name leaves no file of that name, and the next one is made anew", () => {
    const disk = faultyDisk();
    disk.fail = (call) => (call === "syncNames" ? systemError("EIO") : undefined);
    expect(() => directory.open({ calls: disk })).toThrow(code("WAL_WRITE_FAILED"));
    // The directory has nothing to sync of it: a sync that is asked for again could not say yes for a name that was lost.
    expect(directory.names()).toEqual([]);
    disk.fail = () => undefined;
    const file = directory.open({ calls: disk });
    file.take(content.subarray(0, 100));
    file.sync();
    expect([file.durable, disk.counts.syncNames, directory.names()]).toEqual([100, 2, [`${segment}.partial`]]);
  });

  it("at a sync leaves a file that is set aside when it held acknowledged bytes, and removed when not", () => {
    const disk = faultyDisk();
    const failing = (): void => {
      disk.fail = (call) => (call === "datasync" ? systemError("EIO") : undefined);
    };
    const first = directory.open({ calls: disk });
    first.take(content.subarray(0, 100));
    first.sync();
    first.take(content.subarray(100, 200));
    failing();
    expect(() => {
      first.sync();
    }).toThrow(code("WAL_SYNC_FAILED"));
    expect(first.durable).toBe(100);
    first.setAside();
    expect(directory.names()).toEqual([`${partial}.unsynced`]);

    disk.fail = () => undefined;
    const second = directory.open({ calls: disk });
    second.take(content.subarray(0, 50));
    failing();
    expect(() => {
      second.sync();
    }).toThrow(code("WAL_SYNC_FAILED"));
    second.setAside();
    expect(directory.names()).toEqual([`${partial}.unsynced`]);
    expect(directory.read(`${partial}.unsynced`).length).toBe(100);

    disk.fail = () => undefined;
    const third = directory.open({ calls: disk });
    third.take(content);
    third.complete();
    expect(directory.names()).toEqual([segment]);
  });

  it("that has no space at a sync is full, not broken", () => {
    const disk = faultyDisk();
    const file = directory.open({ calls: disk });
    file.take(content.subarray(0, 100));
    disk.fail = (call) => (call === "datasync" ? systemError("ENOSPC") : undefined);
    expect(() => {
      file.sync();
    }).toThrow(code("WAL_DISK_FULL"));
  });
});
