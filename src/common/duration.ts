/** Durations as operators write and read them. */
import { commonErrors } from "./errors.ts";

const seconds: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds of `30`, `5s`, `10m`, `2h`, `7d`, `1w` (pgmoneta's grammar, seconds without a unit). */
export function parseDuration(text: string): number {
  const match = /^(\d+)\s*([a-z]*)$/i.exec(text.trim());
  const factor = match === null ? undefined : seconds[(match[2] ?? "").toLowerCase()];
  const value = Number(match?.[1]) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(value)) {
    throw commonErrors.invalidValue(`"${text}" is not a duration: expected a whole number with s, m, h, d or w`, { value: text });
  }
  return value;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Milliseconds for people: `850 ms`, `12.4 s`, `3 min 05 s`, `1 h 03 min`, `2 d 04 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const total = Math.round(ms / 1000);
  if (total < 3600) return `${Math.floor(total / 60)} min ${two(total % 60)} s`;
  if (total < 86_400) return `${Math.floor(total / 3600)} h ${two(Math.floor((total % 3600) / 60))} min`;
  return `${Math.floor(total / 86_400)} d ${two(Math.floor((total % 86_400) / 3600))} h`;
}
