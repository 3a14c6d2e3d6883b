export * from "./errors.ts";
export * from "./compressor.ts";
export { levelOf, openCompressor } from "./registry.ts";
export { createDecoder, type StreamDecoder } from "./decoder.ts";
export { createByteReader, type ByteReader } from "./byte-reader.ts";
export { compressMessage, decompressMessage, type MessageCompression } from "./message.ts";
