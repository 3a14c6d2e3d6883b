import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Lsn, TimelineHistory } from "../../../src/postgres/index.ts";
import { extendHistory, lsn, rootHistory, segmentName, timelineId } from "../../../src/postgres/index.ts";
import type { WalInventory, WalRecord } from "../../../src/repository/index.ts";
import { backupsNeeding, oldestNeeded, openWalInventory, repositoryErrors } from "../../../src/repository/index.ts";
import { sample } from "./sample-backup.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const size = 1024 * 1024;
const one = timelineId(1);
const two = timelineId(2);
const full = Buffer.alloc(size, 0x57);

function inventory(): WalInventory {
  return openWalInventory(repository.storage, "primary", size);
}

/** Position in megabytes. */
function mb(count: number, more = 0): Lsn {
  return lsn(count * size + more);
}

function name(number: number, timeline = one): string {
  return segmentName(timeline, mb(number), size);
}

function walPath(file: string): string {
  return join(repository.storage.root, "primary/wal", file);
}

async function raw(number: number, timeline = one): Promise<void> {
  await repository.put(`primary/wal/${name(number, timeline)}`, full);
}

async function partial(number: number, bytes: number, timeline = one): Promise<void> {
  await repository.put(`primary/wal/${name(number, timeline)}.partial`, full.subarray(0, bytes));
}

function recordOf(segment: string, suffix = ".zstd", storedSize = 300): WalRecord {
  const digests = { plainDigest: "ab".repeat(32), storedDigest: "cd".repeat(32), plainCrc32c: 7 };
  const chunks = [{ stored: storedSize - 60, plain: size, crc32c: 7 }];
  return {
    segment,
    suffix,
    hash: "sha256",
    plainSize: size,
    storedSize,
    headerSize: 60,
    chunks,
    archivedAt: 1_795_000_000_000,
    ...digests,
  };
}

async function archived(number: number, timeline = one, suffix = ".zstd"): Promise<WalRecord> {
  const record = recordOf(name(number, timeline), suffix);
  await repository.put(`primary/wal/${record.segment}${suffix}`, Buffer.alloc(record.storedSize));
  await inventory().record(record);
  return record;
}

