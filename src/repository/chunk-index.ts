/**
 * `backup.chunks`: what each entry of a backup is and where its chunks lie, as lines of JSON. One header line, one
 * line an entry (a file of many chunks continues on further lines), one closing line with counts and a checksum of
 * everything before it. Format: doc/formats/repository.md.
 */
import type { CompressionMethod } from "../compression/index.ts";
import type { EncryptionMode } from "../encryption/index.ts";
import type { ChunkEntry } from "../pipeline/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";

export const chunkIndexFormat = "moneta.chunks";
export const chunkIndexVersion = 1;
/** Chunks on one line; a longer file continues on the next, so that a line stays short. */
export const chunksPerLine = 4096;
/** Longest line that is read, in bytes. */
export const longestChunkLine = 1024 * 1024;

/** What holds for the whole backup. */
export interface ChunkIndexHeader {
  readonly label: string;
  /** Of the digests in the entries. */
  readonly hash: HashAlgorithm;
  readonly compression: CompressionMethod;
  readonly encryption: EncryptionMode;
}

export interface IndexedFile {
  readonly kind: "file";
  /** Plain path relative to the directory of the backup: `data/…`, `tblspc_…/…`. */
  readonly path: string;
  /** Permission bits that a restore gives it. */
  readonly mode: number;
  /** Plain bytes. */
  readonly size: number;
  /** What the stored name has after the path, for example `.zstd.aes`. */
  readonly suffix: string;
  /** Of the plain bytes, hexadecimal. */
  readonly digest: string;
  /** CRC-32C of the plain bytes. */
  readonly crc32c: number;
  readonly storedSize: number;
  /** Of the stored bytes, hexadecimal. */
  readonly storedDigest: string;
  /** Stored bytes before the first chunk. */
  readonly headerSize: number;
  readonly chunks: readonly ChunkEntry[];
  /** Label of the backup that wrote the stored bytes, when it is an earlier one. */
  readonly owner?: string | undefined;
  /**
   * Where the stored bytes of a file that pgmoneta wrote lie in the repository. Nobody indexed its chunks; its digests are
   * SHA-512, empty where none is known.
   */
  readonly location?: string | undefined;
  /** Of a file that a restore of an incremental backup puts together: out of what. Nothing else here says where bytes lie, then. */
  readonly combined?: CombinedFile | undefined;
  /** The plain bytes themselves, of a small file that a restore of an incremental backup changes. */
  readonly content?: Buffer | undefined;
}

/** What one backup of a chain has of a file. */
export interface FileLayer {
  readonly info: BackupInfo;
  readonly file: IndexedFile;
}

export interface CombinedFile {
  /** Bytes of a page. */
  readonly blockSize: number;
  /** The newest first. All are incremental files but the last one, which is a whole file. */
  readonly layers: readonly FileLayer[];
}

export interface IndexedDirectory {
  readonly kind: "directory";
  readonly path: string;
  readonly mode: number;
}

export interface IndexedSymlink {
  readonly kind: "symlink";
  readonly path: string;
  /** Where it led on the source. */
  readonly target: string;
}

export type ChunkIndexEntry = IndexedFile | IndexedDirectory | IndexedSymlink;

/** Sums over all entries. */
export interface ChunkIndexTotals {
  readonly entries: number;
  readonly files: number;
  /** Plain bytes. */
  readonly bytes: number;
  readonly storedBytes: number;
}

export const noTotals: ChunkIndexTotals = { entries: 0, files: 0, bytes: 0, storedBytes: 0 };

/** `totals` with one more entry. */
export function addToTotals(totals: ChunkIndexTotals, entry: ChunkIndexEntry): ChunkIndexTotals {
  if (entry.kind !== "file") return { ...totals, entries: totals.entries + 1 };
  return {
    entries: totals.entries + 1,
    files: totals.files + 1,
    bytes: totals.bytes + entry.size,
    storedBytes: totals.storedBytes + entry.storedSize,
  };
}
