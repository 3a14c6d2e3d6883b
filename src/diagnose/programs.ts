/** Programs that Moneta may need, and which versions of them this machine has. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isExecutable, runOperatorProgram } from "../common/index.ts";
import type { PartContent } from "./bounded-text.ts";

export interface ProgramSearch {
  /** Directories that the configuration names. */
  readonly configured: readonly string[];
  /** `PATH`. */
  readonly path: string;
}

/** PostgreSQL's, of every installation; the drill starts the first. */
const ofPostgres = ["postgres", "pg_amcheck", "pg_verifybackup", "psql"];
/** Of the system: locks, syslog, and decoders of foreign files. */
const ofSystem = ["flock", "sync", "logger", "zstd", "lz4", "bzip2"];
const versionTimeMs = 5000;

/** Where Debian and Red Hat put every major, besides what is configured. */
async function installations(configured: readonly string[]): Promise<string[]> {
  const below = async (directory: string, bin: (name: string) => string | undefined): Promise<string[]> => {
    // A directory that is not there has none.
    const names = await readdir(directory).catch(() => []);
    return names.toSorted().flatMap((name) => bin(name) ?? []);
  };
  return [
    ...configured,
    ...(await below("/usr/lib/postgresql", (name) => `/usr/lib/postgresql/${name}/bin`)),
    ...(await below("/usr", (name) => (/^pgsql-\d+$/.test(name) ? `/usr/${name}/bin` : undefined))),
  ];
}

async function versionLine(path: string, signal: AbortSignal): Promise<string> {
  const { how, output, words } = await runOperatorProgram({ path, arguments: ["--version"], environment: { LC_ALL: "C" }, timeLimitMs: versionTimeMs, signal });
  const [first = ""] = output.trim().split("\n");
  return `${path}: ${how === "exit" && first !== "" ? first.slice(0, 200) : words}`;
}

/** One line for each program that was found. */
export async function describePrograms({ configured, path }: ProgramSearch, signal: AbortSignal): Promise<PartContent> {
  const onPath = path.split(":").filter((directory) => directory.startsWith("/"));
  const places = [...new Set([...(await installations(configured)), ...onPath])];
  const lines: string[] = [];
  for (const program of ofPostgres) {
    for (const place of places) {
      const file = join(place, program);
      if (await isExecutable(file)) lines.push(await versionLine(file, signal));
    }
  }
  if (lines.length === 0) lines.push(`no program of PostgreSQL, looked for in ${places.join(", ")}`);
  for (const program of ofSystem) {
    let found: string | undefined;
    for (const place of onPath) found ??= (await isExecutable(join(place, program))) ? join(place, program) : undefined;
    lines.push(found === undefined ? `${program}: not found` : await versionLine(found, signal));
  }
  return { text: `${lines.join("\n")}\n` };
}
