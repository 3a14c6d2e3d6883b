/** Sizes as operators write and read them. */
import { commonErrors } from "./errors.ts";

const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
};

/** Bytes of `10`, `10B`, `256k`, `16MB`, `1G` (pgmoneta's grammar: powers of 1024, case does not matter). */
export function parseByteSize(text: string): number {
  const match = /^(\d+)\s*([a-z]*)$/i.exec(text.trim());
  const factor = match === null ? undefined : units[(match[2] ?? "").toLowerCase()];
  const bytes = Number(match?.[1]) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(bytes)) {
    throw commonErrors.invalidValue(`"${text}" is not a size: expected a whole number with B, K, KB, M, MB, G or GB`, { value: text });
  }
  return bytes;
}

const names = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `1.93 GB`: powers of 1024, three significant digits at most after the point rule of two. */
export function formatByteSize(bytes: number | bigint): string {
  let value = Number(bytes);
  let index = 0;
  while (Math.abs(value) >= 1024 && index < names.length - 1) {
    value /= 1024;
    index += 1;
  }
  const digits = index === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${names[index]}`;
}
