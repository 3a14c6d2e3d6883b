/**
 * What Moneta promised, read from a trace, and whether what is left after a power cut keeps it: no WAL missing before
 * the acknowledged flush position, every name of a finished segment on a finished segment, every visible backup whole,
 * every backup that was called complete visible.
 */
import { createHash } from "node:crypto";
import { zstdDecompressSync } from "./zstd.ts";
import { digestsOf, type Content, type Disk, type Survivors } from "./disk.ts";

export interface Promises {
  /** First position that was received, and the highest that was reported as flushed, by server. */
  readonly flushed: Map<string, { readonly from: bigint; to: bigint }>;
  /** Labels that were called complete, as `<server>/backup/<label>`. */
  readonly complete: Set<string>;
  /** Those of which somebody wanted to be rid. */
  readonly deleted: Set<string>;
  /** What each backup held when it got its name. */
  readonly contents: Map<string, readonly string[]>;
}

export interface Reference {
  readonly segmentSize: number;
  /** The server's own bytes of a segment. */
  readonly segment: (name: string) => Content | undefined;
}

const segmentPattern = /^([^/]+)\/wal\/([0-9A-F]{24})(|\.zstd|\.partial)$/;
const backupPattern = /^[^/]+\/backup\/\d{14}$/;

export function noPromises(): Promises {
  return { flushed: new Map(), complete: new Set(), deleted: new Set(), contents: new Map() };
}

/** Whether a path, relative to the root, is the final name of something: no part of it says that it is unfinished. */
export function isFinalName(path: string): boolean {
  return !path.split("/").some((part) => /^\.(tmp|del)_|\.tmp$/.test(part)) && !path.endsWith(".partial");
}

/** Notes the names that are given. */
export function noteNaming(promises: Promises, from: string, to: string, disk: Disk): void {
  // A deletion begins with the attempt to hide.
  if (backupPattern.test(from)) promises.deleted.add(from);
  if (backupPattern.test(to)) promises.contents.set(to, digestsOf(disk.survivors("everything", () => 0), from).map((line) => line.slice(from.length)));
}

const decoded = new Map<string, string | undefined>();

/** Digest of the plain content; each stored content is decoded once. */
function plainDigest(suffix: string, content: Content): string | undefined {
  if (suffix === "") return content.digest();
  const key = content.digest();
  if (!decoded.has(key)) {
    const plain = zstdDecompressSync(content.bytes());
    decoded.set(key, plain === undefined ? undefined : createHash("sha256").update(plain).digest("hex"));
  }
  return decoded.get(key);
}

export function segmentNameAt(position: bigint, size: number): string {
  const number = position / BigInt(size);
  const perHigh = 0x1_0000_0000n / BigInt(size);
  const hex = (value: bigint): string => value.toString(16).toUpperCase().padStart(8, "0");
  return `00000001${hex(number / perHigh)}${hex(number % perHigh)}`;
}

/** Broken promises, one line each. */
export function brokenPromises(promises: Promises, left: Survivors, reference: Reference): string[] {
  return [...wrongSegments(left, reference), ...missingWal(promises, left, reference), ...wrongBackups(promises, left)];
}

function wrongSegments(left: Survivors, { segment }: Reference): string[] {
  const wrong: string[] = [];
  for (const [path, content] of left) {
    const [, , name = "", suffix = ".partial"] = segmentPattern.exec(path) ?? [];
    if (suffix === ".partial") continue;
    const expected = segment(name);
    if (expected === undefined) throw new Error(`the server has no segment ${name}`);
    if (plainDigest(suffix, content) !== expected.digest()) wrong.push(`${path} is not what the server has`);
  }
  return wrong;
}

function missingWal({ flushed }: Promises, left: Survivors, { segmentSize, segment }: Reference): string[] {
  const missing: string[] = [];
  for (const [server, { from, to }] of flushed) {
    for (let start = from - (from % BigInt(segmentSize)); start < to; start += BigInt(segmentSize)) {
      const name = segmentNameAt(start, segmentSize);
      // Those with a final name are held against the server anyway.
      if (["", ".zstd"].some((suffix) => left.has(`${server}/wal/${name}${suffix}`))) continue;
      const needed = Number(to - start < BigInt(segmentSize) ? to - start : BigInt(segmentSize));
      const partial = left.get(`${server}/wal/${name}.partial`)?.bytes() ?? Buffer.alloc(0);
      const same = segment(name)?.bytes().subarray(0, needed).equals(partial.subarray(0, needed)) === true;
      if (!same) missing.push(`${server}: acknowledged up to ${to.toString(16)}, but of ${name} there are ${partial.length} of ${needed} bytes, or others`);
    }
  }
  return missing;
}

function wrongBackups({ complete, deleted, contents }: Promises, left: Survivors): string[] {
  const wrong: string[] = [];
  for (const path of left.keys()) {
    if (!backupPattern.test(path)) continue;
    const expected = contents.get(path) ?? [];
    const found = new Set(digestsOf(left, path).map((line) => line.slice(path.length)));
    const lost = expected.filter((line) => !found.has(line));
    if (lost.length > 0 || found.size !== expected.length) wrong.push(`${path} is visible, but not whole: ${lost.slice(0, 3).join(", ")}`);
  }
  for (const path of complete) if (!left.has(path) && !deleted.has(path)) wrong.push(`${path} was called complete and is gone`);
  return wrong;
}
