/** What the pipeline measures of a file while its bytes pass. */
import { createHash, hash, type Hash } from "node:crypto";
import type { PageReport } from "../postgres/index.ts";
import { appendCrc32c } from "./crc32c.ts";

/** Digests of raw and stored bytes; `hash_algorithm` of the configuration. */
export type HashAlgorithm = "sha256" | "sha512";

/** One chunk of a stored file, in the order of the file. */
export interface ChunkEntry {
  /** Bytes in the stored file, the encryption frame's overhead included. */
  readonly stored: number;
  /** Plain bytes. */
  readonly plain: number;
  /** CRC-32C of the plain bytes. */
  readonly crc32c: number;
}

export interface FileMeasures {
  readonly plainSize: number;
  /** CRC-32C of the whole plain file, as the server's manifest states it. */
  readonly plainCrc32c: number;
  /** Hexadecimal digest of the plain bytes. */
  readonly plainDigest: string;
  readonly storedSize: number;
  /** Hexadecimal digest of the stored bytes, header included. */
  readonly storedDigest: string;
  /** Bytes before the first chunk: 0, or the length of the encryption header. */
  readonly headerSize: number;
  readonly chunks: readonly ChunkEntry[];
  /** What became of its pages; undefined for a file without any that carry checksums, or that were not asked about. */
  readonly pages: PageReport | undefined;
  /** The plain bytes are stored elsewhere already: what is said here of the stored ones means nothing. */
  readonly elsewhere?: true;
}

/** A digest of bytes that arrive in pieces; a file of one piece costs no hash object. */
export interface RunningDigest {
  update(piece: Uint8Array): void;
  /** Takes the only, or last, piece and ends the digest. */
  finish(lastPiece?: Uint8Array): string;
}

/** A running SHA-256 or SHA-512. */
export function createRunningDigest(algorithm: HashAlgorithm): RunningDigest {
  let running: Hash | undefined;
  return {
    update(piece) {
      running ??= createHash(algorithm);
      running.update(piece);
    },
    finish(lastPiece) {
      if (running === undefined) return hash(algorithm, lastPiece ?? new Uint8Array(0), "hex");
      if (lastPiece !== undefined) running.update(lastPiece);
      return running.digest("hex");
    },
  };
}

/** CRC-32C of a file out of its chunks. */
export function crc32cOfChunks(chunks: readonly ChunkEntry[]): number {
  let whole = 0;
  for (const chunk of chunks) whole = appendCrc32c(whole, chunk.crc32c, chunk.plain);
  return whole;
}
