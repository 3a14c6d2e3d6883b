/** Reading `backup.chunks`: streaming, a line at a time, every field checked, the end proven by the closing line. */
import { compressionMethods } from "../compression/index.ts";
import { encryptionModes } from "../encryption/index.ts";
import type { ChunkEntry } from "../pipeline/index.ts";
import { crc32c as crc32cOf } from "../pipeline/index.ts";
import type { RandomReader } from "../storage/index.ts";
import type { ChunkIndexEntry, ChunkIndexHeader, ChunkIndexTotals, IndexedFile } from "./chunk-index.ts";
import {
  addToTotals,
  chunkIndexFormat,
  chunkIndexVersion,
  chunksPerLine,
  longestChunkLine,
  noTotals,
} from "./chunk-index.ts";
import { repositoryErrors } from "./errors.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";
import { digestLength, isHashAlgorithm } from "./hash-algorithm.ts";
import type { JsonObject } from "./json-shape.ts";
import { chunkList, isCount, isHex, isText, isUint32, parseObject } from "./json-shape.ts";
import { readLines } from "./line-reader.ts";

export interface ChunkIndexHandlers {
  readonly onHeader?: (header: ChunkIndexHeader) => void;
  /** Called for each entry in the order of the file; a promise is awaited. */
  readonly onEntry: (entry: ChunkIndexEntry, place: EntryPlace) => void | Promise<void>;
}

/** Where the lines of an entry lie in the index, in bytes. */
export interface EntryPlace {
  readonly offset: number;
  /** The last newline is not counted. */
  readonly length: number;
}

/** A file whose chunks are still being read. */
interface Unfinished {
  readonly file: Omit<IndexedFile, "chunks">;
  readonly chunks: ChunkEntry[];
  readonly count: number;
}

function readHeader(object: JsonObject): ChunkIndexHeader | undefined {
  const { label, hash, compression, encryption } = object;
  const method = compressionMethods.find((name) => name === compression);
  const mode = encryptionModes.find((name) => name === encryption);
  if (!isText(label) || !isText(hash) || !isHashAlgorithm(hash) || method === undefined || mode === undefined)
    return undefined;
  return { label, hash, compression: method, encryption: mode };
}

function readFile(object: JsonObject, hash: HashAlgorithm): Unfinished | undefined {
  const { path, mode, size, suffix, digest, crc32c, storedSize, storedDigest, headerSize, owner } = object;
  const chunks = chunkList(object.chunks);
  const digits = digestLength(hash);
  const count = object.chunkCount ?? chunks?.length;
  if (!isText(path) || path === "" || !isUint32(mode) || !isCount(size) || !isText(suffix)) return undefined;
  if (!isHex(digest, digits) || !isUint32(crc32c) || !isCount(storedSize) || !isHex(storedDigest, digits))
    return undefined;
  if (!isCount(headerSize) || (owner !== undefined && !isText(owner)) || chunks === undefined || !isCount(count))
    return undefined;
  if (count < chunks.length || (count > chunks.length && chunks.length !== chunksPerLine)) return undefined;
  const file = {
    kind: "file",
    path,
    mode,
    size,
    suffix,
    digest,
    crc32c,
    storedSize,
    storedDigest,
    headerSize,
    owner,
  } as const;
  return { file, chunks, count };
}

function readOther(object: JsonObject): ChunkIndexEntry | undefined {
  const { kind, path, mode, target } = object;
  if (!isText(path) || path === "") return undefined;
  if (kind === "directory" && isUint32(mode)) return { kind, path, mode };
  if (kind === "symlink" && isText(target)) return { kind, path, target };
  return undefined;
}

/** The file when its chunks add up to its sizes. */
function wholeFile({ file, chunks }: Unfinished): IndexedFile | undefined {
  let plain = 0;
  let stored = file.headerSize;
  for (const chunk of chunks) {
    plain += chunk.plain;
    stored += chunk.stored;
  }
  return plain === file.size && stored === file.storedSize ? { ...file, chunks } : undefined;
}

function sameTotals(found: ChunkIndexTotals, stated: unknown): boolean {
  if (typeof stated !== "object" || stated === null) return false;
  return Object.entries(found).every(([key, value]) => (stated as JsonObject)[key] === value);
}

/**
 * The file that the lines at an `EntryPlace` describe; undefined when they describe none. For lines of an index that was
 * read as a whole before: they are not proven by anything here.
 */