describe("finding a segment", () => {
  test("in each of its forms", async () => {
    await partial(1, 100);
    await raw(2);
    const record = await archived(3);
    await repository.put(`primary/wal/${name(4)}.gz.aes`, "x");
    expect(await inventory().find(name(1))).toMatchObject({
      form: "partial",
      path: `primary/wal/${name(1)}.partial`,
      size: 100,
    });
    expect(await inventory().find(name(2))).toMatchObject({
      form: "raw",
      path: `primary/wal/${name(2)}`,
      suffix: "",
      size,
    });
    expect(await inventory().find(name(3))).toMatchObject({
      form: "archived",
      path: `primary/wal/${name(3)}.zstd`,
      suffix: ".zstd",
      record,
    });
    expect(await inventory().find(name(4))).toMatchObject({ form: "archived", suffix: ".gz.aes", record: undefined });
    expect(await inventory().find(name(5))).toBeUndefined();
  });

  test("stored as it is: archived when it is recorded, raw before", async () => {
    await raw(1);
    expect(await inventory().find(name(1))).toMatchObject({ form: "raw" });
    await inventory().record({
      ...recordOf(name(1), "", size),
      headerSize: 0,
      chunks: [{ stored: size, plain: size, crc32c: 7 }],
    });
    expect(await inventory().find(name(1))).toMatchObject({ form: "archived", suffix: "", size });
  });

  test("in two forms: the archived one counts when it is recorded, the raw one before that", async () => {
    await raw(1);
    await repository.put(`primary/wal/${name(1)}.zstd`, "not verified yet");
    expect(await inventory().find(name(1))).toMatchObject({ form: "raw" });
    await archived(1);
    expect(await inventory().find(name(1))).toMatchObject({ form: "archived" });
  });

  test("a complete one counts before a partial one", async () => {
    await partial(1, 100);
    await raw(1);
    expect(await inventory().find(name(1))).toMatchObject({ form: "raw" });
  });

  test("unfinished files, history files and directories are no WAL", async () => {
    await repository.put(`primary/wal/.tmp_${name(1)}.zstd.1234`, "x");
    await repository.put(`primary/wal/${name(1)}.zstd.tmp`, "x");
    await repository.put("primary/wal/00000002.history", "1\t0/1000000\tno reason\n");
    await repository.storage.makeDirectory(`primary/wal/${name(2)}`);
    expect(await inventory().find(name(1))).toBeUndefined();
    expect(await inventory().find(name(2))).toBeUndefined();
    expect(await inventory().stretches()).toEqual([]);
  });

  test("while its form changes between any two looks", async () => {
    const steps = [
      () => renameSync(walPath(`${name(1)}.partial`), walPath(name(1))),
      () => writeFileSync(walPath(`${name(1)}.zstd`), "archived"),
      () => rmSync(walPath(name(1))),
    ];
    // Each way to spread the three steps over the looks of one search.
    for (let code = 0; code < 14 ** 3; code++) {
      const at = [code % 14, Math.floor(code / 14) % 14, Math.floor(code / 196)];
      if ((at[0] ?? 0) > (at[1] ?? 0) || (at[1] ?? 0) > (at[2] ?? 0)) continue;
      rmSync(walPath(`${name(1)}.zstd`), { force: true });
      await repository.storage.makeDirectory("primary/wal");
      writeFileSync(walPath(`${name(1)}.partial`), "partial");
      let look = 0;
      const done = [false, false, false];
      const moving = {
        ...repository.storage,
        stat: (path: string) => {
          for (const [n, step] of steps.entries()) {
            if (done[n] === true || (at[n] ?? 0) > look) continue;
            done[n] = true;
            step();
          }
          look += 1;
          return repository.storage.stat(path);
        },
      };
      expect(await openWalInventory(moving, "primary", size).find(name(1)), at.join()).toBeDefined();
      for (const [n, step] of steps.entries()) if (done[n] !== true) step();
    }
  });

  test("and opening it while the archiver replaces it", async () => {
    await raw(1);
    let opened = 0;
    const moving = {
      ...repository.storage,
      openFile: async (path: string) => {
        if (opened++ === 0) {
          await archived(1);
          rmSync(walPath(name(1)));
        }
        return repository.storage.openFile(path);
      },
    };
    const open = await openWalInventory(moving, "primary", size).open(name(1));
    expect(open?.location).toMatchObject({ form: "archived", suffix: ".zstd" });
    expect(open?.reader.size).toBe(300);
    await open?.reader.close();
    expect(await inventory().open(name(9))).toBeUndefined();
  });
});

describe("what is there", () => {
  test("as stretches by timeline, a segment in two forms counted once", async () => {
    for (const number of [1, 2, 3, 7, 8]) await raw(number);
    await archived(4);
    await raw(4);
    await partial(9, 5);
    await archived(8, two);
    expect(await inventory().stretches()).toEqual([
      { timeline: 1, start: mb(1), end: mb(5), segments: 4 },
      { timeline: 1, start: mb(7), end: mb(9), segments: 2 },
      { timeline: 2, start: mb(8), end: mb(9), segments: 1 },
    ]);
  });

  test("across the four gigabytes where names jump", async () => {
    for (const number of [4094, 4095, 4096, 4097]) await raw(number);
    expect(await inventory().stretches()).toEqual([{ timeline: 1, start: mb(4094), end: mb(4098), segments: 4 }]);
  });

  test("and what still waits for the archiver, oldest first", async () => {
    for (const number of [5, 3, 4]) await raw(number);
    await archived(2);
    await archived(3);
    await inventory().record({ ...recordOf(name(4), "", size), headerSize: 0 });
    // 3 was archived with a suffix, but its raw file has still to go; 4 is stored as it is.
    expect(await inventory().unarchived()).toEqual([name(3), name(5)]);
  });

  test("in files and bytes", async () => {
    await raw(1);
    await archived(2);
    await partial(3, 123);
    await repository.put("primary/wal/00000002.history", "12345");
    expect(await inventory().usage()).toEqual({ files: 4, bytes: size + 300 + 123 + 5 });
  });
});

