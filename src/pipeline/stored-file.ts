/** The contract of reading a stored file: what is known of it beforehand, and what is known afterwards. */
import type { CompressionMethod } from "../compression/index.ts";
import type { Cipher, KeyRing } from "../encryption/index.ts";
import type { ChunkEntry, HashAlgorithm } from "./file-measures.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { RandomReader } from "./random-reader.ts";

/** How the bytes of a file are stored; what cipher, its header says. */
export interface StoredFormat {
  readonly compression: CompressionMethod;
  readonly encrypted: boolean;
}

export interface ReadStoredFileOptions {
  readonly source: RandomReader;
  /** Undefined: by the suffixes of the source's name. */
  readonly format?: StoredFormat | undefined;
  /** Needed for encrypted files only. */
  readonly keys?: KeyRing | undefined;
  /** Cipher of a file that pgmoneta encrypted, which does not name it; undefined: found by trying. */
  readonly messageMode?: Cipher | undefined;
  /** The one to try first. */
  readonly likelyMode?: Cipher | undefined;
  /** The chunk index of the file; without it frames are walked, and chunks are not decoded in parallel. */
  readonly chunks?: readonly ChunkEntry[] | undefined;
  /** Bytes before the first chunk, as measured when the file was written; checked when given. */
  readonly headerSize?: number | undefined;
  readonly hash: HashAlgorithm;
  readonly expected?: ExpectedMeasures | undefined;
  /**
   * Whoever wants the plain bytes, and knows their digest, learns nothing more from a digest of the stored ones or from
   * checksums of chunks: with this they are not computed. For a file whose plain digest is not known it makes no difference.
   */
  readonly plainIsEnough?: boolean | undefined;
  /**
   * Buffers for stored bytes, which are used again: memory that was never touched costs more than what is done with it. What
   * is delivered belongs to the receiver until its promise settles, then.
   */
  readonly pool?: MemoryBudget | undefined;
  /** Chunks read and decoded ahead of the one being delivered. */
  readonly concurrency: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ExpectedMeasures {
  readonly plainSize?: number | undefined;
  readonly plainDigest?: string | undefined;
  readonly storedSize?: number | undefined;
  readonly storedDigest?: string | undefined;
}

export interface ReadMeasures {
  readonly plainSize: number;
  readonly plainDigest: string;
  /** Undefined when nobody asked for it: see `plainIsEnough`. */
  readonly storedDigest: string | undefined;
}

/** Takes plain bytes in the order of the file; the buffer belongs to the receiver. */
export type ChunkReceiver = (chunk: Buffer, plainOffset: number) => Promise<void>;
