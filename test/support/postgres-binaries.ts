import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, chmodSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readableByAnybody, unprivilegedUser } from "./unprivileged-user.ts";

export type PostgresMajor = 13 | 14 | 15 | 16 | 17 | 18;

/** Every major that the project supports and tests. */
export const ALL_MAJORS: readonly PostgresMajor[] = [13, 14, 15, 16, 17, 18];

export interface PostgresBinaries {
  readonly major: PostgresMajor;
  /** Holds at least initdb, pg_ctl and postgres. */
  readonly binDir: string;
  /** Debian packages bring the client tools; the embedded binaries from npm do not. */
  readonly origin: "debian" | "embedded";
  /** What `postgres --version` says, for instance "postgres (PostgreSQL) 15.18". */
  readonly version: string;
}

const embeddedRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../postgres/node_modules");
const found = new Map<PostgresMajor, PostgresBinaries | undefined>();

/** The server programs of a major: Debian's if installed, else those that scripts/setup.mjs got from npm. */
export function findPostgres(major: PostgresMajor): PostgresBinaries | undefined {
  if (!found.has(major)) found.set(major, look(major));
  return found.get(major);
}

/** The majors that can be started on this machine. */
export function availableMajors(): PostgresMajor[] {
  return ALL_MAJORS.filter((major) => findPostgres(major) !== undefined);
}

function look(major: PostgresMajor): PostgresBinaries | undefined {
  const debian = `/usr/lib/postgresql/${major}/bin`;
  if (existsSync(join(debian, "postgres"))) return describe(major, debian, "debian");
  const embedded = join(embeddedRoot, `pg${major}`, "native");
  if (!existsSync(join(embedded, "bin", "postgres"))) return undefined;
  return describe(major, join(readable(embedded, major), "bin"), "embedded");
}

function describe(major: PostgresMajor, binDir: string, origin: PostgresBinaries["origin"]): PostgresBinaries {
  const version = execFileSync(join(binDir, "postgres"), ["--version"], { encoding: "utf8" }).trim();
  return { major, binDir, origin, version };
}

/** The tree itself, or, when we are root and the unprivileged user may not read it, a copy that is made once. */
function readable(tree: string, major: PostgresMajor): string {
  if (unprivilegedUser() === undefined || readableByAnybody(join(tree, "bin"))) return tree;
  const key = createHash("sha256").update(tree).digest("hex").slice(0, 8);
  const copy = join(process.env["MONETA_TEST_CACHE"] ?? tmpdir(), `moneta-pg${major}-${key}`);
  if (existsSync(copy)) return copy;
  const temporary = mkdtempSync(`${copy}-`);
  chmodSync(temporary, 0o755);
  cpSync(tree, temporary, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(temporary, copy);
  } catch (error) {
    // Another test process was faster: its copy is as good as ours.
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}
