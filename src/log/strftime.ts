/**
 * strftime(3) in the C locale and local time, for `log_line_prefix` and `log_path`: what C and POSIX define,
 * and GNU's %k, %l, %P, %s. An unknown conversion stays as it is, as in glibc. %Z is the name that Node has for the
 * zone, such as `GMT+1`, because the letters of the zone database are not within its reach.
 */

const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

const two = (value: number): string => String(value).padStart(2, "0");
const blank = (value: number): string => String(value).padStart(2, " ");
const dayName = (time: Date): string => days[time.getDay()] ?? "";
const monthName = (time: Date): string => months[time.getMonth()] ?? "";
const hour12 = (time: Date): number => time.getHours() % 12 || 12;

/** Day of the year from 0. Counted in UTC days of the local date, so that summer time cannot shift it. */
function dayOfYear(time: Date): number {
  return (
    (Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()) - Date.UTC(time.getFullYear(), 0, 1)) / 86_400_000
  );
}

/** Week of the year from 0, where weeks begin on `firstDay` (0 Sunday, 1 Monday). */
function weekOfYear(time: Date, firstDay: number): number {
  return Math.floor((dayOfYear(time) + 7 - ((time.getDay() + 7 - firstDay) % 7)) / 7);
}

/** ISO 8601: week 1 is the one with the first Thursday; its year may differ from the calendar's. */
function isoWeek(time: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(time.getFullYear(), time.getMonth(), time.getDate() + 4 - (time.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}

function offset(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

function zoneName(time: Date): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(time);
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
}

const conversions: Readonly<Record<string, string | ((time: Date) => string)>> = {
  a: (time) => dayName(time).slice(0, 3),
  A: dayName,
  b: (time) => monthName(time).slice(0, 3),
  B: monthName,
  c: "%a %b %e %H:%M:%S %Y",
  C: (time) => two(Math.floor(time.getFullYear() / 100)),
  d: (time) => two(time.getDate()),
  D: "%m/%d/%y",
  e: (time) => blank(time.getDate()),
  F: "%Y-%m-%d",
  g: (time) => two(isoWeek(time).year % 100),
  G: (time) => String(isoWeek(time).year),
  h: "%b",
  H: (time) => two(time.getHours()),
  I: (time) => two(hour12(time)),
  j: (time) => String(dayOfYear(time) + 1).padStart(3, "0"),
  k: (time) => blank(time.getHours()),
  l: (time) => blank(hour12(time)),
  m: (time) => two(time.getMonth() + 1),
  M: (time) => two(time.getMinutes()),
  n: () => "\n",
  p: (time) => (time.getHours() < 12 ? "AM" : "PM"),
  P: (time) => (time.getHours() < 12 ? "am" : "pm"),
  r: "%I:%M:%S %p",
  R: "%H:%M",
  s: (time) => String(Math.floor(time.getTime() / 1000)),
  S: (time) => two(time.getSeconds()),
  t: () => "\t",
  T: "%H:%M:%S",
  u: (time) => String(time.getDay() || 7),
  U: (time) => two(weekOfYear(time, 0)),
  V: (time) => two(isoWeek(time).week),
  w: (time) => String(time.getDay()),
  W: (time) => two(weekOfYear(time, 1)),
  x: "%m/%d/%y",
  X: "%H:%M:%S",
  y: (time) => two(time.getFullYear() % 100),
  Y: (time) => String(time.getFullYear()),
  z: offset,
  Z: zoneName,
  "%": () => "%",
};

/** The pattern with its conversions replaced for `time` (milliseconds since 1970), in local time. */
export function strftime(pattern: string, time: number): string {
  return expand(pattern, new Date(time));
}

function expand(pattern: string, time: Date): string {
  // E and O ask for the locale's alternative forms, of which the C locale has none.
  return pattern.replace(/%[EO]?([A-Za-z%])/g, (match, letter: string) => {
    const conversion = Object.hasOwn(conversions, letter) ? conversions[letter] : undefined;
    if (conversion === undefined) return match;
    return typeof conversion === "string" ? expand(conversion, time) : conversion(time);
  });
}
