/** Inputs that are under way together: each is judged as if it were alone, and none of them is lost. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { cutSeldom } from "../../fuzz/engine/mutate.ts";
import { createRandom } from "../../fuzz/engine/random.ts";
import { runInputs, type Tally } from "../../fuzz/engine/run-inputs.ts";
import type { FuzzTarget, OpenTarget } from "../../fuzz/engine/target.ts";

const seeds = Array.from({ length: 10 }, (_, index) => Buffer.from(String(index)));

/** The first ten inputs are the seeds as they are; four are under way at a time. */
function runSeeds(run: OpenTarget["run"], options: { readonly inputs?: number; readonly patienceMs?: number } = {}): Promise<Tally> {
  const target: FuzzTarget = { name: "together", atOnce: 4, open: () => ({ corpus: seeds, run }) };
  return runInputs(target, { corpus: seeds, run }, { seed: "1", from: 0, inputs: 10, patienceMs: Infinity, ...options });
}

test("all are counted, and so many are under way", async () => {
  let most = 0;
  let now = 0;
  const seen: string[] = [];
  const tally = await runSeeds(async (input) => {
    now += 1;
    most = Math.max(most, now);
    seen.push(input.toString());
    await turn();
    now -= 1;
    return input.includes("3") ? "no" : undefined;
  });
  expect(tally).toMatchObject({ inputs: 10, accepted: 9, refusals: { no: 1 }, defects: [] });
  expect(seen.sort()).toEqual(seeds.map(String));
  expect(most).toBe(4);
});

test("what one of them does wrong is found to be its own", async () => {
  const { defects, accepted } = await runSeeds(async (input) => {
    await turn();
    if (input.includes("6")) throw new TypeError("of the sixth");
    return undefined;
  });
  expect(defects).toMatchObject([{ number: 6, input: Buffer.from("6") }]);
  expect(defects[0]?.text).toContain("of the sixth");
  expect(accepted).toBe(9);
});

test("so is the memory that one of them asks for", async () => {
  const { defects } = await runSeeds(async (input) => {
    await turn();
    if (input.includes("5")) Buffer.allocUnsafe(8 * 1024 * 1024);
    return undefined;
  });
  expect(defects).toMatchObject([{ number: 5, signature: "allocation" }]);
});

test("and the time that one of them takes", async () => {
  const { defects } = await runSeeds(
    async (input) => {
      await turn();
      const end = process.cpuUsage().user + 60_000;
      while (input.includes("8") && process.cpuUsage().user < end);
      return undefined;
    },
    { patienceMs: 10 },
  );
  expect(defects.filter(({ number }) => number === 8)).toMatchObject([{ signature: "slow" }]);
});

test("what goes wrong only beside others is a defect too", async () => {
  let now = 0;
  const { defects } = await runSeeds(async (input) => {
    now += 1;
    await turn();
    const alone = now === 1;
    now -= 1;
    if (input.includes("2") && !alone) throw new TypeError("somebody else was here");
    return undefined;
  });
  expect(defects).toMatchObject([{ number: 2 }]);
  expect(defects[0]?.text).toMatch(/^only beside the 3 that [^]*somebody else was here/);
});

test("an input that is cut in few pieces is whole when they are put together", () => {
  for (let round = 0; round < 500; round += 1) {
    const random = createRandom("cut", round);
    const input = Buffer.from(Array.from({ length: random.below(90) }, () => random.below(256)));
    const pieces = cutSeldom(input, random);
    expect(Buffer.concat(pieces)).toEqual(input);
    expect(pieces.every(({ length }) => length > 0)).toBe(true);
  }
});
