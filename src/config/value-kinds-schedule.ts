/** Kinds of value about what runs by itself: cron expressions, time zones, blackout windows, programs of a major. */
import { isAbsolute } from "node:path";
import { cronProblem, formatBlackout, isTimeZone, parseBlackout, type BlackoutWindow } from "../schedule/index.ts";
import type { ValueKind } from "./option.ts";
import { notParsed, parsed } from "./value-kinds.ts";

/** A cron expression; undefined for `off`. */
export const cron: ValueKind<string | undefined> = {
  name: "cron",
  expected: "a cron expression of five fields (minute hour day month weekday), six with seconds first, or off",
  parse: (input) => {
    if (input.toLowerCase() === "off") return parsed(undefined);
    const problem = cronProblem(input);
    return problem === undefined ? parsed(input) : notParsed(`${problem}, or off`);
  },
  format: (value) => value ?? "off",
};

export const timeZone: ValueKind<string> = {
  name: "time zone",
  expected: "the name of a time zone, such as UTC or Europe/Berlin",
  parse: (input) => (isTimeZone(input) ? parsed(input) : notParsed()),
  format: (value) => value,
};

/** A list of windows; empty for `none`. */
export const blackouts: ValueKind<readonly BlackoutWindow[]> = {
  name: "list",
  expected: "a comma-separated list of windows such as 08:00-18:00, mon-fri 08:00-18:00 or sat 00:00-24:00, or none",
  parse: (input) => {
    if (input.toLowerCase() === "none") return parsed([]);
    const windows = input.split(",").map(parseBlackout);
    const known = windows.filter((window) => window !== undefined);
    return known.length === windows.length ? parsed(known) : notParsed();
  },
  format: (windows) => (windows.length === 0 ? "none" : windows.map(formatBlackout).join(", ")),
};

/** Directories by the major version of PostgreSQL; none for `search`. */
export const directoriesByMajor: ValueKind<ReadonlyMap<number, string>> = {
  name: "list",
  expected:
    "a comma-separated list of majors with the absolute directory of their programs, such as 15:/opt/pg15/bin, or search",
  parse: (input) => {
    const directories = new Map<number, string>();
    if (input.toLowerCase() === "search") return parsed(directories);
    for (const part of input.split(",")) {
      const [, major, directory] = /^(\d{2})\s*:\s*(\S.*)$/.exec(part.trim()) ?? [];
      if (major === undefined || directory === undefined || !isAbsolute(directory)) return notParsed();
      if (directories.has(Number(major))) return notParsed();
      directories.set(Number(major), directory);
    }
    return parsed(directories);
  },
  format: (directories) =>
    directories.size === 0
      ? "search"
      : [...directories].map(([major, directory]) => `${major}:${directory}`).join(", "),
};
