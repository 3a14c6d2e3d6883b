import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { runOrFail } from "./processes.ts";
import { giveToUnprivileged, unprivilegedUser } from "./unprivileged-user.ts";

/** What initdb is asked for; everything else is a setting and goes to the configuration file. */
export interface InitdbOptions {
  readonly checksums: boolean;
  /** Bytes, a power of two from 1 MB to 1 GB. */
  readonly walSegmentSize: number;
  readonly locale: string;
}

/** Creates an empty data directory with a system identifier of its own. */
export async function initdb(binaries: PostgresBinaries, options: InitdbOptions, dataDir: string): Promise<void> {
  const args = ["-D", dataDir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"];
  args.push(options.locale === "C" ? "--no-locale" : `--locale=${options.locale}`);
  args.push(`--wal-segsize=${options.walSegmentSize / 1024 / 1024}`);
  // Checksums became the default in 18, and the option that turns them off came with it.
  if (options.checksums) args.push("--data-checksums");
  else if (binaries.major >= 18) args.push("--no-data-checksums");
  await runOrFail(join(binaries.binDir, "initdb"), args.filter((arg) => binaries.major > 13 || arg !== "--no-instructions"), {
    unprivileged: true,
  });
}

/**
 * A data directory as initdb leaves it, to be copied: made once per version and options, because initdb takes
 * ten times longer than a copy. Kept under the temporary directory, or under MONETA_TEST_CACHE.
 */
export async function templateFor(binaries: PostgresBinaries, options: InitdbOptions): Promise<string> {
  const key = createHash("sha256")
    .update(JSON.stringify([binaries.version, binaries.binDir, options.checksums, options.walSegmentSize, options.locale]))
    .digest("hex")
    .slice(0, 12);
  const user = unprivilegedUser()?.uid ?? process.getuid?.() ?? 0;
  const cache = join(process.env["MONETA_TEST_CACHE"] ?? tmpdir(), `moneta-initdb-${user}`);
  if (!existsSync(cache)) makeCache(cache);
  const template = join(cache, key);
  if (existsSync(template)) return template;
  const temporary = await mkdtemp(`${template}-`);
  giveToUnprivileged(temporary);
  try {
    await initdb(binaries, options, join(temporary, "data"));
    await rename(join(temporary, "data"), template);
  } catch (error) {
    // Another test process may have been faster: its template is as good as ours.
    if (!existsSync(template)) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return template;
}

/** Two test runs may need it at once, one as root: under its name it belongs to the user who fills it from the first. */
function makeCache(cache: string): void {
  const temporary = mkdtempSync(`${cache}-`);
  giveToUnprivileged(temporary);
  try {
    renameSync(temporary, cache);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(cache)) throw error;
  }
}

/** Copies a data directory that no server uses. */
export async function copyDataDirectory(from: string, to: string): Promise<void> {
  await runOrFail("cp", ["-a", "--reflink=auto", from, to], { unprivileged: true });
}
