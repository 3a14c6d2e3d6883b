import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDecimal, isJsonObject, parseJson } from "../../../src/management/index.ts";
import type { JsonObject, JsonValue } from "../../../src/management/index.ts";

/** A conversation recorded from pgmoneta 0.22 and its C client. */
export interface Capture {
  readonly request: JsonObject;
  readonly response: JsonObject;
  readonly clientJson: JsonObject | undefined;
}

const folder = join(import.meta.dirname, "../../fixtures/pgmoneta-captures");

const object = (value: JsonValue | undefined): JsonObject => {
  if (!isJsonObject(value)) throw new Error("the capture has another shape");
  return value;
};

export function readCapture(name: string): Capture {
  const capture = object(parseJson(readFileSync(join(folder, `${name}.json`), "utf8")));
  return {
    request: object(capture.request),
    response: object(capture.response),
    clientJson: capture.client_json === undefined ? undefined : object(capture.client_json),
  };
}

/** The payload of a request that was recorded as bytes. */
export function recordedPayload(name: string): string {
  const capture = object(parseJson(readFileSync(join(folder, `${name}.json`), "utf8")));
  if (typeof capture.request !== "string") throw new Error("the capture is not one of bytes");
  return capture.request;
}

export const category = (document: JsonObject, name: string): JsonObject => object(document[name]);

/** The type as the C client's parser sees it. */
function wireType(value: JsonValue | undefined): string {
  if (value === undefined) return "absent";
  if (value === null) return "null";
  if (isDecimal(value)) return "decimal";
  if (Array.isArray(value)) return value.length === 0 ? "nothing" : "list";
  if (isJsonObject(value)) return Object.keys(value).length === 0 ? "nothing" : "object";
  return typeof value === "bigint" ? "number" : typeof value;
}

/**
 * What of `expected` is missing in `actual` or has another type or value, as readable paths. Additional keys in
 * `actual` are allowed. A path in `differing` must have the type, but may have another value.
 */
export function missing(
  actual: JsonValue | undefined,
  expected: JsonValue,
  differing: readonly string[] = [],
  path = "",
): string[] {
  if (wireType(actual) !== wireType(expected)) return [`${path}: ${wireType(actual)} instead of ${wireType(expected)}`];
  if (Array.isArray(expected)) {
    const list = actual as readonly JsonValue[];
    return (expected as readonly JsonValue[]).flatMap((item, index) =>
      missing(list[index], item, differing, `${path}[${index}]`),
    );
  }
  if (isJsonObject(expected)) {
    const fields = actual as JsonObject;
    return Object.entries(expected).flatMap(([key, value]) =>
      missing(fields[key], value, differing, path === "" ? key : `${path}.${key}`),
    );
  }
  if (differing.includes(path)) return [];
  const plain = (value: JsonValue | undefined): unknown => (isDecimal(value) ? value.value : value);
  return plain(actual) === plain(expected)
    ? []
    : [`${path}: ${String(plain(actual))} instead of ${String(plain(expected))}`];
}
