/** What a drilled server is put to: PostgreSQL's own look at its tables and indexes, and the operator's questions. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, type Clock } from "../common/index.ts";
import type { PostgresPrograms } from "./find-programs.ts";
import type { DrillCheckResult } from "./report.ts";
import { runProgram, type ProgramOptions, type ProgramRun } from "./run-program.ts";
import type { DrilledServer } from "./run-server.ts";
import { drillPort, type Scratch } from "./scratch.ts";
import { clientOptions } from "./server-settings.ts";

export interface CheckOptions {
  readonly programs: PostgresPrograms;
  readonly scratch: Scratch;
  readonly server: DrilledServer;
  readonly user: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const address = ({ scratch, user }: CheckOptions): string[] => [
  "--host",
  scratch.socket,
  "--port",
  String(drillPort),
  "--username",
  user,
  "--no-password",
];

/** How libpq's programs are run: nothing of whoever started the daemon leads them elsewhere. */
const surroundings = ({ scratch, environment, signal }: CheckOptions): ProgramOptions => ({
  directory: scratch.path,
  environment: {
    ...environment,
    PGOPTIONS: clientOptions,
    PGPASSFILE: join(scratch.path, "no-passwords"),
    PGSERVICEFILE: join(scratch.path, "no-services"),
    PGAPPNAME: "moneta drill",
  },
  signal,
});

async function timed(
  name: DrillCheckResult["name"],
  what: string,
  clock: Clock,
  step: () => Promise<Pick<DrillCheckResult, "outcome" | "output">>,
): Promise<DrillCheckResult> {
  const began = clock.monotonic();
  const { outcome, output } = await step();
  return { name, outcome, what, elapsedMs: Math.round(clock.monotonic() - began), output };
}

const notRun = (name: DrillCheckResult["name"], what: string): DrillCheckResult => ({
  name,
  outcome: "not run",
  what,
  elapsedMs: 0,
  output: "",
});

/** The first words of what a program said, for one line. */
const howItEnded = ({ status, signal }: ProgramRun): string =>
  status === null ? `it ended by ${signal ?? "a signal"}` : `it ended with status ${status}`;

/** Every table and index of every database: pg_amcheck (PostgreSQL 14 and later), which ends with 0 only if all is well. */
export async function checkTables(options: CheckOptions, workers: number): Promise<DrillCheckResult> {
  const { amcheck } = options.programs;
  if (amcheck === undefined)
    return notRun("amcheck", "pg_amcheck is not installed beside this PostgreSQL, so no index was looked at");
  const wanted = ["--all", "--install-missing", "--heapallindexed", "--parent-check", "--jobs", String(workers)];
  return timed("amcheck", `pg_amcheck ${wanted.join(" ")}`, options.clock, async () => {
    const run = await runProgram(amcheck, [...address(options), ...wanted], surroundings(options));
    if (run.status === 0) return { outcome: "passed", output: run.output };
    return {
      outcome: "failed",
      output: `${run.output}${run.output.endsWith("\n") || run.output === "" ? "" : "\n"}${howItEnded(run)}`,
    };
  });
}

/** The operator's file: any error fails. */
export async function runOperatorFile(
  options: CheckOptions,
  file: string | undefined,
  database: string,
): Promise<DrillCheckResult> {
  if (file === undefined) return notRun("sql", "drill_sql names no file");
  const { psql } = options.programs;
  const { clock } = options;
  if (psql === undefined)
    return timed("sql", `${file} in database ${database}, without psql`, clock, () => askFile(options, file, database));
  const args = [...address(options), "--dbname", database, "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", file];
  return timed("sql", `${file} in database ${database}`, clock, async () => {
    const run = await runProgram(psql, args, surroundings(options));
    if (run.status === 0) return { outcome: "passed", output: run.output };
    return { outcome: "failed", output: run.output === "" ? howItEnded(run) : run.output };
  });
}

/** Without psql: the statements of the file as one message; psql's own commands are errors then. */
async function askFile(
  { server, signal, user }: CheckOptions,
  file: string,
  database: string,
): Promise<Pick<DrillCheckResult, "outcome" | "output">> {
  const text = await readFile(file, "utf8");
  const connection = await server.connect(user, database, signal);
  try {
    const results = await connection.query(text, signal);
    return { outcome: "passed", output: results.map(({ tag }) => `${tag}\n`).join("") };
  } catch (error) {
    if (signal.aborted) throw error;
    return { outcome: "failed", output: `${messageOf(error)}\n` };
  } finally {
    await connection.terminate();
  }
}
