/**
 * `backup.sha256`, `backup.sha512`: digests of the stored bytes in the form of coreutils, `<digest> *./<path>`, which
 * `sha256sum -c` reads from the directory of the backup. A backslash before the digest says that the name has escapes:
 * `\\`, `\n`, `\r` (coreutils manual, "cksum output modes"). `backup.info` is not in the list.
 */
import { pathFromBytes, pathToBytes } from "../postgres/index.ts";
import type { ByteSink, RandomReader } from "../storage/index.ts";
import type { ListWriter } from "./backup-manifest.ts";
import { repositoryErrors } from "./errors.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";
import { readLines } from "./line-reader.ts";
import { createLineWriter } from "./line-writer.ts";

/** One stored file. */
export interface StoredDigest {
  /** Relative to the directory of the backup, with all suffixes. */
  readonly path: string;
  /** Hexadecimal. */
  readonly digest: string;
}

const longestLine = 64 * 1024;
const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };
const unescapes: Readonly<Record<string, string>> = { "\\\\": "\\", "\\n": "\n", "\\r": "\r" };

/** One line without its newline. */
function formatLine(path: string, digest: string): string {
  const escaped = path.replace(/[\\\n\r]/g, (character) => escapes[character] ?? character);
  return `${escaped === path ? "" : "\\"}${digest} *./${escaped}`;
}

/** Writes a list of digests into `sink`; the algorithm of the list is also that of its own digest. */
export function createDigestListWriter(sink: ByteSink, hash: HashAlgorithm): ListWriter {
  const lines = createLineWriter(sink, hash);
  return {
    add: (path, digest) => lines.add(pathToBytes(formatLine(path, digest))),
    finish: () => lines.finish(),
    abort: () => lines.abort(),
  };
}

function parseLine(text: string): StoredDigest | undefined {
  const match = /^(\\?)([0-9a-fA-F]{64,128}) [ *](?:\.\/)?([^]+)$/.exec(text);
  if (match === null) return undefined;
  const [, escaped, digest = "", name = ""] = match;
  if (escaped === "") return { path: name, digest: digest.toLowerCase() };
  if (/\\(?![\\nr])/.test(name.replaceAll("\\\\", ""))) return undefined;
  return { path: name.replace(/\\[\\nr]/g, (pair) => unescapes[pair] ?? pair), digest: digest.toLowerCase() };
}

/** Reads a list, ours or pgmoneta's, in bounded memory. Throws BACKUP_DAMAGED naming the file and the line. */
export async function* readDigestList(reader: RandomReader): AsyncGenerator<StoredDigest, void, undefined> {
  const damaged = (why: string, line: number) =>
    repositoryErrors.backupDamaged(`"${reader.name}", line ${line}: ${why}`, { path: reader.name, line });
  let number = 0;
  const faults = {
    tooLong: (line: number) => damaged("it is too long", line),
    unfinished: (line: number) => damaged("it ends in the middle", line),
  };
  for await (const lines of readLines(reader, longestLine, faults)) {
    for (const line of lines) {
      number += 1;
      const parsed = parseLine(pathFromBytes(line));
      if (parsed === undefined) throw damaged("expected a digest and a path", number);
      yield parsed;
    }
  }
}
