/** One target in a process of its own, so that the one who started it survives a hang and a crash of native code. */
import { openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { inputNumber } from "./engine/input.ts";
import { runInputs } from "./engine/run-inputs.ts";
import { fuzzTargets } from "./targets/index.ts";

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    seed: { type: "string" },
    from: { type: "string", default: "0" },
    inputs: { type: "string", default: "1000" },
    /** Inputs under way at a time; default: as many as the target bears. */
    "at-once": { type: "string" },
    minutes: { type: "string" },
    /** Where the number of the input at work is kept, or of the first of those at work. */
    mark: { type: "string" },
    /** Prints the input with this number instead of running it. */
    show: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

if (values.list) {
  console.log(JSON.stringify(fuzzTargets.map(({ name, atOnce }) => ({ name, atOnce: atOnce ?? 1 }))));
} else {
  const target = fuzzTargets.find(({ name }) => name === values.target);
  if (target === undefined || values.seed === undefined) throw new Error(`there is no target ${values.target ?? ""}, or no seed`);
  const open = await target.open();
  if (values.show !== undefined) {
    console.log(inputNumber(target, open, values.seed, Number(values.show)).bytes.toString("base64"));
  } else {
    const mark = values.mark === undefined ? undefined : openSync(values.mark, "w");
    const place = Buffer.alloc(8);
    const tally = await runInputs(target, open, {
      seed: values.seed,
      from: Number(values.from),
      inputs: Number(values.inputs),
      ...(values["at-once"] === undefined ? {} : { atOnce: Number(values["at-once"]) }),
      ...(values.minutes === undefined ? {} : { until: performance.now() + Number(values.minutes) * 60_000 }),
      onInput: (number) => {
        if (mark === undefined) return;
        place.writeDoubleLE(number);
        writeSync(mark, place, 0, 8, 0);
      },
    });
    const defects = tally.defects.map(({ input, ...rest }) => ({ ...rest, input: input.toString("base64") }));
    console.log(JSON.stringify({ ...tally, defects }));
  }
  await open.close?.();
}
