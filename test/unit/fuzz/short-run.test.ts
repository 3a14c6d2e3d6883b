/**
 * A short run of the fuzzer over every parser. The long one is `npm run fuzz`; it prints what to put here: an input
 * that fails becomes a test of its own in regression.test.ts.
 */
import { afterAll, expect, test } from "vitest";
import { inputNumber } from "../../fuzz/engine/input.ts";
import { judge } from "../../fuzz/engine/judge.ts";
import { runInputs } from "../../fuzz/engine/run-inputs.ts";
import type { OpenTarget } from "../../fuzz/engine/target.ts";
import { fuzzTargets } from "../../fuzz/targets/index.ts";
import { countFromEnvironment } from "../../support/long-run.ts";

const seed = process.env["MONETA_FUZZ_SEED"] ?? String(Date.now());
const inputs = countFromEnvironment("MONETA_FUZZ_INPUTS", 300);
const opened: OpenTarget[] = [];

console.log(`fuzzing with MONETA_FUZZ_SEED=${seed}`);

afterAll(async () => {
  for (const open of opened) await open.close?.();
});

test.each(fuzzTargets)("$name answers or refuses, whatever comes", async (target) => {
  const open = await target.open();
  opened.push(open);
  let accepted = 0;
  for (const number of open.corpus.keys()) {
    const { bytes, seed: of } = inputNumber(target, open, seed, number);
    // Where chance decides how an input is read, it has several chances to be read as what it is.
    for (let chance = 0; chance < 8; chance += 1) {
      const { refusal, defect } = await judge(target, open, bytes, `${of}/${chance}`, Infinity);
      if (refusal === undefined && defect === undefined) accepted += 1;
    }
  }
  // Inputs of our own writers that are all refused would test nothing.
  expect(accepted).toBeGreaterThan(0);
  const count = Math.max(20, Math.ceil(inputs / (target.cost ?? 1)));
  const { defects } = await runInputs(target, open, { seed, from: 0, inputs: count, patienceMs: Infinity });
  expect(defects.map(({ number, text, input }) => `input ${number} of seed ${seed}: ${text}\n${input.toString("base64")}`)).toEqual([]);
});
