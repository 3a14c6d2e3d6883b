/** Blackout windows: times of the day, on some or all days of the week, in which nothing is started by itself. */

export interface BlackoutWindow {
  /** Days on which it begins, 0 is Sunday. */
  readonly days: readonly number[];
  /** Minutes after midnight; an end that is not after the begin lies on the next day. */
  readonly from: number;
  readonly to: number;
}

const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const everyDay = dayNames.map((_, day) => day);
const minutesOfDay = 24 * 60;

/** Reads `22:00-06:00`, `mon-fri 08:00-18:00`, `sat 00:00-24:00`; undefined when it is none of these. */
export function parseBlackout(text: string): BlackoutWindow | undefined {
  const match = /^(?:([a-z]{3})(?:-([a-z]{3}))? +)?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(
    text.trim().toLowerCase(),
  );
  if (match === null) return undefined;
  const [, first, last, ...times] = match;
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = times.map(Number);
  if (fromMinute > 59 || toMinute > 59) return undefined;
  const from = fromHour * 60 + fromMinute;
  const to = toHour * 60 + toMinute;
  if (from >= minutesOfDay || to > minutesOfDay || from === to) return undefined;
  const days = first === undefined ? everyDay : daysBetween(first, last ?? first);
  return days === undefined ? undefined : { days, from, to };
}

function daysBetween(first: string, last: string): number[] | undefined {
  const [begin, end] = [first, last].map((name) => dayNames.findIndex((day) => day === name));
  if (begin === undefined || end === undefined || begin < 0 || end < 0) return undefined;
  return everyDay
    .filter((day) => (day - begin + 7) % 7 <= (end - begin + 7) % 7)
    .sort((a, b) => ((a - begin + 7) % 7) - ((b - begin + 7) % 7));
}

/** The text that `parseBlackout` reads as this window. */
export function formatBlackout({ days, from, to }: BlackoutWindow): string {
  const time = (minutes: number): string =>
    `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  const times = `${time(from)}-${time(to)}`;
  if (days.length === everyDay.length) return times;
  const [first, last] = [days[0] ?? 0, days.at(-1) ?? 0].map((day) => dayNames[day]);
  return `${first === last ? first : `${first}-${last}`} ${times}`;
}

/** The window that a moment lies in, by the clocks of the zone. */
export function blackoutAt(
  windows: readonly BlackoutWindow[],
  zone: string,
  moment: number,
): BlackoutWindow | undefined {
  if (windows.length === 0) return undefined;
  const { day, minute } = localTime(moment, zone);
  const yesterday = (day + 6) % 7;
  return windows.find(({ days, from, to }) => {
    if (to > from) return days.includes(day) && minute >= from && minute < to;
    return (days.includes(day) && minute >= from) || (days.includes(yesterday) && minute < to);
  });
}

function localTime(moment: number, zone: string): { readonly day: number; readonly minute: number } {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = new Map(format.formatToParts(moment).map(({ type, value }) => [type, value]));
  const day = dayNames.findIndex((name) => name === parts.get("weekday")?.toLowerCase());
  return { day, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
}
