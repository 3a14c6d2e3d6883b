/**
 * Small checks of which the message formats are put together. A check takes what arrived and the path to it, and
 * returns it typed or throws `IPC_MESSAGE` with that path.
 */
import { ipcErrors } from "./errors.ts";

export type Check<T> = (value: unknown, path: string) => T;

function refuse(path: string, expected: string): never {
  // Never the value itself: it may be a secret.
  throw ipcErrors.message(`"${path}" of a message is not ${expected}`, { path });
}

export const text: Check<string> = (value, path) => (typeof value === "string" ? value : refuse(path, "text"));
export const flag: Check<boolean> = (value, path) =>
  typeof value === "boolean" ? value : refuse(path, "true or false");
export const number: Check<number> = (value, path) =>
  typeof value === "number" && Number.isFinite(value) ? value : refuse(path, "a number");
export const count: Check<number> = (value, path) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse(path, "a whole number from 0 on");

/** One word of a list. */
export function oneOf<Word extends string>(...words: readonly Word[]): Check<Word> {
  return (value, path) => words.find((word) => word === value) ?? refuse(path, `one of ${words.join(", ")}`);
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, path) => (value === undefined ? undefined : check(value, path));
}

export function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? null : check(value, path));
}

export function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((item: unknown, index) => check(item, `${path}[${index}]`))
      : refuse(path, "a list");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object with any keys and values of one kind. */
export function dictionary<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, path) => {
    if (!isObject(value)) return refuse(path, "an object");
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, check(item, `${path}.${key}`)]));
  };
}

/** Checks of the keys of `T`; an optional key has a check that allows `undefined`. */
export type ObjectChecks<T> = { readonly [K in keyof Required<T>]: Check<T[K]> };

/** An object with exactly these keys: an unknown one is a disagreement between builds and refused. */
export function object<T extends object>(checks: ObjectChecks<T>): Check<T> {
  const known: Readonly<Record<string, Check<unknown>>> = checks;
  return (value, path) => {
    if (!isObject(value)) return refuse(path, "an object");
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(known, key)) refuse(`${path}.${key}`, "a known key");
    }
    for (const [key, check] of Object.entries(known)) {
      const checked = check(value[key], `${path}.${key}`);
      if (checked !== undefined) result[key] = checked;
    }
    return result as T;
  };
}

/** Any value that JSON can hold, up to 32 levels deep. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** Levels of lists and objects in one value; reading is recursive, and no fact of a job has more than a few. */
const deepest = 32;

function jsonWithin(levels: number): Check<JsonValue> {
  return (value, path) => {
    if (value === null || typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number") return number(value, path);
    if (levels === 0) return refuse(path, `of at most ${deepest} levels`);
    const inner = jsonWithin(levels - 1);
    return Array.isArray(value) ? list(inner)(value, path) : dictionary(inner)(value, path);
  };
}

export const json: Check<JsonValue> = jsonWithin(deepest);

/** A union whose members are told apart by the word in `tag`. */
export function variants<Tag extends string, Union extends Readonly<Record<Tag, string>>>(
  tag: Tag,
  members: { readonly [Word in Union[Tag]]: Check<Extract<Union, Readonly<Record<Tag, Word>>>> },
): Check<Union> {
  const known: Readonly<Record<string, Check<Union>>> = members;
  return (value, path) => {
    if (!isObject(value)) return refuse(path, "an object");
    const word = value[tag];
    const check = typeof word === "string" && Object.hasOwn(known, word) ? known[word] : undefined;
    if (check === undefined) return refuse(`${path}.${tag}`, `one of ${Object.keys(known).join(", ")}`);
    return check(value, path);
  };
}
