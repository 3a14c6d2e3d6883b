/**
 * `backup.manifest`: one line a file, `<path>,<digest of the plain bytes>`; pgmoneta's form, with the quotes of
 * RFC 4180 around paths that need them (a comma, a quote, a line break). Paths are bytes and stand as they are.
 */
import { pathFromBytes, pathToBytes } from "../postgres/index.ts";
import type { ByteSink, RandomReader } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";
import type { LineFileMeasures } from "./line-writer.ts";
import { createLineWriter } from "./line-writer.ts";

/** One file of a backup. */
export interface ManifestLine {
  /** Below the cluster directory, as the server's manifest names it. */
  readonly path: string;
  /** Hexadecimal. */
  readonly digest: string;
}

/** Adds lines while the backup runs; `add` gives a promise when it is time to wait. */
export interface ListWriter {
  add(path: string, digest: string): Promise<void> | undefined;
  finish(): Promise<LineFileMeasures>;
  abort(): Promise<void>;
}

/** A record of two fields cannot be longer: PostgreSQL's paths have at most 1024 bytes. */
const longestRecord = 64 * 1024;
const quote = 0x22;
const newline = 0x0a;

function quoted(path: string): string {
  return /[",\r\n]/.test(path) ? `"${path.replaceAll('"', '""')}"` : path;
}

/** Writes a manifest into `sink`; `hash` is the algorithm of the digest of the file itself. */
export function createManifestWriter(sink: ByteSink, hash: HashAlgorithm): ListWriter {
  const lines = createLineWriter(sink, hash);
  return {
    add: (path, digest) => lines.add(pathToBytes(`${quoted(path)},${digest}`)),
    finish: () => lines.finish(),
    abort: () => lines.abort(),
  };
}

/** End of the record that begins at `start`: a newline outside quotes; -1 when it is not there. */
function recordEnd(bytes: Buffer, start: number): number {
  if (bytes[start] !== quote) return bytes.indexOf(newline, start);
  for (let at = start + 1; ; at += 2) {
    at = bytes.indexOf(quote, at);
    if (at < 0 || at + 1 >= bytes.length) return -1;
    if (bytes[at + 1] !== quote) return bytes.indexOf(newline, at);
  }
}

/** The file at a quoted path: the closing quote is the last one before the comma that begins the digest. */
function parseRecord(text: string): ManifestLine | undefined {
  const match = /^(?:"((?:[^"]|"")*)"|([^]*)),([0-9a-fA-F]+)$/.exec(text);
  if (match === null) return undefined;
  const [, inQuotes, plain, digest = ""] = match;
  const path = inQuotes === undefined ? (plain ?? "") : inQuotes.replaceAll('""', '"');
  return path === "" ? undefined : { path, digest: digest.toLowerCase() };
}

/** Reads a manifest, ours or pgmoneta's, in bounded memory. Throws BACKUP_DAMAGED naming the file and the line. */
export async function* readManifest(reader: RandomReader): AsyncGenerator<ManifestLine, void, undefined> {
  let number = 0;
  const damaged = (why: string) =>
    repositoryErrors.backupDamaged(`"${reader.name}", record ${number + 1}: ${why}`, { path: reader.name });
  let rest: Buffer = Buffer.alloc(0);
  for (let offset = 0; offset < reader.size;) {
    const block = await reader.read(offset, 256 * 1024);
    offset += block.length;
    const bytes: Buffer = rest.length === 0 ? block : Buffer.concat([rest, block]);
    let start = 0;
    for (let end = recordEnd(bytes, 0); end >= 0; end = recordEnd(bytes, start)) {
      const line = parseRecord(pathFromBytes(bytes.subarray(start, end)));
      if (line === undefined) throw damaged("expected a path and a digest");
      yield line;
      number += 1;
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > longestRecord) throw damaged("it is too long");
  }
  if (rest.length > 0) throw damaged("it ends in the middle");
}
