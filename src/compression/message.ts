/**
 * Compression of management messages, as pgmoneta 0.22 does it: one message, one call, codes 0 to 4. Results
 * are limited, because the peer is not trusted: nothing is allocated beyond what the caller allows.
 */
import { gunzip, gzip } from "node:zlib";
import { promisify } from "node:util";
import { messageOf } from "../common/index.ts";
import { acquireBzip2Pool } from "./bzip2-pool.ts";
import { BZ_OUTBUFF_FULL } from "./bzip2-engine.ts";
import { requireSingleStream } from "./bzip2-stream.ts";
import { gzipHeaderLength } from "./gzip.ts";
import { loadLz4 } from "./lz4.ts";
import { compressionErrors } from "./errors.ts";
import { openCompressor } from "./registry.ts";
import { measureZstdFrame } from "./zstd-frame.ts";

/** 0 none, 1 gzip, 2 zstd, 3 lz4, 4 bzip2. */
export type MessageCompression = 0 | 1 | 2 | 3 | 4;

const SIZE_WORD = 4;
const ZSTD_LEVEL = 3;
const BZIP2_LEVEL = 9;

/** A raw LZ4 block behind its plain size, big-endian; the library's own form is little-endian. */
async function compressLz4Message(plain: Uint8Array): Promise<Buffer> {
  const message = await (await loadLz4()).compress(plain);
  message.writeUInt32BE(plain.length, 0);
  return message;
}

/** The compressed form of a message. @throws COMPRESSION_FAILED, COMPRESSION_LIBRARY_MISSING */
export async function compressMessage(code: MessageCompression, plain: Uint8Array): Promise<Buffer> {
  switch (code) {
    case 0:
      return Buffer.from(plain);
    case 1:
      return promisify(gzip)(plain);
    case 2: {
      const compressor = await openCompressor("zstd", ZSTD_LEVEL);
      return Buffer.from(await compressor.compress(plain));
    }
    case 3:
      return compressLz4Message(plain);
    case 4: {
      const pool = acquireBzip2Pool();
      try {
        return Buffer.from(await pool.compress(plain, BZIP2_LEVEL));
      } finally {
        await pool.release();
      }
    }
  }
}

function tooLarge(limit: number): Error {
  return compressionErrors.messageTooLarge(`message is larger than ${limit} bytes`, { limit });
}

async function decompressGzip(message: Uint8Array, limit: number): Promise<Buffer> {
  gzipHeaderLength(message);
  const stated = new DataView(message.buffer, message.byteOffset + message.length - 4, 4).getUint32(0, true);
  if (stated > limit) throw tooLarge(limit);
  let plain: Buffer;
  try {
    plain = await promisify(gunzip)(message, { maxOutputLength: Math.max(1, limit) });
  } catch (error) {
    const full = (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
    throw full
      ? tooLarge(limit)
      : compressionErrors.damaged(`gzip refuses the message: ${messageOf(error)}`, {}, error);
  }
  // Foreign bytes behind the member would stand where its length is.
  if (plain.length !== stated) throw compressionErrors.damaged("gzip message does not end where it must");
  return plain;
}

async function decompressZstd(message: Uint8Array, limit: number): Promise<Buffer> {
  const measure = measureZstdFrame((offset) => message[offset] ?? 0, message.length, Number.MAX_SAFE_INTEGER);
  if (measure.kind !== "frame" || measure.length !== message.length)
    throw compressionErrors.damaged("message is not one zstd frame");
  // Without a stated size the bound of its blocks is all there is to trust.
  if (measure.plainSize === undefined) throw compressionErrors.damaged("zstd message does not state its size");
  if (measure.plainSize > limit) throw tooLarge(limit);
  const compressor = await openCompressor("zstd", ZSTD_LEVEL);
  return Buffer.from(await compressor.decompress(message, measure.plainSize));
}

async function decompressLz4(message: Uint8Array, limit: number): Promise<Buffer> {
  if (message.length < SIZE_WORD) throw compressionErrors.damaged("lz4 message is too short");
  const sized = Buffer.from(message);
  const stated = sized.readUInt32BE(0);
  if (stated > limit) throw tooLarge(limit);
  sized.writeUInt32LE(stated, 0);
  const library = await loadLz4();
  let plain: Buffer;
  try {
    plain = await library.uncompress(sized);
  } catch (error) {
    throw compressionErrors.damaged(`lz4 refuses the message: ${messageOf(error)}`, {}, error);
  }
  if (plain.length !== stated) throw compressionErrors.damaged("lz4 message holds another length than it states");
  return plain;
}

async function decompressBzip2(message: Uint8Array, limit: number): Promise<Buffer> {
  requireSingleStream(message);
  const pool = acquireBzip2Pool();
  try {
    return Buffer.from(await pool.decompress(message, limit));
  } catch (error) {
    if (compressionErrors.damaged.is(error) && error.details["status"] === BZ_OUTBUFF_FULL) throw tooLarge(limit);
    throw error;
  } finally {
    await pool.release();
  }
}

/**
 * The plain form of a message.
 * @param limit largest plain size to accept, in bytes
 * @throws COMPRESSED_MESSAGE_TOO_LARGE, COMPRESSED_DATA_DAMAGED, COMPRESSION_LIBRARY_MISSING
 */
export async function decompressMessage(code: MessageCompression, message: Uint8Array, limit: number): Promise<Buffer> {
  switch (code) {
    case 0:
      if (message.length > limit) throw tooLarge(limit);
      return Buffer.from(message);
    case 1:
      return decompressGzip(message, limit);
    case 2:
      return decompressZstd(message, limit);
    case 3:
      return decompressLz4(message, limit);
    case 4:
      return decompressBzip2(message, limit);
  }
}
