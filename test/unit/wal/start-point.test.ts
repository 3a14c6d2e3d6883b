import { describe, expect, it } from "vitest";
import type { SystemIdentity } from "../../../src/replication/index.ts";
import type { ServerFacts } from "../../../src/replication/index.ts";
import { timelineId } from "../../../src/postgres/index.ts";
import { attempting } from "../../../src/storage/system-error.ts";
import { refuseServerBehind, type BehindMemory } from "../../../src/wal/server-behind.ts";
import { findDurableStart, findStartPoint, foreignBranches, type ServerPosition, type StartPoint } from "../../../src/wal/start-point.ts";
import { megabyte, systemError } from "./segment.ts";
import { at, eachTestHasStoredWal, history, segmentOf } from "./stored-wal.ts";

const stored = eachTestHasStoredWal();
const root = history(1);
const server = (extra: Partial<ServerPosition> = {}): ServerPosition => ({ history: root, xlogpos: at(100, 500), slotRestart: undefined, ...extra });
const start = (extra?: Partial<ServerPosition>): Promise<StartPoint> => findStartPoint(stored.inventory, server(extra));

describe("with nothing stored, streaming begins", () => {
  it("where the slot keeps WAL from, at the start of the segment", async () => {
    expect(await start({ slotRestart: at(90, 77) })).toEqual({ timeline: 1, start: at(90), existingEnd: at(90), durable: undefined });
  });

  it("at the server's present segment without a slot that keeps WAL", async () => {
    expect(await start()).toMatchObject({ start: at(100) });
  });

  it("not before the server's timeline, and not beyond its WAL", async () => {
    const promoted = history(2, [1, at(95, 10)]);
    expect(await start({ history: promoted, slotRestart: at(90) })).toMatchObject({ timeline: 2, start: at(95) });
    expect(await start({ slotRestart: at(101) })).toMatchObject({ start: at(100) });
  });
});

describe("with WAL stored, streaming begins", () => {
  it("at the start of the partial segment, whose bytes are to be compared", async () => {
    await stored.segments(1, 5, 6);
    await stored.partial(1, 7, 1000);
    expect(await start({ slotRestart: at(90) })).toEqual({ timeline: 1, start: at(7), existingEnd: at(7, 1000), durable: at(7, 1000) });
  });

  it("behind the newest complete segment, raw or archived, when nothing follows it", async () => {
    await stored.segments(1, 5);
    expect(await start()).toEqual({ timeline: 1, start: at(6), existingEnd: at(6), durable: at(6) });
    await stored.archived(1, 6);
    expect(await start()).toEqual({ timeline: 1, start: at(7), existingEnd: at(7), durable: at(7) });
  });

  it("within a partial of full length that somebody else filled with zeros: its WAL ends where the zeros begin", async () => {
    await stored.segments(1, 5);
    await stored.partial(1, 6, 5001, true);
    expect(await start()).toEqual({ timeline: 1, start: at(6), existingEnd: at(6, 5008), durable: at(6, 5008) });
  });

  it("within a partial that is full, which has only to be given its name", async () => {
    await stored.segments(1, 5);
    await stored.partial(1, 6, megabyte);
    expect(await start()).toEqual({ timeline: 1, start: at(6), existingEnd: at(7), durable: at(7) });
  });

  it("with an empty partial, and one of zeros only, as if it were not there", async () => {
    await stored.partial(1, 6, 0);
    expect(await start()).toEqual({ timeline: 1, start: at(6), existingEnd: at(6), durable: at(6) });
    await stored.partial(1, 7, 0, true);
    expect(await start()).toEqual({ timeline: 1, start: at(7), existingEnd: at(7), durable: at(7) });
  });
});

describe("after a promotion, streaming", () => {
  const promoted = history(2, [1, at(8, 3000)]);

  it("drains the old timeline first", async () => {
    await stored.segments(1, 6);
    await stored.partial(1, 7, 10);
    expect(await start({ history: promoted })).toMatchObject({ timeline: 1, start: at(7), existingEnd: at(7, 10) });
  });

  it("follows the new one from the start of the segment of the switch when the old one is all here", async () => {
    await stored.segments(1, 7);
    await stored.partial(1, 8, 3000);
    expect(await start({ history: promoted })).toEqual({ timeline: 2, start: at(8), existingEnd: at(8), durable: at(8, 3000) });
  });

  it("keeps what lies beyond the switch as a dead branch", async () => {
    await stored.segments(1, 7, 8);
    await stored.partial(1, 9, 24);
    const point = await start({ history: promoted });
    expect(point).toMatchObject({ timeline: 2, start: at(8), existingEnd: at(8), durable: at(8, 3000) });
    expect(point.deadBranch).toEqual({ timeline: 1, from: at(8, 3000), to: at(9, 24) });
  });

  it("goes on with the new one once there is some of it", async () => {
    await stored.partial(1, 8, 3000);
    await stored.partial(2, 8, 3500);
    expect(await start({ history: promoted })).toEqual({ timeline: 2, start: at(8), existingEnd: at(8, 3500), durable: at(8, 3500) });
  });

  it("finds its way over several promotions at once, with ids above ten in hexadecimal", async () => {
    const later = history(27, [1, at(8)], [10, at(9, 50)], [26, at(9, 80)]);
    await stored.partial(10, 9, 50);
    expect(await start({ history: later })).toMatchObject({ timeline: 26, start: at(9) });
    await stored.partial(26, 9, 60);
    expect(await start({ history: later })).toMatchObject({ timeline: 26, start: at(9), existingEnd: at(9, 60) });
    await stored.partial(26, 9, 80);
    expect(await start({ history: later })).toMatchObject({ timeline: 27, start: at(9), existingEnd: at(9) });
    expect(segmentOf(27, 9)).toBe("0000001B0000000000000009");
  });

  it("goes on at a switch right at the end of a segment with the segment after it", async () => {
    await stored.segments(1, 7);
    expect(await start({ history: history(2, [1, at(8)]) })).toMatchObject({ timeline: 2, start: at(8), durable: at(8) });
  });
});

