/**
 * The calendar rules a second time, written from the manual alone and in another way: by the dates that people read,
 * as texts, one backup after the other. For valid full backups of one cluster.
 */

export interface Taken {
  readonly label: string;
  /** `2026-11-30T03:00:00Z`. */
  readonly moment: string;
}

export interface Calendar {
  readonly days: number;
  readonly weeks: number;
  readonly months: number;
  readonly years: number;
}

const dateOf = (moment: string): string => moment.slice(0, 10);

/** The date so many days before. */
function daysBefore(date: string, days: number): string {
  const moved = new Date(`${date}T12:00:00Z`);
  moved.setUTCDate(moved.getUTCDate() - days);
  return moved.toISOString().slice(0, 10);
}

const mondays = new Map<string, string>();

function mondayOf(date: string): string {
  const known = mondays.get(date);
  if (known !== undefined) return known;
  let day = date;
  while (new Date(`${day}T12:00:00Z`).getUTCDay() !== 1) day = daysBefore(day, 1);
  mondays.set(date, day);
  return day;
}

/** The newest backup of the earliest date in a group. */
function chosen(group: readonly Taken[]): Taken | undefined {
  const dates = group.map(({ moment }) => dateOf(moment)).sort();
  return group
    .filter(({ moment }) => dateOf(moment) === dates[0])
    .sort((a, b) => (a.moment < b.moment ? -1 : 1))
    .pop();
}

function ofPeriods(
  backups: readonly Taken[],
  present: string,
  nameOf: (date: string) => string,
  before: (name: string) => string,
  count: number,
): string[] {
  let name = nameOf(present);
  const inPeriod = (): Taken[] => backups.filter(({ moment }) => nameOf(dateOf(moment)) === name);
  if (inPeriod().length === 0) name = before(name);
  const found: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const one = chosen(inPeriod());
    if (one !== undefined) found.push(one.label);
    name = before(name);
  }
  return found;
}

const monthBefore = (month: string): string => {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return number === 1 ? `${year - 1}-12` : `${year}-${String(number - 1).padStart(2, "0")}`;
};

/** Labels of the backups that stay at `now`. */
export function keptByCalendar(backups: readonly Taken[], calendar: Calendar, now: string): Set<string> {
  const limit = `${daysBefore(dateOf(now), calendar.days)}${now.slice(10)}`;
  const newest = [...backups].sort((a, b) => (a.moment < b.moment ? -1 : 1)).pop();
  return new Set([
    ...backups.filter(({ moment }) => moment > limit).map(({ label }) => label),
    ...ofPeriods(backups, dateOf(now), mondayOf, (monday) => daysBefore(monday, 7), calendar.weeks),
    ...ofPeriods(backups, dateOf(now), (date) => date.slice(0, 7), monthBefore, calendar.months),
    ...ofPeriods(
      backups,
      dateOf(now),
      (date) => date.slice(0, 4),
      (year) => String(Number(year) - 1),
      calendar.years,
    ),
    ...(newest === undefined ? [] : [newest.label]),
  ]);
}
