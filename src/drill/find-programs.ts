/** Where PostgreSQL's programs of one major lie on this machine. */
import { join } from "node:path";
import { isExecutable, messageOf } from "../common/index.ts";
import { drillErrors } from "./errors.ts";
import { runProgram } from "./run-program.ts";

export interface PostgresPrograms {
  /** The server. */
  readonly postgres: string;
  /** What it says of itself: `postgres (PostgreSQL) 15.18`. */
  readonly version: string;
  /** Undefined where it is not installed. */
  readonly amcheck: string | undefined;
  readonly psql: string | undefined;
}

export interface ProgramSearch {
  readonly major: number;
  readonly configured: ReadonlyMap<number, string>;
  /** With `PATH`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Debian's and Red Hat's places for a major. */
const usualPlaces = (major: number): string[] => [`/usr/lib/postgresql/${major}/bin`, `/usr/pgsql-${major}/bin`];

/** Throws DRILL_PROGRAMS_MISSING, with what was looked at. */
export async function findPrograms(search: ProgramSearch): Promise<PostgresPrograms> {
  const { major, configured, environment } = search;
  const named = configured.get(major);
  const path = (environment["PATH"] ?? "").split(":").filter((directory) => directory.startsWith("/"));
  const places = named === undefined ? [...usualPlaces(major), ...path] : [named];
  const seen: string[] = [];
  for (const directory of new Set(places)) {
    const postgres = join(directory, "postgres");
    if (!(await isExecutable(postgres))) continue;
    const version = await versionOf(postgres, search);
    if (majorIn(version) === major) {
      return {
        postgres,
        version,
        amcheck: await firstExecutable([join(directory, "pg_amcheck")]),
        psql: await firstExecutable([directory, ...path].map((place) => join(place, "psql"))),
      };
    }
    seen.push(`"${postgres}" says "${version}"`);
  }
  const where =
    named === undefined ? `looked for in ${usualPlaces(major).join(", ")} and PATH` : `postgres_path names "${named}"`;
  throw drillErrors.programsMissing(
    `there is no PostgreSQL ${major} on this machine: ${[where, ...seen].join("; ")}; install the package postgresql-${major}`,
    { major },
  );
}

/** 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also of a beta. */
export function majorIn(version: string): number | undefined {
  const match = /^postgres \(PostgreSQL\) (\d+)/.exec(version);
  return match === null ? undefined : Number(match[1]);
}

async function versionOf(postgres: string, { environment, signal }: ProgramSearch): Promise<string> {
  try {
    const { output } = await runProgram(postgres, ["--version"], { directory: "/", environment, signal });
    return output.trim().slice(0, 200);
  } catch (error) {
    if (signal.aborted) throw error;
    // A program that cannot be started is none; the message says so if no other is found.
    return messageOf(error);
  }
}

async function firstExecutable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isExecutable(path)) return path;
  return undefined;
}