describe("the durable end", () => {
  test("is that of the newest segment of the timeline", async () => {
    expect(await inventory().durableEnd(one)).toBeUndefined();
    await raw(1);
    expect((await inventory().durableEnd(one))?.lsn).toBe(mb(2));
    await partial(2, 12345);
    expect(await inventory().durableEnd(one)).toMatchObject({
      lsn: mb(2, 12345),
      location: { segment: name(2), form: "partial" },
    });
    await partial(5, 0, two);
    expect((await inventory().durableEnd(two))?.lsn).toBe(mb(5));
    expect((await inventory().durableEnd(one))?.lsn).toBe(mb(2, 12345));
  });

  test("of a segment filled with zeros in advance is where the zeros begin", async () => {
    const prepared = Buffer.alloc(size);
    full.copy(prepared, 0, 0, 200_003);
    await repository.put(`primary/wal/${name(1)}.partial`, prepared);
    expect((await inventory().durableEnd(one))?.lsn).toBe(mb(1, 200_008));
    await repository.put(`primary/wal/${name(1)}.partial`, Buffer.alloc(size));
    expect((await inventory().durableEnd(one))?.lsn).toBe(mb(1));
  });

  test("of a segment that holds everything but was not renamed is its end", async () => {
    await partial(1, size);
    expect((await inventory().durableEnd(one))?.lsn).toBe(mb(2));
  });

  test("is synced before it is stated", async () => {
    await partial(1, 500);
    const calls: string[] = [];
    const watched = {
      ...repository.storage,
      openFile: (path: string) => (calls.push("measure"), repository.storage.openFile(path)),
      syncFile: (path: string) => (calls.push(`sync ${path}`), repository.storage.syncFile(path)),
    };
    await openWalInventory(watched, "primary", size).durableEnd(one);
    expect(calls).toEqual(["measure", `sync primary/wal/${name(1)}.partial`]);
  });
});

