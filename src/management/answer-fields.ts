/** Reading answers without trusting them: pgmoneta's daemon lacks our keys, a newer one may have others. */
import { isDecimal, isJsonObject } from "./json.ts";
import type { JsonObject, JsonValue } from "./json.ts";

export const textIn = (object: JsonObject, key: string): string | undefined => {
  const value = object[key];
  return typeof value === "string" && value !== "" ? value : undefined;
};

export const numberIn = (object: JsonObject, key: string): number | bigint | undefined => {
  const value = object[key];
  if (isDecimal(value)) return value.value;
  return typeof value === "number" || typeof value === "bigint" ? value : undefined;
};

export const flagIn = (object: JsonObject, key: string): boolean | undefined => {
  const value = object[key];
  return typeof value === "boolean" ? value : undefined;
};

/** The objects of a list; nothing when the list is empty, which travels as `{}`. */
export const objectsIn = (object: JsonObject, key: string): readonly JsonObject[] => {
  const value = object[key];
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((item) => isJsonObject(item)) : [];
};

export const textsIn = (object: JsonObject, key: string): readonly string[] => {
  const value = object[key];
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter((item) => typeof item === "string") : [];
};

/** `0/5000028` from its two halves; undefined when one is missing. */
export function lsnIn(object: JsonObject, name: string): string | undefined {
  const high = numberIn(object, `${name}HiLSN`);
  const low = numberIn(object, `${name}LoLSN`);
  if (high === undefined || low === undefined) return undefined;
  return `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
}

/** Milliseconds since 1970 of an ISO time. */
export function timeIn(object: JsonObject, key: string): number | undefined {
  const text = textIn(object, key);
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
