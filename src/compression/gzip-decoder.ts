/** gzip streams of any number of members, by zlib's stream decoder. */
import { createGunzip } from "node:zlib";
import { decodeByStream } from "./stream-decoder.ts";

/** Plain bytes of any legal sequence of gzip members. */
export function decodeGzip(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return decodeByStream("gzip", () => createGunzip({ chunkSize: 256 * 1024 }), source);
}
