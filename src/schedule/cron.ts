/** Cron expressions: five fields, or six with seconds first, and `@daily` and its like, in a time zone (library croner). */
import { Cron } from "croner";

/** Longest expression; nobody writes one, and its lists would be worked through. */
const longest = 200;

/** Why a text is no expression; undefined for one that comes due some day. */
export function cronProblem(text: string): string | undefined {
  if (text.length > longest) return `a cron expression of at most ${longest} characters`;
  // The library also takes a date, which is no schedule.
  if (!/^(?:@[a-z]+|\S+(?:\s+\S+){4,5})$/i.test(text))
    return "a cron expression of five fields, or six with seconds first";
  try {
    return cronOf(text, "UTC").nextRun() === null ? "a cron expression that comes due some day" : undefined;
  } catch (error) {
    return `a cron expression that can be read (${error instanceof Error ? error.message.replace(/^\w+: /, "") : String(error)})`;
  }
}

/** Whether the system knows a time zone of this name (IANA). */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    // "No" is the answer that was asked for.
    return false;
  }
}

/**
 * The first moment after `after` at which the expression comes due; milliseconds since 1970. A time that a change of
 * the clocks leaves out comes due when the clocks have changed, one that it brings twice comes due once.
 */
export function nextMoment(cron: string, zone: string, after: number): number | undefined {
  // Whole seconds, as the library counts: what lies within this second has been.
  return cronOf(cron, zone)
    .nextRun(new Date(Math.floor(after / 1000) * 1000))
    ?.getTime();
}

/** The last `count` moments that are not after `until`, the latest first. */
export function momentsUntil(cron: string, zone: string, until: number, count: number): readonly number[] {
  return cronOf(cron, zone)
    .previousRuns(count, new Date(Math.floor(until / 1000) * 1000 + 1000))
    .map((date) => date.getTime());
}

const known = new Map<string, Cron>();
/** Two for each of many servers. One takes 80 kB, and whoever changes a configuration again and again leaves them behind. */
const mostKnown = 256;

/** Reading an expression takes longer than asking it. */
function cronOf(cron: string, zone: string): Cron {
  const key = `${zone} ${cron}`;
  const read = known.get(key) ?? new Cron(cron, { paused: true, timezone: zone, mode: "5-or-6-parts" });
  // The latest stands last.
  known.delete(key);
  known.set(key, read);
  if (known.size > mostKnown) for (const oldest of known.keys()) if (known.delete(oldest)) break;
  return read;
}
