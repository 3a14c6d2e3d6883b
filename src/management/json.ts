/**
 * JSON as pgmoneta's C peers write and read it: keys in byte order, no spaces, numbers with a fraction kept apart
 * from whole numbers (their parser makes an integer of one and a double of the other), nothing for "empty list":
 * an empty list and an empty object are both `{}`.
 *
 * The parser is our own because `JSON.parse` forgets whether a number was written `0` or `0.000000`, rounds whole
 * numbers above 2^53 and has no limit on nesting.
 */
import { managementErrors } from "./errors.ts";

const decimalMark = Symbol("decimal");

/** A number that travels with a decimal point. */
export interface Decimal {
  readonly [decimalMark]: true;
  readonly value: number;
}

export type JsonScalar = string | number | bigint | boolean | null | Decimal;
export type JsonValue = JsonScalar | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Marks a number as one with a fraction: `decimal(0)` is written `0.000000`. */
export function decimal(value: number): Decimal {
  return { [decimalMark]: true, value };
}

export function isDecimal(value: JsonValue | undefined): value is Decimal {
  return typeof value === "object" && value !== null && decimalMark in value;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isDecimal(value);
}

function scalarText(value: JsonScalar): string {
  if (isDecimal(value)) return Number.isFinite(value.value) ? value.value.toFixed(6) : "0.000000";
  if (typeof value === "bigint") return value.toString();
  // Writing never fails: an answer about something done must not turn into "failed" over a figure.
  if (typeof value === "number" && !Number.isInteger(value)) return scalarText(decimal(value));
  return JSON.stringify(value);
}

/** Which key comes first: pgmoneta's order is that of the bytes. */
export const byKey = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/**
 * Text of a document. `indent` 0 is the compact form of the wire; any other value puts every entry on a line
 * of its own, for people and for `--format json`.
 */
export function encodeJson(value: JsonValue, indent = 0, depth = 0): string {
  if (typeof value !== "object" || value === null || isDecimal(value)) return scalarText(value);
  const entries = Array.isArray(value)
    ? (value as readonly JsonValue[]).map((item) => encodeJson(item, indent, depth + 1))
    : Object.entries(value)
        .sort(([a], [b]) => byKey(a, b))
        .map(([key, item]) => `${JSON.stringify(key)}:${indent > 0 ? " " : ""}${encodeJson(item, indent, depth + 1)}`);
  if (entries.length === 0) return "{}";
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (indent === 0) return `${open}${entries.join(",")}${close}`;
  const pad = " ".repeat(indent * (depth + 1));
  return `${open}\n${pad}${entries.join(`,\n${pad}`)}\n${" ".repeat(indent * depth)}${close}`;
}

const maxDepth = 32;
/** No number of the protocol has more; taking one of millions apart would hold up everybody else. */
const maxDigits = 64;
const numberForm = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const spaceForm = /[ \t\n\r]*/y;

/**
 * Reads one document. Throws `MANAGEMENT_DOCUMENT_INVALID` on anything that is not JSON, on more than 32 levels,
 * on a key that occurs twice in one object, and on text after the end.
 */
export function parseJson(text: string): JsonValue {
  let at = 0;
  const fail = (expected: string): never => {
    throw managementErrors.documentInvalid(
      `not a JSON document: expected ${expected} at character ${at + 1} of ${text.length}`,
    );
  };
  const skipSpace = (): void => {
    spaceForm.lastIndex = at;
    spaceForm.exec(text);
    at = spaceForm.lastIndex;
  };
  const readString = (): string => {
    const start = at + 1;
    let end = text.indexOf('"', start);
    for (;;) {
      if (end < 0) return fail('a closing "');
      let backslashes = 0;
      while (text.charCodeAt(end - 1 - backslashes) === 0x5c && end - 1 - backslashes >= start) backslashes += 1;
      if (backslashes % 2 === 0) break;
      end = text.indexOf('"', end + 1);
    }
    const raw = text.slice(start, end);
    at = end + 1;
    if (!raw.includes("\\")) return raw;
    try {
      // C writers leave control characters as they are; JSON.parse accepts them only as escapes.
      const strict = raw.replace(/[\u0000-\u001f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
      return JSON.parse(`"${strict}"`) as string;
    } catch {
      // Only a wrong escape sequence can bring us here; the position says where.
      return fail("a valid escape sequence");
    }
  };
  const readNumber = (): JsonScalar => {
    numberForm.lastIndex = at;
    const match = numberForm.exec(text);
    if (match === null) return fail("a value");
    if (match[0].length > maxDigits) return fail(`a number of at most ${maxDigits} characters`);
    at = numberForm.lastIndex;
    if (match[1] !== undefined || match[2] !== undefined) return decimal(Number(match[0]));
    const whole = Number(match[0]);
    return Number.isSafeInteger(whole) ? whole : BigInt(match[0]);
  };
  const readWord = (): JsonScalar => {
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return value;
      }
    }
    return readNumber();
  };
  const readValue = (depth: number): JsonValue => {
    skipSpace();
    const first = text[at];
    if (first === '"') return readString();
    if (first !== "{" && first !== "[") return readWord();
    if (depth >= maxDepth) return fail(`no more than ${maxDepth} levels`);
    at += 1;
    return first === "[" ? readList(depth + 1) : readObject(depth + 1);
  };
  /** True when another entry follows, false when `close` ended the collection. */
  const another = (close: string, first: boolean): boolean => {
    skipSpace();
    if (text[at] === close) {
      at += 1;
      return false;
    }
    if (first) return true;
    if (text[at] !== ",") fail(`"," or "${close}"`);
    at += 1;
    skipSpace();
    return true;
  };
  const readList = (depth: number): JsonValue => {
    const list: JsonValue[] = [];
    while (another("]", list.length === 0)) list.push(readValue(depth));
    return list;
  };
  const readObject = (depth: number): JsonValue => {
    const entries = new Map<string, JsonValue>();
    while (another("}", entries.size === 0)) {
      if (text[at] !== '"') fail("a key in quotes");
      const key = readString();
      if (entries.has(key)) fail(`no second "${key}"`);
      skipSpace();
      if (text[at] !== ":") fail('":"');
      at += 1;
      entries.set(key, readValue(depth));
    }
    return Object.fromEntries(entries);
  };
  const value = readValue(0);
  skipSpace();
  if (at < text.length) fail("the end");
  return value;
}
