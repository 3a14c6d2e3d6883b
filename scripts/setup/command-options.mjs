import { parseArgs } from "node:util";

/**
 * Options of a program that tests something. A number that is none must not become a run of no rounds that found
 * nothing wrong: whatever is not understood ends the process with status 2 and the usage; `--help` prints that.
 * @param {Readonly<Record<string, string | number | boolean | undefined | readonly string[] | { least: number, default?: number, whole?: boolean }>>} known
 *   what each option is: a text or `undefined` (a text without a default), `false` (a switch), `[]` (a text that may be
 *   repeated), or the bounds of a number
 * @param {string} usage
 */
export function commandOptions(known, usage) {
  const refuse = (problem) => {
    console.error(`${problem}\n\n${usage}`);
    process.exit(2);
  };
  const options = { help: { type: "boolean", short: "h" } };
  for (const [name, what] of Object.entries(known)) {
    options[name] = what === false ? { type: "boolean", default: false } : { type: "string", multiple: Array.isArray(what) };
  }
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    refuse(error.message);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const read = {};
  for (const [name, what] of Object.entries(known)) {
    const given = values[name];
    if (!isNumber(what)) read[name] = given ?? what;
    else if (given === undefined) read[name] = what.default;
    else read[name] = numberOf(given, what) ?? refuse(`--${name} takes a ${what.whole === false ? "" : "whole "}number from ${what.least} up, not "${given}"`);
  }
  return read;
}

const isNumber = (what) => typeof what === "object" && !Array.isArray(what);

function numberOf(text, { least, whole = true }) {
  const number = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  return number >= least && (!whole || Number.isSafeInteger(number)) ? number : undefined;
}