describe("continuity", () => {
  const history = rootHistory(one);
  const check = (from: Lsn, to: Lsn, along: TimelineHistory = history): Promise<unknown> =>
    inventory().continuity({ from, to, history: along });

  test("of a stretch in mixed forms", async () => {
    for (const number of [1, 3]) await raw(number);
    for (const number of [2, 4]) await archived(number);
    expect(await check(mb(1, 40), mb(5))).toEqual({ complete: true, segments: 4 });
    expect(await check(mb(2), mb(2))).toEqual({ complete: true, segments: 0 });
  });

  test("names the first missing segment", async () => {
    for (const number of [1, 2, 4, 6]) await raw(number);
    expect(await check(mb(1), mb(7))).toMatchObject({
      complete: false,
      firstMissing: name(3),
      reason: expect.stringContaining("not in the repository") as string,
    });
    expect(await check(mb(0), mb(7))).toMatchObject({ complete: false, firstMissing: name(0) });
  });

  test("ends exactly at a boundary without the segment after it", async () => {
    await raw(1);
    expect(await check(mb(1), mb(2))).toEqual({ complete: true, segments: 1 });
    expect(await check(mb(1), mb(2, 1))).toMatchObject({ complete: false, firstMissing: name(2) });
  });

  test("takes a partial segment only as the last one, and only as far as it goes", async () => {
    await raw(1);
    await partial(2, 1000);
    expect(await check(mb(1), mb(2, 1000))).toEqual({ complete: true, segments: 2 });
    expect(await check(mb(1), mb(2, 1001))).toMatchObject({
      complete: false,
      firstMissing: name(2),
      reason: expect.stringContaining("0/2003E8") as string,
    });
    await raw(3);
    expect(await check(mb(1), mb(4))).toMatchObject({
      complete: false,
      firstMissing: name(2),
      reason: expect.stringContaining("never completed") as string,
    });
  });

  test("does not take a file for a segment that has not its size", async () => {
    await raw(1);
    truncateSync(walPath(name(1)), size - 1);
    expect(await check(mb(1), mb(2))).toMatchObject({
      complete: false,
      firstMissing: name(1),
      reason: expect.stringContaining(String(size - 1)) as string,
    });
    await archived(2);
    truncateSync(walPath(`${name(2)}.zstd`), 299);
    expect(await check(mb(2), mb(3))).toMatchObject({
      complete: false,
      firstMissing: name(2),
      reason: expect.stringContaining("299") as string,
    });
    await repository.put(`primary/wal/${name(3)}.gz`, "");
    expect(await check(mb(3), mb(4))).toMatchObject({ complete: false, firstMissing: name(3) });
  });

  test("takes the segment of a fork from the child, never from the parent", async () => {
    const child = extendHistory(history, two, mb(3, 500), "promoted");
    for (const number of [1, 2, 3, 4]) await raw(number);
    expect(await check(mb(1), mb(5), child)).toMatchObject({ complete: false, firstMissing: name(3, two) });
    await raw(3, two);
    expect(await check(mb(1), mb(4), child)).toEqual({ complete: true, segments: 3 });
    expect(await check(mb(1), mb(5), child)).toMatchObject({ complete: false, firstMissing: name(4, two) });
  });

  test("over many segments agrees with what was stored", async () => {
    const stored = fc.uniqueArray(fc.nat(60), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(stored, fc.nat(60), fc.nat(60), async (numbers, a, b) => {
        await repository.storage.removeTree("primary");
        await repository.storage.makeDirectory("primary/wal");
        // Sparse files of the right size: contents are not looked at here.
        for (const number of numbers) {
          writeFileSync(walPath(name(number)), "");
          truncateSync(walPath(name(number)), size);
        }
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        let missing = from;
        while (missing < to && numbers.includes(missing)) missing += 1;
        const expected =
          missing === to ? { complete: true, segments: to - from } : { complete: false, firstMissing: name(missing) };
        expect(await check(mb(from), mb(to))).toMatchObject(expected);
      }),
      { numRuns: 20 },
    );
  });
});

describe("the index of archived segments", () => {
  const indexPath = (): string => join(repository.storage.root, "primary/wal_index", `${name(1).slice(0, 16)}.jsonl`);

  test("gives back what was recorded, the latest record of a segment", async () => {
    const first = await archived(1);
    const second = { ...recordOf(name(2), ".lz4.aes", 1000), archivedAt: 1_795_000_000_123 };
    await inventory().record(second);
    const again = { ...first, storedSize: 301, suffix: ".gz", chunks: [{ stored: 241, plain: size, crc32c: 7 }] };
    await inventory().record(again);
    expect(await inventory().lookup(name(1))).toEqual(again);
    expect(await inventory().lookup(name(2))).toEqual(second);
    expect(await inventory().lookup(name(3))).toBeUndefined();
    expect(await inventory().lookup(name(5000))).toBeUndefined();
  });

  test("sees records of others while it is open", async () => {
    const open = inventory();
    await archived(1);
    expect(await open.lookup(name(1))).toBeDefined();
    await archived(2);
    expect(await open.lookup(name(2))).toBeDefined();
  });

  test("takes overlapping records one after the other", async () => {
    const open = inventory();
    await Promise.all(Array.from({ length: 30 }, (_, n) => open.record(recordOf(name(n)))));
    for (let n = 0; n < 30; n++) expect(await inventory().lookup(name(n))).toEqual(recordOf(name(n)));
  });

  test("ignores and repairs a line that a crash tore, at every byte", async () => {
    await archived(1);
    const whole = readFileSync(indexPath());
    for (let length = 1; length < whole.length; length += 23) {
      writeFileSync(indexPath(), Buffer.concat([whole, whole.subarray(0, length)]));
      expect(await inventory().lookup(name(1))).toBeDefined();
      expect(await inventory().lookup(name(2))).toBeUndefined();
      expect(await inventory().record(recordOf(name(2)))).toBe(length);
      expect(await inventory().lookup(name(2))).toEqual(recordOf(name(2)));
    }
  });

  test("does not give out a line that was changed, and does not deny a record that it may have been", async () => {
    await archived(1);
    await archived(2);
    const whole = readFileSync(indexPath());
    const end = whole.indexOf("\n");
    for (let at = 0; at < end; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(indexPath(), damaged);
      await expect(inventory().lookup(name(1)), `byte ${at}`).rejects.toSatisfy(repositoryErrors.walIndexDamaged.is);
      await expect(inventory().lookup(name(1))).rejects.toThrow(/line 1/);
      expect(await inventory().lookup(name(2))).toEqual(recordOf(name(2)));
    }
    // The segment itself is still found.
    expect(await inventory().find(name(1))).toMatchObject({ form: "archived", record: undefined });
  });
});