export function parseFileEntry(bytes: Buffer, hash: HashAlgorithm): IndexedFile | undefined {
  const [first, ...more] = bytes.toString("utf8").split("\n");
  const object = parseObject(first ?? "");
  const unfinished = object?.kind === "file" ? readFile(object, hash) : undefined;
  if (unfinished === undefined) return undefined;
  for (const line of more) {
    const chunks = chunkList(parseObject(line)?.chunks);
    if (chunks === undefined) return undefined;
    for (const chunk of chunks) unfinished.chunks.push(chunk);
  }
  return unfinished.chunks.length === unfinished.count ? wholeFile(unfinished) : undefined;
}

/**
 * Reads an index in bounded memory and gives its totals. Entries are given out before the end is known to be whole:
 * check the digest that `backup.info` has of the file first (`verifyMetadata`), or act only when this is fulfilled.
 * Throws BACKUP_DAMAGED naming file and line, REPOSITORY_FORMAT_UNSUPPORTED for a later version.
 */
export async function readChunkIndex(reader: RandomReader, handlers: ChunkIndexHandlers): Promise<ChunkIndexTotals> {
  let number = 0;
  const damaged = (why: string, line = number) =>
    repositoryErrors.backupDamaged(`"${reader.name}", line ${line}: ${why}`, { path: reader.name, line });
  let header: ChunkIndexHeader | undefined;
  let unfinished: Unfinished | undefined;
  let totals = noTotals;
  let checksum = 0;
  let ended = false;

  function takeHeader(object: JsonObject): void {
    if (object.format !== chunkIndexFormat) throw damaged("it is not a chunk index");
    if (object.version !== chunkIndexVersion) {
      const message = `"${reader.name}" has version ${String(object.version)}, the only one known is ${chunkIndexVersion}`;
      throw repositoryErrors.formatUnsupported(message, { path: reader.name });
    }
    header = readHeader(object);
    if (header === undefined) throw damaged("the header is not complete");
    handlers.onHeader?.(header);
  }

  /** The entry that this line completes, if any. */
  function takeEntry(object: JsonObject, hash: HashAlgorithm): ChunkIndexEntry | undefined {
    if (unfinished !== undefined) {
      const more = chunkList(object.chunks);
      if (more === undefined || object.kind !== undefined)
        throw damaged(`the chunks of "${unfinished.file.path}" end early`);
      for (const chunk of more) unfinished.chunks.push(chunk);
    } else if (object.kind !== "file") {
      const entry = readOther(object);
      if (entry === undefined) throw damaged("it is not an entry");
      return entry;
    } else {
      unfinished = readFile(object, hash);
      if (unfinished === undefined) throw damaged("a fact of the file is missing or not of its form");
    }
    if (unfinished.chunks.length < unfinished.count) return undefined;
    const whole = unfinished.chunks.length === unfinished.count ? wholeFile(unfinished) : undefined;
    if (whole === undefined) throw damaged(`the chunks of "${unfinished.file.path}" do not add up to its size`);
    unfinished = undefined;
    return whole;
  }

  function takeEnd(object: JsonObject, before: number): void {
    if (unfinished !== undefined) throw damaged(`the chunks of "${unfinished.file.path}" end early`);
    if (object.crc32c !== before || !sameTotals(totals, object.end))
      throw damaged("the closing line does not fit the file");
    ended = true;
  }

  const faults = {
    tooLong: (line: number) => damaged("it is too long", line),
    unfinished: (line: number) => damaged("it ends in the middle", line),
  };
  const newline = Buffer.from("\n");
  let position = 0;
  let entryStart = 0;
  for await (const lines of readLines(reader, longestChunkLine, faults)) {
    for (const line of lines) {
      number += 1;
      if (ended) throw damaged("something follows the closing line");
      if (unfinished === undefined) entryStart = position;
      position += line.length + 1;
      const object = parseObject(line.toString("utf8"));
      if (object === undefined) throw damaged("it is not a JSON object");
      const before = checksum;
      checksum = crc32cOf(newline, crc32cOf(line, checksum));
      if (header === undefined) takeHeader(object);
      else if (object.end !== undefined) takeEnd(object, before);
      else {
        const entry = takeEntry(object, header.hash);
        if (entry === undefined) continue;
        totals = addToTotals(totals, entry);
        const wait = handlers.onEntry(entry, { offset: entryStart, length: position - 1 - entryStart });
        if (wait !== undefined) await wait;
      }
    }
  }
  if (!ended) throw damaged("the closing line is missing, so the file was cut");
  return totals;
}