describe("timelines that the server does not descend from", () => {
  it("do not decide where streaming begins, and are named with what is stored of them", async () => {
    await stored.partial(1, 8, 3000);
    await stored.segments(2, 8, 9);
    await stored.partial(2, 10, 40);
    await stored.partial(4, 3, 10);
    expect(await start()).toMatchObject({ timeline: 1, start: at(8), existingEnd: at(8, 3000) });
    expect(await foreignBranches(stored.inventory, root)).toEqual([
      { timeline: 2, from: at(8), to: at(10, 40) },
      { timeline: 4, from: at(3), to: at(3, 10) },
    ]);
    expect(await foreignBranches(stored.inventory, history(4, [1, at(8)], [2, at(9)]))).toEqual([]);
  });
});

describe("a partial segment that the disk refuses to sync", () => {
  it("is set aside, so that it is received again instead of being believed the second time", async () => {
    await stored.segments(1, 7);
    await stored.partial(1, 8, 3000);
    const path = stored.storage.absolutePath(`primary/wal/${segmentOf(1, 8)}.partial`);
    const refusing = { ...stored.inventory, durableEnd: () => attempting("sync", path, () => Promise.reject(systemError("EIO"))) };
    await expect(findDurableStart(refusing, server())).rejects.toMatchObject({ code: "WAL_SYNC_FAILED", details: { path } });
    expect((await stored.storage.list("primary/wal")).map(({ name }) => name)).toEqual([segmentOf(1, 7), `${segmentOf(1, 8)}.partial.unsynced`]);
    expect(await findDurableStart(stored.inventory, server())).toMatchObject({ start: at(8), existingEnd: at(8) });
  });

  it("is left alone when it is another trouble", async () => {
    await stored.partial(1, 8, 3000);
    const path = stored.storage.absolutePath(`primary/wal/${segmentOf(1, 8)}.partial`);
    const failing = { ...stored.inventory, durableEnd: () => attempting("read", path, () => Promise.reject(systemError("EIO"))) };
    await expect(findDurableStart(failing, server())).rejects.toMatchObject({ code: "STORAGE_IO_ERROR" });
    expect((await stored.storage.list("primary/wal")).map(({ name }) => name)).toEqual([`${segmentOf(1, 8)}.partial`]);
  });
});

describe("a server that has less WAL than is stored", () => {
  const identity = (xlogpos: ReturnType<typeof at>): SystemIdentity => ({ systemIdentifier: "1", timeline: timelineId(1), xlogpos, database: null });
  const facts = (inRecovery: boolean | undefined): ServerFacts => ({ inRecovery }) as ServerFacts;
  const point = (bytes: number): StartPoint => ({ timeline: timelineId(1), start: at(7), existingEnd: at(7, bytes), durable: at(7, bytes) });
  const judge = (found: StartPoint, xlogpos: ReturnType<typeof at>, inRecovery: boolean | undefined, memory: BehindMemory = { suspect: undefined }): string => {
    try {
      refuseServerBehind(found, identity(xlogpos), facts(inRecovery), memory);
      return "goes on";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it("is tried again when it is a standby or may be one, and refused when it is a primary", () => {
    expect(judge(point(100), at(7, 99), true)).toBe("WAL_SERVER_BEHIND");
    expect(judge(point(100), at(7, 99), undefined)).toBe("WAL_SERVER_BEHIND");
    expect(judge(point(100), at(7, 99), false)).toBe("WAL_DIVERGED");
    expect(judge(point(100), at(7, 100), false)).toBe("goes on");
    expect(judge({ ...point(100), durable: undefined }, at(1), false)).toBe("goes on");
    expect(judge({ ...point(100), timeline: timelineId(2) }, at(1), false)).toBe("goes on");
  });

  it("stays refused when it has written past what is stored and nothing is there to compare", () => {
    const memory: BehindMemory = { suspect: undefined };
    expect(judge(point(0), at(6), false, memory)).toBe("WAL_DIVERGED");
    expect(judge(point(0), at(9), false, memory)).toBe("WAL_DIVERGED");
    // With bytes at hand the comparison decides.
    expect(judge(point(100), at(6), false, memory)).toBe("WAL_DIVERGED");
    expect(judge(point(100), at(9), false, memory)).toBe("goes on");
  });
});
