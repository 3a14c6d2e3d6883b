/** The bound over all files, and the buffers behind it. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { createMemoryBudget, type PooledBuffer } from "../../../src/pipeline/memory-budget.ts";

const MEGABYTE = 1024 * 1024;

describe("the memory budget", () => {
  test("gives small files small buffers", () => {
    const budget = createMemoryBudget(8 * MEGABYTE, MEGABYTE);
    for (const size of [1, 8192, 16_384]) expect(budget.take(size, 1).bytes.length).toBe(16_384);
    expect(budget.take(16_385, 1).bytes.length).toBe(65_536);
    expect(budget.take(300_000, 1).bytes.length).toBe(MEGABYTE);
    expect(createMemoryBudget(MEGABYTE, 900_000).take(900_000, 1).bytes.length).toBe(900_000);
  });

  test("uses a buffer again when it was given back, and not before", () => {
    const budget = createMemoryBudget(8 * MEGABYTE, MEGABYTE);
    const first = budget.take(MEGABYTE, 1);
    expect(budget.take(MEGABYTE, 1).bytes).not.toBe(first.bytes);
    first.release();
    first.release();
    const again = budget.take(MEGABYTE, 1);
    expect(again.bytes).toBe(first.bytes);
    expect(budget.take(MEGABYTE, 1).bytes).not.toBe(first.bytes);
  });

  test("presses while too much is in use and something is under way, and lets go when it is not", async () => {
    const budget = createMemoryBudget(2 * MEGABYTE, MEGABYTE);
    const held = [budget.take(MEGABYTE, 1), budget.take(MEGABYTE, 1)];
    budget.begin();
    expect(budget.pressure()).toBeUndefined();
    const extra = budget.take(16_384, 1);
    const pressure = budget.pressure();
    expect(pressure).toBeInstanceOf(Promise);
    let free = false;
    void pressure?.then(() => (free = true));
    held[0]?.release();
    await pressure;
    expect(free).toBe(true);
    expect(budget.pressure()).toBeUndefined();
    extra.release();
  });

  test("needs no new buffers once a long file flows", () => {
    const budget = createMemoryBudget(4 * MEGABYTE, MEGABYTE);
    budget.charge(128 * 1024);
    budget.begin();
    const seen = new Set<Buffer>();
    const flowing: PooledBuffer[] = [];
    for (let chunk = 0; chunk < 200; chunk++) {
      while (budget.pressure() !== undefined) flowing.shift()?.release();
      const buffer = budget.take(MEGABYTE, 1);
      seen.add(buffer.bytes);
      flowing.push(buffer);
    }
    expect(seen.size).toBeLessThanOrEqual(6);
  });

  test("never makes anybody wait for what will not happen", async () => {
    const budget = createMemoryBudget(MEGABYTE, MEGABYTE);
    budget.take(MEGABYTE, 3);
    expect(budget.pressure()).toBeUndefined();
    budget.begin();
    const pressure = budget.pressure();
    expect(pressure).toBeInstanceOf(Promise);
    budget.end();
    await pressure;
    expect(budget.pressure()).toBeUndefined();
  });

  test("counts exactly, whatever is taken and given back in whatever order", () => {
    const sizes = fc.array(
      fc.record({
        size: fc.integer({ min: 1, max: MEGABYTE }),
        weight: fc.integer({ min: 1, max: 3 }),
        release: fc.nat(20),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(sizes, (steps) => {
        const budget = createMemoryBudget(4 * MEGABYTE, MEGABYTE);
        const held: { buffer: PooledBuffer; counted: number }[] = [];
        const give = budget.charge(1000);
        for (const { size, weight, release } of steps) {
          const buffer = budget.take(size, weight);
          expect(buffer.bytes.length).toBeGreaterThanOrEqual(size);
          expect(held.some((other) => other.buffer.bytes === buffer.bytes)).toBe(false);
          held.push({ buffer, counted: buffer.bytes.length * weight });
          if (release < held.length) held.splice(release, 1)[0]?.buffer.release();
          expect(budget.used).toBe(1000 + held.reduce((sum, each) => sum + each.counted, 0));
        }
        for (const { buffer } of held) buffer.release();
        give();
        give();
        expect(budget.used).toBe(0);
      }),
    );
  });
});
