import { replicationErrors } from "./errors.ts";

const bytesOf: Readonly<Record<string, number>> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };
const msOf: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A size as SHOW prints it (`16MB`, `8192`), in bytes; a number without a unit is taken as bytes. */
export function parseSizeSetting(text: string): number {
  return parse(text, bytesOf, 1);
}

/** A time as SHOW prints it (`1min`, `10s`, `0`), in milliseconds. */
export function parseTimeSetting(text: string): number {
  return parse(text, msOf, 1);
}

function parse(text: string, units: Readonly<Record<string, number>>, plain: number): number {
  const match = /^(-?[0-9]+)([A-Za-z]*)$/.exec(text);
  const factor = match?.[2] === "" ? plain : units[match?.[2] ?? ""];
  if (match === null || factor === undefined) throw replicationErrors.protocol(`setting with the unknown value "${text}"`);
  return Number(match[1]) * factor;
}
