import { describe, expect, it } from "vitest";
import { createGate, createWeightedTasks } from "../../../src/common/index.ts";

describe("tasks of different weight", () => {
  it("share the bound, and one that is heavier than it has all of it", async () => {
    const tasks = createWeightedTasks(4, new AbortController().signal);
    let now = 0;
    const seen: number[] = [];
    const weighing = (weight: number) => async (): Promise<void> => {
      now += Math.min(4, weight);
      seen.push(now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= Math.min(4, weight);
    };
    await tasks.run(async () => {
      for (const weight of [1, 1, 1, 9, 2, 2, 1]) await tasks.start(weight, weighing(weight));
    });
    expect([seen.length, Math.max(...seen), now]).toEqual([7, 4, 0]);
  });

  it("end with the first failure, of one of them or of whoever starts them, when none is under way", async () => {
    for (const where of ["task", "source"] as const) {
      const tasks = createWeightedTasks(2, new AbortController().signal);
      let ended = 0;
      const lasting = async (): Promise<void> => {
        const stopped = createGate();
        tasks.signal.addEventListener("abort", () => stopped.open());
        await stopped.wait();
        ended += 1;
        throw new Error("a later one");
      };
      const run = tasks.run(async () => {
        await tasks.start(1, lasting);
        if (where === "source") throw new Error("the first");
        await tasks.start(1, () => Promise.reject(new Error("the first")));
        await tasks.start(1, lasting);
      });
      await expect(run).rejects.toThrow("the first");
      expect(ended).toBe(1);
      expect(() => tasks.check()).toThrow("the first");
    }
  });

  it("end with the signal of the caller, whatever else failed because of it", async () => {
    const controller = new AbortController();
    const tasks = createWeightedTasks(1, controller.signal);
    const run = tasks.run(async () => {
      await tasks.start(1, async () => {
        controller.abort();
        throw new Error("cut off");
      });
      await tasks.start(1, () => Promise.resolve());
    });
    await expect(run).rejects.toMatchObject({ code: "ABORTED" });
  });
});
