/** `KEY=value` lines, read strictly. */
import type { MonetaError } from "../common/index.ts";
import { messageOf } from "../common/index.ts";
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { parseLsn, timelineId } from "../postgres/index.ts";

/** Makes the error for a reason. */
export type Refuse = (why: string, cause?: unknown) => MonetaError;

/** The values of a file, taken one by one; each reader refuses what is missing or not of its form. */
export interface Fields {
  /** Any text. */
  take(key: string): string;
  /** Text of the given form; `expected` completes the message. */
  pattern(key: string, form: RegExp, expected: string): string;
  /** What `read` makes of the text; undefined or an error of it is refused. */
  convert<T>(key: string, read: (value: string) => T | undefined, expected: string): T;
  count(key: string, greatest?: number): number;
  flag(key: string): boolean;
  lsn(key: string): Lsn;
  timeline(key: string): TimelineId;
  /** Milliseconds since 1970. */
  moment(key: string): number;
  /** What was not taken, in the order of the file. */
  rest(): [string, string][];
}

/** The lines of a file by their key; what is taken is gone, so that the rest are the unknown ones. */
export function openFields(text: string, refuse: Refuse, decode: (value: string) => string | undefined): Fields {
  const values = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "") continue;
    const at = line.indexOf("=");
    if (at <= 0) throw refuse(`line ${index + 1} is not of the form KEY=value`);
    const key = line.slice(0, at);
    if (values.has(key)) throw refuse(`${key} is there twice`);
    const value = decode(line.slice(at + 1));
    if (value === undefined) throw refuse(`the value of ${key} is not escaped as it should be`);
    values.set(key, value);
  }

  function take(key: string): string {
    const value = values.get(key);
    if (value === undefined) throw refuse(`${key} is missing`);
    values.delete(key);
    return value;
  }

  function pattern(key: string, form: RegExp, expected: string): string {
    const value = take(key);
    if (!form.test(value)) throw refuse(`${key} is ${JSON.stringify(value)}, expected ${expected}`);
    return value;
  }

  function convert<T>(key: string, read: (value: string) => T | undefined, expected: string): T {
    const value = take(key);
    let result: T | undefined;
    try {
      result = read(value);
    } catch (error) {
      throw refuse(`${key} is ${JSON.stringify(value)}: ${messageOf(error)}`, error);
    }
    if (result === undefined) throw refuse(`${key} is ${JSON.stringify(value)}, expected ${expected}`);
    return result;
  }

  const count = (key: string, greatest = Number.MAX_SAFE_INTEGER): number =>
    convert(
      key,
      (v) => (/^[0-9]{1,16}$/.test(v) && Number(v) <= greatest ? Number(v) : undefined),
      `a number up to ${greatest}`,
    );

  return {
    take,
    pattern,
    convert,
    count,
    flag: (key: string): boolean => count(key, 1) === 1,
    lsn: (key: string): Lsn => convert(key, parseLsn, "a WAL position"),
    timeline: (key: string): TimelineId =>
      convert(key, (v) => (/^[0-9]{1,10}$/.test(v) ? timelineId(Number(v)) : undefined), "a timeline"),
    moment: (key: string): number =>
      convert(
        key,
        (v) => {
          const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(v) ? Date.parse(v) : Number.NaN;
          // A day that does not exist is read as one of the next month: not what was written.
          return Number.isNaN(ms) || new Date(ms).toISOString() !== v ? undefined : ms;
        },
        "a moment in UTC",
      ),
    rest: (): [string, string][] => [...values],
  };
}
