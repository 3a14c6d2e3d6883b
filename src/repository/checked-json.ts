/**
 * A line of JSON with a checksum of its own: a digit that flipped leaves it as good JSON as before, and what it says
 * would be believed.
 */
import { crc32c } from "../pipeline/index.ts";
import { type JsonObject, parseObject } from "./json-shape.ts";

/** The object with the CRC-32C of its text before that as last member, without a newline. */
export function formatChecked(object: JsonObject): string {
  const body = JSON.stringify(object).slice(0, -1);
  return `${body},"crc32c":${crc32c(body)}}`;
}

/** The object without its checksum; undefined when the text was changed. White space around it does not count. */
export function parseChecked(text: string): JsonObject | undefined {
  const [, body = "", checksum] = /^([^]*),"crc32c":([0-9]+)\}$/.exec(text.trim()) ?? [];
  if (checksum === undefined || crc32c(body) !== Number(checksum)) return undefined;
  return parseObject(`${body}}`);
}