describe("gaps", () => {
  const gap = { timeline: one, from: mb(1), to: mb(3), detectedAt: 1_795_000_000_000, reason: "the slot was lost" };

  test("are kept in the order in which they were found, each once", async () => {
    expect(await inventory().gaps.list()).toEqual([]);
    await Promise.all([inventory().gaps.add(gap)]);
    const open = inventory();
    await Promise.all([open.gaps.add({ ...gap, timeline: two }), open.gaps.add({ ...gap, reason: "again" })]);
    expect(await inventory().gaps.list()).toEqual([gap, { ...gap, timeline: two }]);
  });

  test("that cannot be read are not taken for none", async () => {
    await inventory().gaps.add(gap);
    const good = await repository.text("primary/wal_gaps.json");
    for (const bad of ["", "{}", "[]", good.slice(0, -10), good.replace(/,"crc32c":[0-9]+/, ""), good.replace(/"version":2(.*),"crc32c":[0-9]+/, '"version":1$1,"crc32":1')]) {
      expect(bad).not.toBe(good);
      await repository.put("primary/wal_gaps.json", bad);
      await expect(inventory().gaps.list(), bad).rejects.toSatisfy(repositoryErrors.walGapsDamaged.is);
      await expect(inventory().gaps.add(gap)).rejects.toSatisfy(repositoryErrors.walGapsDamaged.is);
    }
  });

  test("in which any bit has changed are damage", async () => {
    await inventory().gaps.add(gap);
    const whole = await repository.storage.readFile("primary/wal_gaps.json", 4096);
    for (let bit = 0; bit < (whole.length - 1) * 8; bit += 1) {
      const changed = Buffer.from(whole);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(repository.storage.absolutePath("primary/wal_gaps.json"), changed);
      await expect(inventory().gaps.list(), `bit ${bit}`).rejects.toSatisfy(repositoryErrors.walGapsDamaged.is);
    }
  });

  test("are not taken for removed on purpose because a digit of their end has changed", async () => {
    await inventory().pruned.add([{ timeline: one, from: mb(0), to: mb(2) }]);
    await inventory().gaps.add(gap);
    expect(await inventory().openGaps()).toEqual([gap]);
    const good = await repository.text("primary/wal_gaps.json");
    // All that is left of the gap would lie in what retention removed: status would say that no WAL is missing.
    await repository.put("primary/wal_gaps.json", good.replace('"to":"0/300000"', '"to":"0/200000"'));
    await expect(inventory().openGaps()).rejects.toSatisfy(repositoryErrors.walGapsDamaged.is);
    await expect(inventory().gaps.forget(await inventory().pruned.list())).rejects.toSatisfy(repositoryErrors.walGapsDamaged.is);
  });

  test("that an earlier version wrote are read, and written with a checksum at the next change", async () => {
    const first = { timeline: 1, from: "0/100000", to: "0/300000", detectedAt: new Date(gap.detectedAt).toISOString(), reason: gap.reason };
    const text = `${JSON.stringify({ version: 1, gaps: [first] }, null, 2)}\n`;
    await repository.put("primary/wal_gaps.json", text);
    expect(await inventory().gaps.list()).toEqual([gap]);
    for (const bad of [text.replace("0/100000", "nowhere"), text.replace('"version": 1', '"version": 2'), text.replace("reason", "r")]) {
      await repository.put("primary/wal_gaps.json", bad);
      await expect(inventory().gaps.list(), bad).rejects.toSatisfy(repositoryErrors.walGapsDamaged.is);
    }
    await repository.put("primary/wal_gaps.json", text);
    await inventory().gaps.add({ ...gap, timeline: two });
    expect(await repository.text("primary/wal_gaps.json")).toMatch(/^\{"version":2,.*,"crc32c":[0-9]+\}\n$/);
    expect(await inventory().gaps.list()).toEqual([gap, { ...gap, timeline: two }]);
  });
});

