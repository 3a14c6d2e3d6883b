/** Labels: seconds of UTC as digits. They only grow, so that the order of names is the order of backups for people. */
import { repositoryErrors } from "./errors.ts";

/** The label of a moment (milliseconds since 1970). */
export function labelOf(time: number): string {
  return new Date(time).toISOString().replace(/\D/g, "").slice(0, 14);
}

/**
 * The moment that a label stands for, read as UTC. A part that no calendar has runs over into the next, never back, so
 * that a later moment always has a greater label.
 */
export function timeOfLabel(label: string): number {
  const part = (start: number, end: number, least = 0): number => Math.max(least, Number(label.slice(start, end)));
  return Date.UTC(part(0, 4), part(4, 6, 1) - 1, part(6, 8, 1), part(8, 10), part(10, 12), part(12, 14));
}

/**
 * A label for `now` that is greater than every label in `taken`: the clock may stand still, run backwards or have
 * been wrong, and pgmoneta's labels are in local time. Throws BACKUP_LABELS_EXHAUSTED after the year 9999.
 */
export function nextLabelAfter(taken: Iterable<string>, now: number): string {
  let newest = "";
  for (const label of taken) if (label > newest) newest = label;
  const candidate = labelOf(now);
  if (candidate > newest) return candidate;
  const next = timeOfLabel(newest) + 1000;
  if (next > Date.UTC(9999, 11, 31, 23, 59, 59)) {
    throw repositoryErrors.labelsExhausted(`no label comes after ${newest}`, { label: newest });
  }
  return labelOf(next);
}
