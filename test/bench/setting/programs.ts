/** The programs that Moneta is measured against: which are there, and of what version. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run } from "../../support/processes.ts";

export type ProgramName = "pg_basebackup" | "pg_receivewal" | "pg_verifybackup" | "pgbench" | "pgbackrest" | "zstd" | "lz4" | "gzip" | "pigz" | "bzip2" | "tar";

const arguments_: Readonly<Partial<Record<ProgramName, readonly string[]>>> = { pgbackrest: ["version"] };

export interface Programs {
  /** The path; undefined when it is not installed. */
  readonly find: (name: ProgramName) => string | undefined;
  /** The path, for what runs only when it is there. */
  readonly get: (name: ProgramName) => string;
  /** The `missing` of a contender that needs it: nothing, or that it is not installed. */
  readonly missing: (...names: ProgramName[]) => { readonly missing?: string };
  /** Name → what it says about its version, or undefined. */
  readonly versions: Readonly<Record<string, string | undefined>>;
}

const names: readonly ProgramName[] = ["pg_basebackup", "pg_receivewal", "pg_verifybackup", "pgbench", "pgbackrest", "zstd", "lz4", "gzip", "pigz", "bzip2", "tar"];

/** Looks in the server's own directory first, since a wrapper in the path may start another major. */
export async function findPrograms(binDir: string): Promise<Programs> {
  const places = [binDir, ...(process.env["PATH"] ?? "").split(delimiter)];
  const paths = new Map<ProgramName, string>();
  const versions: Record<string, string | undefined> = {};
  for (const name of names) {
    const path = places.map((place) => join(place, name)).find(existsSync);
    if (path !== undefined) paths.set(name, path);
    versions[name] = path === undefined ? undefined : await versionOf(path, arguments_[name] ?? ["--version"]);
  }
  const find = (name: ProgramName): string | undefined => paths.get(name);
  return {
    find,
    get(name) {
      const path = find(name);
      if (path === undefined) throw new Error(`${name} is not installed`);
      return path;
    },
    missing(...needed) {
      const absent = needed.filter((name) => find(name) === undefined);
      return absent.length === 0 ? {} : { missing: `${absent.join(", ")} not installed` };
    },
    versions,
  };
}

/** bzip2 says its version on standard error. */
async function versionOf(path: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(path, args);
  const text = `${stdout}${stderr}`.trim().split("\n")[0] ?? "";
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? text;
}
