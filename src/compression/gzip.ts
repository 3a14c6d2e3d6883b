/** gzip members (RFC 1952) by Node's zlib, one member a chunk, on the libuv pool. */
import { constants, crc32, gzip, inflateRaw, type ZlibOptions } from "node:zlib";
import { messageOf } from "../common/index.ts";
import { chunkSizeOf, type Compressor } from "./compressor.ts";
import { compressionErrors } from "./errors.ts";

const TRAILER = 8;

/**
 * Length of the header of a gzip member.
 * @throws COMPRESSED_DATA_DAMAGED when it is none, or ends within the header
 */
export function gzipHeaderLength(member: Uint8Array): number {
  if (member[0] !== 0x1f || member[1] !== 0x8b || member[2] !== 8) throw compressionErrors.damaged("not a gzip member");
  const flags = member[3] ?? 0;
  if ((flags & 0xe0) !== 0) throw compressionErrors.damaged("reserved flag in a gzip header");
  let position = 10;
  if ((flags & 4) !== 0) position += 2 + (member[position] ?? 0) + 256 * (member[position + 1] ?? 0);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = member.indexOf(0, position);
    if (end < 0) throw compressionErrors.damaged("gzip header ends too early");
    position = end + 1;
  }
  if ((flags & 2) !== 0) position += 2;
  if (position + TRAILER > member.length) throw compressionErrors.damaged("gzip member ends too early");
  return position;
}

/** The output buffer is asked for whole: with zlib's standard 16 KiB every chunk would take dozens of turns. */
function deflateBound(length: number): number {
  return length + (length >> 12) + (length >> 14) + 64;
}

function compressMember(plain: Uint8Array, level: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options: ZlibOptions = { level, chunkSize: Math.max(128, deflateBound(plain.length)), memLevel: 9 };
    gzip(plain, options, (error, member) => {
      if (error) reject(compressionErrors.failed(`gzip failed: ${messageOf(error)}`, {}, error));
      else resolve(member);
    });
  });
}

/** The deflate stream must consume exactly `body` and yield exactly `plainLength` bytes. */
function inflateBody(body: Uint8Array, plainLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string, cause?: unknown): void =>
      reject(compressionErrors.damaged(`gzip member ${reason}`, {}, cause));
    const options: ZlibOptions = {
      info: true,
      finishFlush: constants.Z_FINISH,
      chunkSize: Math.max(64, plainLength + 1),
      maxOutputLength: Math.max(1, plainLength),
    };
    inflateRaw(body, options, (error, result) => {
      if (error) return refuse(`is refused by zlib: ${messageOf(error)}`, error);
      // With `info` the result is an object that the types of Node 20 do not describe.
      const { buffer, engine } = result as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
      if (engine.bytesWritten !== body.length) return refuse("does not end where it must");
      if (buffer.length !== plainLength) return refuse(`holds ${buffer.length} bytes where ${plainLength} are due`);
      resolve(buffer);
    });
  });
}

/** gzip at one level. */
export function createGzipCompressor(level: number): Compressor {
  return {
    method: "gzip",
    chunkSize: chunkSizeOf("gzip"),
    compress: (plain) => compressMember(plain, level),
    async decompress(frame, plainLength) {
      const header = gzipHeaderLength(frame);
      const trailer = new DataView(frame.buffer, frame.byteOffset + frame.length - TRAILER, TRAILER);
      if (trailer.getUint32(4, true) !== plainLength % 2 ** 32) {
        throw compressionErrors.damaged(`gzip member states another length than the ${plainLength} bytes that are due`);
      }
      const plain = await inflateBody(frame.subarray(header, frame.length - TRAILER), plainLength);
      if (crc32(plain) !== trailer.getUint32(0, true))
        throw compressionErrors.damaged("checksum of a gzip member does not match");
      return plain;
    },
    close: async () => undefined,
  };
}
