/** Looking into JSON that was read from a file: what is not of the expected shape is undefined, never believed. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** The object on a line; undefined when it is not JSON or not an object. */
export function parseObject(text: string): JsonObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: the caller names the line.
    return undefined;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

export function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** A whole number from 0 that a double holds exactly; not the -0 that nobody writes. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}

/** The last millisecond that a Date can hold (ECMAScript, "Time Values and Time Range"). */
const latestMoment = 8_640_000_000_000_000;

/** Milliseconds since 1970, up to the last of which a date can be made: a later one would fail whoever shows it. */
export function isMoment(value: unknown): value is number {
  return isCount(value) && value <= latestMoment;
}

/** A number of 32 bits without sign. */
export function isUint32(value: unknown): value is number {
  return isCount(value) && value <= 0xffff_ffff;
}

/** Lower-case hexadecimal digits of this number. */
export function isHex(value: unknown, digits: number): value is string {
  return isText(value) && value.length === digits && /^[0-9a-f]*$/.test(value);
}

/** A list of chunks as triples [stored, plain, crc32c]. */
export function chunkList(value: unknown): { stored: number; plain: number; crc32c: number }[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const chunks: { stored: number; plain: number; crc32c: number }[] = [];
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || item.length !== 3) return undefined;
    const [stored, plain, crc32c] = item as unknown[];
    if (!isCount(stored) || !isCount(plain) || !isUint32(crc32c)) return undefined;
    chunks.push({ stored, plain, crc32c });
  }
  return chunks;
}
