/** Keys of `[pgmoneta]` about what runs by itself, and about drills. */
import { localTimeZone } from "../schedule/index.ts";
import { computed, defaulting, optional, type OptionTable } from "./option.ts";
import { blackouts, cron, directoriesByMajor, timeZone } from "./value-kinds-schedule.ts";
import { duration, named, oneOf, path, text } from "./value-kinds.ts";

export const scheduleOptions = {
  backup: defaulting(cron, undefined, {
    reload: "live",
    ours: true,
    description:
      "When backups are taken by themselves, as a cron expression: 15 2 * * * is every night at a quarter past two. With six fields the first one is seconds.",
  }),
  backup_max_age: defaulting(duration, 0, {
    reload: "live",
    ours: true,
    description:
      "The age at which the newest valid backup raises an alarm in status and log. 0 stands for twice the longest time between two scheduled backups, and for no alarm where none is scheduled.",
  }),
  drill: defaulting(cron, undefined, {
    reload: "live",
    ours: true,
    description:
      "When the newest backup is restored into the workspace, started and checked by itself, as a cron expression.",
  }),
  schedule_timezone: computed(
    timeZone,
    { shown: "that of the machine", compute: () => localTimeZone() },
    { reload: "live", ours: true, description: "The time zone of cron expressions and blackout windows." },
  ),
  schedule_jitter: defaulting(duration, 0, {
    reload: "live",
    ours: true,
    description:
      "The longest time by which a scheduled run begins later than its cron expression says, different from server to server and from run to run, so that many do not begin in the same second.",
  }),
  schedule_blackout: defaulting(blackouts, [], {
    reload: "live",
    ours: true,
    description:
      "Windows in which nothing is started by itself: a run that would begin in one is skipped. An end that is not after the begin lies on the next day.",
  }),
  schedule_missed: defaulting(oneOf(["run", "skip"]), "run", {
    reload: "live",
    ours: true,
    description:
      "What becomes of scheduled runs whose time passed while the daemon did not run: one run at its start, or none.",
  }),
  drill_sql: optional(path, {
    reload: "live",
    ours: true,
    expandsEnvironment: true,
    description: "A file of SQL that psql runs on the drilled server as a superuser: any error fails the drill.",
  }),
  drill_database: defaulting(text, "postgres", {
    reload: "live",
    ours: true,
    description: "The database in which drill_sql is run.",
  }),
  drill_preload_libraries: optional(named("names of libraries, separated by commas"), {
    reload: "live",
    ours: true,
    description:
      "The shared_preload_libraries of a drilled server. Those of the source are not loaded: they may start workers that act on other systems, and need not be installed here.",
  }),
  postgres_path: defaulting(directoriesByMajor, new Map(), {
    reload: "live",
    ours: true,
    description:
      "Where the programs of PostgreSQL lie, for drills: 15:/opt/pg15/bin, 16:/opt/pg16/bin. A major that is not named is looked for in the places of Debian and Red Hat and in PATH.",
  }),
} satisfies OptionTable;
