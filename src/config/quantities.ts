/** Durations and byte sizes as pgmoneta's configuration spells them: a whole number and one optional unit. */
import { MonetaError, parseByteSize, parseDuration } from "../common/index.ts";

function unlessInvalid(parse: (text: string) => number, text: string): number | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof MonetaError) return undefined;
    throw error;
  }
}

/** Seconds of `90`, `90s`, `5m`, `2h`, `7d`, `1w`; undefined when the text is nothing of the kind. */
export function readSeconds(text: string): number | undefined {
  return unlessInvalid(parseDuration, text);
}

/** Bytes of `100`, `100B`, `256k`, `64MB`, `2G`; undefined when the text is nothing of the kind. */
export function readBytes(text: string): number | undefined {
  return unlessInvalid(parseByteSize, text);
}

type Units = readonly (readonly [name: string, factor: number])[];
const secondsIn: Units = [
  ["w", 604_800],
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
];
const bytesIn: Units = [
  ["G", 1024 ** 3],
  ["M", 1024 ** 2],
  ["k", 1024],
  ["B", 1],
];

function inLargestUnit(value: number, units: Units): string {
  const fitting = units.find(([, factor]) => value !== 0 && value % factor === 0);
  return fitting === undefined ? String(value) : `${value / fitting[1]}${fitting[0]}`;
}

/** The shortest text that is read as exactly this number of seconds (`formatDuration` rounds, for people). */
export function exactSeconds(seconds: number): string {
  return inLargestUnit(seconds, secondsIn);
}

/** The shortest text that is read as exactly this number of bytes. */
export function exactBytes(bytes: number): string {
  return inLargestUnit(bytes, bytesIn);
}
