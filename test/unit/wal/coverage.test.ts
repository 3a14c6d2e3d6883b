import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { formatChecked } from "../../../src/repository/checked-json.ts";
import { openWalCoverage, type WalCoverage } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { createCoverageRecorder, createCoverageTracker } from "../../../src/wal/coverage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const answer = (at: number, serverTime: number) => ({ serverEnd: lsn(at), serverTime, replyRequested: false });
const data = (at: number, serverTime: number) => ({ serverEnd: lsn(at), serverTime });
const everything = lsn(1_000_000);

describe("a moment is proven", () => {
  it("by two answers to two questions with nothing between: what was flushed at the first one is known", () => {
    const tracker = createCoverageTracker();
    tracker.asked();
    tracker.keepalive(answer(100, 5));
    expect(tracker.proven(everything)).toBeUndefined();
    tracker.asked();
    tracker.keepalive(answer(100, 6));
    expect(tracker.proven(everything)).toEqual({ lsn: 100n, serverTime: 5 });
  });

  it("by data after another message, as soon as all that the server had then is durable", () => {
    const tracker = createCoverageTracker();
    tracker.data(data(200, 5));
    tracker.data(data(300, 6));
    expect(tracker.proven(lsn(299))).toBeUndefined();
    expect(tracker.proven(lsn(300))).toEqual({ lsn: 300n, serverTime: 5 });
  });

  it("not by one answer, not by two to the same question, not by one that the server sent by itself", () => {
    const one = createCoverageTracker();
    one.asked();
    one.keepalive(answer(100, 5));
    one.keepalive(answer(100, 6));
    expect(one.proven(everything)).toBeUndefined();
    const byItself = createCoverageTracker();
    byItself.keepalive({ ...answer(100, 5), replyRequested: true });
    byItself.asked();
    byItself.keepalive(answer(100, 6));
    expect(byItself.proven(everything)).toBeUndefined();
  });

  it("not by answers to questions that waited together: the server did not look for WAL between them", () => {
    const tracker = createCoverageTracker();
    tracker.data(data(100, 1));
    // The server stood still, or the link: both are answered at 5, when more WAL was flushed and not sent yet.
    tracker.asked();
    tracker.asked();
    if (tracker.keepalive(answer(100, 5))) tracker.asked();
    if (tracker.keepalive(answer(100, 6))) tracker.asked();
    expect(tracker.proven(everything)).toBeUndefined();
    // The answer to the question that was asked when none was left does prove it.
    tracker.keepalive(answer(100, 7));
    expect(tracker.proven(everything)).toEqual({ lsn: 100n, serverTime: 6 });
  });

  it("not by an answer that was overtaken by data", () => {
    const tracker = createCoverageTracker();
    tracker.asked();
    tracker.keepalive(answer(100, 5));
    tracker.data(data(200, 6));
    tracker.asked();
    tracker.keepalive(answer(200, 7));
    // What the data proves is the moment of the answer before it.
    expect(tracker.proven(everything)).toEqual({ lsn: 200n, serverTime: 5 });
  });

  it("also under a load that never lets the position become durable in between", () => {
    const tracker = createCoverageTracker();
    for (let n = 1; n < 1000; n += 1) {
      tracker.data(data(n * 100, n));
      tracker.proven(lsn((n - 5) * 100 > 0 ? (n - 5) * 100 : 0));
    }
    expect(tracker.proven(lsn(99_500))?.serverTime).toBeGreaterThan(980);
  });

  it("a second question is asked at once, but not over and over", () => {
    const tracker = createCoverageTracker();
    const asks: boolean[] = [];
    for (let n = 1; n < 10; n += 1) {
      tracker.data(data(n * 10, n));
      tracker.asked();
      asks.push(tracker.keepalive(answer(n * 10, n)));
    }
    expect(asks).toEqual([true, false, true, false, true, false, true, false, true]);
  });
});

describe("the record of the proven moment", () => {
  it("is written, replaced, and read back; what cannot be read proves nothing", async () => {
    const storage = openLocalStorage(temporaryDirectory().path);
    const store = openWalCoverage(storage, "primary");
    expect(await store.read()).toBeUndefined();
    const coverage: WalCoverage = { timeline: timelineId(3), lsn: lsn(0x16b374d848n), serverTime: 1_764_000_000_123 };
    await store.write(coverage);
    expect(await store.read()).toEqual(coverage);
    for (const broken of ["", "{}", '{"version":2}', '{"version":1,"timeline":1,"lsn":"0/1","serverTime":1}', formatChecked({ version: 2, timeline: 0, lsn: "0/1", serverTime: 1 }), formatChecked({ version: 2, timeline: 1, lsn: "x", serverTime: 1 }), " ".repeat(5000)]) {
      await storage.replaceFile("primary/wal_coverage.json", broken);
      expect(await store.read()).toBeUndefined();
    }
  });

  it("proves nothing when any bit of it has changed", async () => {
    const storage = openLocalStorage(temporaryDirectory().path);
    const store = openWalCoverage(storage, "primary");
    await store.write({ timeline: timelineId(3), lsn: lsn(0x16b374d848n), serverTime: 1_764_000_000_123 });
    const whole = await storage.readFile("primary/wal_coverage.json", 4096);
    for (let bit = 0; bit < (whole.length - 1) * 8; bit += 1) {
      const changed = Buffer.from(whole);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(storage.absolutePath("primary/wal_coverage.json"), changed);
      expect([bit, await store.read()]).toEqual([bit, undefined]);
    }
  });

  it("is not written at every message, and the last one is at the end", async () => {
    const writes: WalCoverage[] = [];
    const store = { read: () => Promise.resolve(undefined), write: (each: WalCoverage) => Promise.resolve(void writes.push(each)) };
    const recorder = createCoverageRecorder(store, timelineId(1), { clock: { ...systemClock, monotonic: () => 1000 }, logger: silentLogger });
    for (let n = 1; n <= 50; n += 1) recorder.note({ lsn: lsn(n), serverTime: n });
    await recorder.finish();
    await recorder.finish();
    expect(writes.map(({ serverTime }) => serverTime)).toEqual([1, 50]);
  });

  it("that cannot be written does not end the receiver", async () => {
    const store = { read: () => Promise.resolve(undefined), write: () => Promise.reject(new Error("disk full")) };
    const recorder = createCoverageRecorder(store, timelineId(1), { clock: systemClock, logger: silentLogger });
    recorder.note({ lsn: lsn(1), serverTime: 1 });
    await expect(recorder.finish()).resolves.toBeUndefined();
  });
});
