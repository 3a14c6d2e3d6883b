/**
 * The index of archived WAL: for each segment what its stored file is, one line of JSON with a checksum of its own,
 * in one file for all segments that share the first 16 digits of their name. Lines are only appended, each durable
 * before the next; a later line of the same segment replaces the earlier one.
 */
import type { ChunkEntry } from "../pipeline/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";
import { digestLength, isHashAlgorithm } from "./hash-algorithm.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { chunkList, isCount, isHex, isText, isUint32 } from "./json-shape.ts";
import type { ServerLayout } from "./layout.ts";
import { readLines } from "./line-reader.ts";

/** An archived segment. */
export interface WalRecord {
  readonly segment: string;
  /** After the name of the segment, for example `.zstd.aes`; empty when it is stored as it is. */
  readonly suffix: string;
  readonly hash: HashAlgorithm;
  readonly plainSize: number;
  readonly plainDigest: string;
  readonly plainCrc32c: number;
  readonly storedSize: number;
  readonly storedDigest: string;
  readonly headerSize: number;
  readonly chunks: readonly ChunkEntry[];
  /** Milliseconds since 1970. */
  readonly archivedAt: number;
}

export interface WalIndex {
  /** Makes a record durable. One writer a server. Returns how many bytes of a torn line were cut off before. */
  add(record: WalRecord): Promise<number>;
  /**
   * The record of a segment. Undefined when it has none. Throws WAL_INDEX_DAMAGED when the line may have been one
   * that cannot be read.
   */
  lookup(segment: string): Promise<WalRecord | undefined>;
}

const longestLine = 1024 * 1024;

/** The line of a record without its newline. */
export function formatWalRecord(record: WalRecord): string {
  const { segment, suffix, hash, plainSize, plainDigest, plainCrc32c, storedSize, storedDigest, headerSize } = record;
  const chunks = record.chunks.map(({ stored, plain, crc32c }) => [stored, plain, crc32c]);
  const archivedAt = new Date(record.archivedAt).toISOString();
  const facts = {
    v: 1,
    segment,
    suffix,
    hash,
    plainSize,
    plainDigest,
    plainCrc32c,
    storedSize,
    storedDigest,
    headerSize,
  };
  return formatChecked({ ...facts, archivedAt, chunks });
}

/** The record on a line; undefined when the line was changed or is not of version 1. */
export function parseWalRecord(line: string): WalRecord | undefined {
  const {
    v,
    segment,
    suffix,
    hash,
    plainSize,
    plainDigest,
    plainCrc32c,
    storedSize,
    storedDigest,
    headerSize,
    ...rest
  } = parseChecked(line) ?? {};
  const chunks = chunkList(rest.chunks);
  const archivedAt = isText(rest.archivedAt) ? Date.parse(rest.archivedAt) : NaN;
  if (v !== 1 || !isText(segment) || !isText(suffix) || !isText(hash) || !isHashAlgorithm(hash)) return undefined;
  const digits = digestLength(hash);
  if (!isCount(plainSize) || !isHex(plainDigest, digits) || !isUint32(plainCrc32c)) return undefined;
  if (!isCount(storedSize) || !isHex(storedDigest, digits) || !isCount(headerSize)) return undefined;
  if (chunks === undefined || Number.isNaN(archivedAt)) return undefined;
  return {
    segment,
    suffix,
    hash,
    plainSize,
    plainDigest,
    plainCrc32c,
    storedSize,
    storedDigest,
    headerSize,
    chunks,
    archivedAt,
  };
}

/** One file of the index, read whole: at most a few thousand short lines. */
interface Group {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  readonly records: Map<string, WalRecord>;
  /** Number of the first line that could not be read. */
  readonly damagedLine: number | undefined;
}

const isAsRead = (group: Group, facts: { size: number; mtimeMs: number } | undefined): boolean =>
  facts !== undefined && group.size === facts.size && group.mtimeMs === facts.mtimeMs;

export function openWalIndex(storage: Storage, layout: ServerLayout): WalIndex {
  let latest: Group | undefined;
  let writing: Promise<unknown> = Promise.resolve();

  async function readGroup(path: string): Promise<Group | undefined> {
    const facts = await storage.stat(path);
    if (facts === undefined) return undefined;
    if (latest?.path === path && isAsRead(latest, facts)) return latest;
    const records = new Map<string, WalRecord>();
    let number = 0;
    let damagedLine: number | undefined;
    const faults = {
      tooLong: (line: number) =>
        repositoryErrors.walIndexDamaged(`"${path}", line ${line}: it is too long`, { path, line }),
      // Being written at this moment, or torn by a crash: it was never promised.
      unfinished: () => undefined,
    };
    const reader = await storage.openFile(path);
    try {
      for await (const lines of readLines(reader, longestLine, faults)) {
        for (const line of lines) {
          number += 1;
          const record = parseWalRecord(line.toString("utf8"));
          if (record === undefined) damagedLine ??= number;
          else records.set(record.segment, record);
        }
      }
    } finally {
      await reader.close();
    }
    latest = { path, size: facts.size, mtimeMs: facts.mtimeMs, records, damagedLine };
    return latest;
  }

  async function lookup(segment: string): Promise<WalRecord | undefined> {
    const path = layout.walIndexFile(segment);
    const group = await readGroup(path);
    const record = group?.records.get(segment);
    if (record === undefined && group?.damagedLine !== undefined) {
      const details = { path, line: group.damagedLine, segment };
      throw repositoryErrors.walIndexDamaged(
        `"${path}", line ${group.damagedLine} was changed; it may describe ${segment}`,
        details,
      );
    }
    return record;
  }

  /** To read thousands of lines again for each that is added would cost as much as to compress what they describe. */
  async function append(record: WalRecord): Promise<number> {
    const path = layout.walIndexFile(record.segment);
    const line = formatWalRecord(record);
    const known = latest?.path === path && isAsRead(latest, await storage.stat(path)) ? latest : undefined;
    const cut = await storage.appendLine(path, line);
    if (known === undefined || known !== latest) return cut;
    const facts = await storage.stat(path);
    if (cut === 0 && facts?.size === known.size + Buffer.byteLength(line) + 1) {
      known.records.set(record.segment, record);
      latest = { ...known, size: facts.size, mtimeMs: facts.mtimeMs };
    }
    return cut;
  }

  /** One line after the other, also when the calls overlap. */
  function add(record: WalRecord): Promise<number> {
    const added = writing.then(() => append(record));
    // The failure belongs to this caller; the next one tries again on his own.
    writing = added.catch(() => undefined);
    return added;
  }

  return { add, lookup };
}
