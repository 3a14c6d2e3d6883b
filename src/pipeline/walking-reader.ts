/** Reads a stored file without an index: from its first byte to its last, frame by frame. */
import { throwIfAborted } from "../common/index.ts";
import { createByteReader, createDecoder } from "../compression/index.ts";
import {
  CONTAINER_HEADER_LENGTH,
  createOpener,
  encryptionErrors,
  FRAME_WORD_LENGTH,
  isContainer,
  readFrameWord,
} from "../encryption/index.ts";
import { namedDamage } from "./damage.ts";
import { pipelineErrors } from "./errors.ts";
import { createRunningDigest, type RunningDigest } from "./file-measures.ts";
import { findMessageKey, openMessage } from "./sealed-message.ts";
import type { ChunkReceiver, ReadMeasures, ReadStoredFileOptions, StoredFormat } from "./stored-file.ts";

const STEP = 1024 * 1024;

/** All stored bytes in order, measured; the next piece is read while the present one is worked on. */
async function* storedPieces(options: ReadStoredFileOptions, digest: RunningDigest): AsyncGenerator<Buffer> {
  const { source, signal } = options;
  const read = (offset: number): Promise<Buffer> | undefined => {
    if (offset >= source.size) return undefined;
    const piece = source.read(offset, Math.min(STEP, source.size - offset));
    piece.catch(() => undefined);
    return piece;
  };
  let next = read(0);
  for (let offset = 0; next !== undefined;) {
    throwIfAborted(signal);
    const piece: Buffer = await next;
    if (piece.length === 0)
      throw pipelineErrors.damaged(`${source.name} ends at ${offset} of ${source.size} bytes`, { file: source.name });
    offset += piece.length;
    next = read(offset);
    digest.update(piece);
    yield piece;
  }
}

/** The sealed bytes of a container: every frame in its place, the last one marked, nothing behind it. */
async function* openFrames(pieces: AsyncIterable<Uint8Array>, options: ReadStoredFileOptions): AsyncGenerator<Buffer> {
  const reader = createByteReader(pieces);
  const need = async (count: number): Promise<void> => {
    if (!(await reader.fill(count)))
      throw encryptionErrors.malformed("encrypted file ends within a frame, or without its last one");
  };
  try {
    await need(CONTAINER_HEADER_LENGTH);
    const opener = createOpener(reader.take(CONTAINER_HEADER_LENGTH), options.keys ?? (() => undefined));
    for (let number = 0, ended = false; !ended; number++) {
      await need(FRAME_WORD_LENGTH);
      const word = readFrameWord(Buffer.from([0, 1, 2, 3].map((offset) => reader.byteAt(offset))));
      await need(word.length);
      yield opener.open(reader.take(word.length), number, word.last);
      ended = word.last;
    }
    if (await reader.fill(1))
      throw encryptionErrors.malformed("foreign bytes behind the last frame of an encrypted file");
  } finally {
    await reader.close();
  }
}

/** Both forms of an encrypted file, told apart by how they begin: pgmoneta's begins with random bytes. */
async function openSealed(pieces: AsyncIterable<Uint8Array>, options: ReadStoredFileOptions): Promise<AsyncIterable<Uint8Array>> {
  const { source, keys, likelyMode: likely, messageMode, signal } = options;
  const begin = await source.read(0, Math.min(source.size, CONTAINER_HEADER_LENGTH));
  if (isContainer(begin)) return openFrames(pieces, options);
  const { master, mode } = await findMessageKey(source, keys, { mode: messageMode, likely, signal });
  return openMessage(pieces, master, mode);
}

export async function readWalked(
  options: ReadStoredFileOptions,
  format: StoredFormat,
  onChunk: ChunkReceiver,
): Promise<ReadMeasures> {
  const storedDigest = createRunningDigest(options.hash);
  const plainDigest = createRunningDigest(options.hash);
  const pieces = storedPieces(options, storedDigest);
  let plainSize = 0;
  try {
    const packed = format.encrypted ? await openSealed(pieces, options) : pieces;
    for await (const piece of createDecoder(format.compression).decode(packed)) {
      plainDigest.update(piece);
      const plainOffset = plainSize;
      plainSize += piece.length;
      await onChunk(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength), plainOffset);
    }
  } catch (error) {
    throw namedDamage(options.source.name, error);
  }
  return { plainSize, plainDigest: plainDigest.finish(), storedDigest: storedDigest.finish() };
}
