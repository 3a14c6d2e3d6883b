import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runOrFail } from "./processes.ts";
import { tool } from "./tools.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/**
 * Judges a stored backup by tools that know nothing of us: sha256sum on every stored file, and pg_verifybackup where
 * it is stored uncompressed. Returns which of them had a say; throws with what they found wrong.
 */
export async function judgeBackup(directory: string): Promise<readonly string[]> {
  await runOrFail(tool("sha256sum"), ["--check", "--strict", "--quiet", "backup.sha256"], {
    cwd: directory,
    unprivileged: true,
  });
  if (!existsSync(join(directory, "data", "PG_VERSION"))) return ["sha256sum"];
  await runOrFail(tool("pg_verifybackup"), ["-n", join(directory, "data")], { unprivileged: true });
  return ["sha256sum", "pg_verifybackup"];
}

/** Names of the complete segments in a WAL directory, in whatever form, in order and each once. */
export async function segmentsIn(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).flatMap((name) => /^([0-9A-F]{24})(?:\.zstd(?:\.aes)?)?$/.exec(name)?.[1] ?? []);
  return [...new Set(names)].sort();
}

/**
 * Has pg_waldump read every record between two positions: a segment that is missing, cut or from elsewhere stops it.
 * Compressed segments are decoded by zstd's own program. Returns how many complete segments there are.
 */
export async function judgeWal(directory: string, from: string, to: string): Promise<number> {
  const segments = await segmentsIn(directory);
  const plain = temporaryDirectory({ prefix: "mwal", unprivileged: true });
  for (const segment of segments) {
    const raw = join(directory, segment);
    const target = join(plain.path, segment);
    if (existsSync(raw)) await runOrFail("cp", [raw, target], { unprivileged: true });
    else await runOrFail(tool("zstd"), ["-q", "-d", "-o", target, `${raw}.zstd`], { unprivileged: true });
  }
  await runOrFail(tool("pg_waldump"), ["--quiet", "-p", plain.path, "-s", from, "-e", to], { unprivileged: true });
  await plain.remove();
  return segments.length;
}

export interface WalComparison {
  /** Segments of their full length that are byte for byte the server's. */
  readonly complete: number;
  /** Segments still being received whose bytes are the first of the server's. */
  readonly partial: number;
  /** What is wrong, one line each. */
  readonly differences: readonly string[];
}

/**
 * Holds every segment in `directory`, plain or compressed by zstd, against the one of the same name in the server's own
 * `pg_wal`. Segments that the server has no more are left out.
 */
export async function compareWithServer(directory: string, serversWal: string): Promise<WalComparison> {
  const decoded = temporaryDirectory({ prefix: "mcmp", unprivileged: true });
  const differences: string[] = [];
  const result = { complete: 0, partial: 0, differences };
  const names = (await readdir(directory)).sort();
  const there = names.filter((name) => existsSync(join(serversWal, name.slice(0, 24))));
  const compressed = there.filter((name) => /^[0-9A-F]{24}\.zstd$/.test(name));
  for (let from = 0; from < compressed.length; from += 200) {
    const files = compressed.slice(from, from + 200).map((name) => join(directory, name));
    await runOrFail(tool("zstd"), ["-q", "-d", "--output-dir-flat", decoded.path, ...files], { unprivileged: true });
  }
  /** In the form in which it was listed, or the next one if it has that by now: the archiver does not wait for us. */
  const read = async (segment: string, suffix: string): Promise<{ bytes: Buffer; whole: boolean }> => {
    const path = join(suffix === ".zstd" ? decoded.path : directory, suffix === ".zstd" ? segment : segment + suffix);
    try {
      return { bytes: await readFile(path), whole: suffix !== ".partial" };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || suffix === ".zstd") throw error;
      if (suffix === ".partial") return read(segment, "");
      await runOrFail(tool("zstd"), ["-q", "-d", "-f", "--output-dir-flat", decoded.path, join(directory, `${segment}.zstd`)], { unprivileged: true });
      return read(segment, ".zstd");
    }
  };
  for (const name of there) {
    const [, segment = "", suffix = ""] = /^([0-9A-F]{24})(|\.zstd|\.partial)$/.exec(name) ?? [];
    if (segment === "") continue;
    const { bytes: ours, whole } = await read(segment, suffix);
    const theirs = await readFile(join(serversWal, segment));
    if (whole && ours.length !== theirs.length) differences.push(`${name} has ${ours.length} of ${theirs.length} bytes`);
    else if (!ours.equals(theirs.subarray(0, ours.length))) differences.push(`${name} differs from the server's`);
    else if (whole) result.complete += 1;
    else result.partial += 1;
  }
  await decoded.remove();
  return result;
}

/** Everything below a server's directory whose name says that it is unfinished or half removed. */
export async function remainsIn(serverDirectory: string): Promise<string[]> {
  const found: string[] = [];
  for (const place of [".", "backup", "wal", "wal_index", "keys"]) {
    const names = await readdir(join(serverDirectory, place)).catch(() => []);
    found.push(...names.filter((name) => /^\.(tmp|del)_|\.tmp$/.test(name)).map((name) => join(place, name)));
  }
  return found.sort();
}
