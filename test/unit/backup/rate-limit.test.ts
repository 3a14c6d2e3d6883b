import { expect, it } from "vitest";
import { createRateLimit } from "../../../src/backup/rate-limit.ts";
import { createManualClock } from "../supervisor/stand-ins.ts";

function rig(first: number) {
  const clock = createManualClock();
  const stop = new AbortController();
  const changes: number[] = [];
  let rate = first;
  const limit = createRateLimit({ rate: () => rate, changed: (next) => changes.push(next), clock, signal: stop.signal });
  let arrived = 0;
  /** Lets bytes arrive in pieces, each when there is no pressure any more, as the socket does. */
  const source = (async () => {
    while (!stop.signal.aborted) {
      limit.arrived(8192);
      arrived += 8192;
      for (let wait = limit.pressure(); wait !== undefined; wait = limit.pressure()) await wait;
      if (rate === 0 || arrived > 50_000_000) return;
    }
  })();
  const step = async (ms: number): Promise<number> => {
    const before = arrived;
    for (let at = 0; at < ms; at += 10) await clock.advance(10);
    return arrived - before;
  };
  return { changes, clock, limit, source, step, stop, set: (next: number) => (rate = next) };
}

it("K05: a new rate holds within a second for what is under way, up, down, and without a limit", async () => {
  const { changes, set, source, step } = rig(100_000);
  expect(await step(10_000)).toBeGreaterThan(950_000);
  expect(await step(10_000)).toBeLessThan(1_050_000);
  set(1_000_000);
  await step(1000);
  expect(changes).toEqual([1_000_000]);
  const faster = await step(10_000);
  expect(faster).toBeGreaterThan(9_000_000);
  expect(faster).toBeLessThan(10_500_000);
  set(50_000);
  await step(1000);
  expect(await step(10_000)).toBeLessThan(550_000);
  set(0);
  await step(1000);
  await source;
  expect(changes).toEqual([1_000_000, 50_000, 0]);
});

it("a new rate is noticed in the middle of a long wait", async () => {
  const { clock, limit, set, source, stop } = rig(32_768);
  limit.arrived(32_768 * 3600);
  let over = false;
  const wait = limit.pressure();
  void wait?.then(() => (over = true));
  await clock.advance(1000);
  expect(over).toBe(false);
  set(0);
  await clock.advance(1000);
  expect(over).toBe(true);
  stop.abort();
  await source;
});

it("saves up no more than a tenth of a second, is no slower than PostgreSQL's slowest, and ends with the backup", async () => {
  const clock = createManualClock();
  const stop = new AbortController();
  const limit = createRateLimit({ rate: () => 1, changed: () => undefined, clock, signal: stop.signal });
  await clock.advance(3_600_000);
  limit.arrived(3276);
  expect(limit.pressure()).toBeUndefined();
  limit.arrived(32_768);
  const wait = limit.pressure();
  expect(clock.asked.at(-1)).toBeGreaterThan(990);
  expect(clock.asked.at(-1)).toBeLessThanOrEqual(1000);
  stop.abort();
  await wait;
  expect(limit.pressure()).toBeUndefined();
});

it("asks for the rate ten times a second, not with each piece", async () => {
  const clock = createManualClock();
  let asked = 0;
  const rate = (): number => {
    asked += 1;
    return 0;
  };
  const limit = createRateLimit({ rate, changed: () => undefined, clock, signal: new AbortController().signal });
  for (let second = 0; second < 2; second += 1) {
    for (let piece = 0; piece < 1000; piece += 1) {
      limit.arrived(32_768);
      expect(limit.pressure()).toBeUndefined();
      if (piece % 100 === 0) await clock.advance(100);
    }
  }
  expect(asked).toBeGreaterThanOrEqual(19);
  expect(asked).toBeLessThanOrEqual(22);
});
