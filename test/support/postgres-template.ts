import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { mkdtemp, open, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32c } from "../../src/common/index.ts";
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
export function templateFor(binaries: PostgresBinaries, options: InitdbOptions): Promise<string> {
  return madeOnce([binaries.version, binaries.binDir, options], (to) => initdb(binaries, options, to));
}

/** The same without the databases template0 and template1: a third of the files. Nothing can be created with CREATE DATABASE. */
export async function smallTemplateFor(binaries: PostgresBinaries, options: InitdbOptions): Promise<string> {
  const whole = await templateFor(binaries, options);
  return madeOnce([binaries.version, binaries.binDir, options, "small"], async (to) => {
    await copyDataDirectory(whole, to);
    const drop = (name: string): string => `ALTER DATABASE ${name} IS_TEMPLATE false\nDROP DATABASE ${name}\n`;
    const single = ["--single", "-F", "-D", to, "-c", "exit_on_error=on", "postgres"];
    await runOrFail(join(binaries.binDir, "postgres"), single, { unprivileged: true, input: drop("template0") + drop("template1") });
  });
}

async function madeOnce(what: unknown, make: (directory: string) => Promise<void>): Promise<string> {
  const key = createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 12);
  const user = unprivilegedUser()?.uid ?? process.getuid?.() ?? 0;
  const cache = join(process.env["MONETA_TEST_CACHE"] ?? tmpdir(), `moneta-initdb-${user}`);
  if (!existsSync(cache)) makeCache(cache);
  const template = join(cache, key);
  if (existsSync(template)) return template;
  const temporary = await mkdtemp(`${template}-`);
  giveToUnprivileged(temporary);
  try {
    await make(join(temporary, "data"));
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

/** Where the checksum of pg_control stands by its format, which is that of the major, or of one before it. */
const checksumOffsets = new Map([
  [1300, 288],
  [1700, 288],
  [1800, 292],
]);
/** Where a segment of WAL has the identifier in the long header of its first page. */
const walIdentifierOffset = 24;

/**
 * Makes a copy of a template, which no server has used, a cluster of its own: another system identifier in pg_control
 * and in each segment of its WAL, the two places where PostgreSQL keeps and compares it.
 */
export async function giveIdentity(dataDir: string): Promise<void> {
  const identifier = randomBytes(8);
  // Its upper half is a time in seconds: not above what a signed number holds.
  identifier.writeUInt8(identifier.readUInt8(7) & 0x7f, 7);
  const control = join(dataDir, "global", "pg_control");
  const bytes = await readFile(control);
  const format = bytes.readUInt32LE(8);
  const offset = checksumOffsets.get(format);
  if (offset === undefined) throw new Error(`pg_control has the unknown format ${format}`);
  const before = Buffer.from(bytes.subarray(0, 8));
  identifier.copy(bytes);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, offset)), offset);
  await writeFile(control, bytes);
  const wal = join(dataDir, "pg_wal");
  for (const name of (await readdir(wal)).filter((one) => /^[0-9A-F]{24}$/.test(one))) {
    const segment = await open(join(wal, name), "r+");
    const { buffer } = await segment.read(Buffer.alloc(8), 0, 8, walIdentifierOffset);
    // One that is made in advance is all zeros.
    if (buffer.equals(before)) await segment.write(identifier, 0, 8, walIdentifierOffset);
    await segment.close();
  }
}