describe("history files", () => {
  const text = "1\t0/300000\tno recovery target specified\n";

  test("are stored as they are and read back", async () => {
    await inventory().histories.write(two, Buffer.from(text));
    expect(await repository.text("primary/wal/00000002.history")).toBe(text);
    expect((await inventory().histories.content(two))?.toString()).toBe(text);
    expect(await inventory().histories.read(two)).toEqual({
      timeline: 2,
      entries: [{ timeline: 1, switchLsn: mb(3), reason: "no recovery target specified" }],
    });
    expect(await inventory().histories.list()).toEqual([2]);
  });

  test("are not needed for timeline 1, and missed for every other", async () => {
    expect(await inventory().histories.read(one)).toEqual(rootHistory(one));
    expect(await inventory().histories.read(two)).toBeUndefined();
    expect(await inventory().histories.find(two)).toBeUndefined();
  });

  test("of pgmoneta are read: lower case, a zero byte at the end", async () => {
    await repository.put("primary/wal/0000000a.history", `${text}\0`);
    const ten = timelineId(10);
    expect((await inventory().histories.content(ten))?.toString()).toBe(text);
    expect((await inventory().histories.read(ten))?.entries.length).toBe(1);
    expect(await inventory().histories.list()).toEqual([10]);
  });

  test("that cannot be read are refused, also before they are stored", async () => {
    await expect(inventory().histories.write(two, Buffer.from("nonsense"))).rejects.toSatisfy(
      repositoryErrors.historyUnreadable.is,
    );
    expect(await inventory().histories.list()).toEqual([]);
    await repository.put("primary/wal/00000002.history", "");
    await expect(inventory().histories.read(two)).rejects.toThrow(/00000002\.history/);
  });
});

describe("which WAL backups need", () => {
  const a = sample({ label: "20260101000000", startLsn: mb(5, 40), endLsn: mb(7) }, { walSegmentSize: size });
  const b = sample(
    { label: "20260101000001", startLsn: mb(9, 40), endLsn: mb(9, 400), endTimeline: two },
    { walSegmentSize: size },
  );

  test("from the start of the first segment to the end of the backup, on all its timelines", () => {
    const needing = (number: number, timeline = one): string[] => backupsNeeding(name(number, timeline), [a, b], size);
    expect(needing(4)).toEqual([]);
    expect(needing(5)).toEqual([a.label]);
    expect(needing(6)).toEqual([a.label]);
    expect(needing(7)).toEqual([]);
    expect(needing(9)).toEqual([b.label]);
    expect(needing(9, two)).toEqual([b.label]);
    expect(needing(5, two)).toEqual([]);
    expect(needing(9, timelineId(3))).toEqual([]);
  });

  test("to recover to any later moment: from the oldest backup on", () => {
    expect(oldestNeeded([], size)).toBeUndefined();
    expect(oldestNeeded([b, a], size)).toEqual({ timeline: 1, from: mb(5) });
    const child = sample({ startLsn: mb(2), startTimeline: two, endTimeline: two }, { walSegmentSize: size });
    expect(oldestNeeded([child, b], size)).toEqual({ timeline: 1, from: mb(9) });
  });
});
