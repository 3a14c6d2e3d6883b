import { describe, expect, it } from "vitest";
import { compare, consume, median, order, spread } from "../../bench/measure/index.ts";
import type { Contender } from "../../bench/measure/index.ts";
import { runOrFail } from "../../support/processes.ts";

const settle = (): Promise<void> => Promise.resolve();

describe("statistics", () => {
  it("finds the middle, whatever the order and the number", () => {
    expect(median([9, 1, 10])).toBe(9);
    expect(median([4, 1, 10, 2])).toBe(3);
    expect(median([])).toBeNaN();
  });

  it("says how far values lie apart in terms of the middle one", () => {
    expect(spread([2, 1, 4])).toBe(1.5);
    expect(spread([3])).toBe(0);
  });
});

describe("order", () => {
  it("takes turns after a warm-up", () => {
    const turns = [...order(["A", "B"], { runs: 2 })].map(({ contender, round }) => `${contender}${round}`);
    expect(turns).toEqual(["A0", "B0", "A1", "B1", "A2", "B2"]);
  });

  it("leaves the warm-up out where nobody wants it", () => {
    expect([...order(["A"], { runs: 1, warmUp: false })]).toEqual([{ contender: "A", round: 1 }]);
  });
});

describe("compare", () => {
  it("prepares and cleans up around each run and does not count the warm-up", async () => {
    const calls: string[] = [];
    const contender = (name: string): Contender => ({
      name,
      role: "peer",
      prepare: async () => void calls.push(`+${name}`),
      run: async () => void calls.push(name),
      after: async () => (calls.push(`-${name}`), { value: calls.length }),
    });
    const [a, b] = await compare([contender("a"), contender("b")], { runs: 1, settle });
    expect(calls).toEqual(["+a", "a", "-a", "+b", "b", "-b", "+a", "a", "-a", "+b", "b", "-b"]);
    expect(a?.samples.map(({ value }) => value)).toEqual([9]);
    expect(b?.warmUp?.value).toBe(6);
  });

  it("goes on without the one that fails, and still cleans up after it", async () => {
    let cleaned = 0;
    const bad: Contender = {
      name: "bad",
      role: "moneta",
      run: () => Promise.reject(new Error("no space")),
      after: async () => void (cleaned += 1),
    };
    const good: Contender = { name: "good", role: "peer", run: settle };
    const [first, second] = await compare([bad, good], { runs: 3, settle });
    expect(first).toMatchObject({ failure: "no space", samples: [] });
    expect(second?.samples).toHaveLength(3);
    expect(cleaned).toBe(1);
  });

  it("keeps whoever is not installed in the result, and does not run it", async () => {
    const absent: Contender = { name: "absent", role: "peer", missing: "not installed", run: () => Promise.reject(new Error("ran")) };
    expect(await compare([absent], { runs: 1, settle })).toEqual([{ name: "absent", role: "peer", samples: [], missing: "not installed" }]);
  });

  it("stops between two runs when it is interrupted", async () => {
    const stop = new AbortController();
    const one: Contender = { name: "one", role: "peer", run: async () => stop.abort(new Error("enough")) };
    await expect(compare([one], { runs: 9, settle, signal: stop.signal })).rejects.toThrow("enough");
  });
});

describe("consume", () => {
  it("counts the processor time and the bytes of programs that were started, those that they started too", async () => {
    const spin = "const end = Date.now() + 1e5; let used = 0; while (used < 1e5 && Date.now() < end) used = process.cpuUsage().user";
    const script = `"${process.execPath}" -e '${spin}'; dd if=/dev/zero of=/dev/null bs=1M count=50 2> /dev/null`;
    const costs = await consume({ closely: true }, async () => void (await runOrFail("/bin/sh", ["-c", script])));
    expect(costs.cpuSeconds).toBeGreaterThan(0.09);
    expect(costs.io.readCalls).toBeGreaterThan(50 * 1024 * 1024);
    expect(costs.treeResident).toBeGreaterThan(10 * 1024 * 1024);
    expect(costs.treeProportional).toBeGreaterThan(0);
  });
});
