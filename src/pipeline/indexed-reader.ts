/** Reads a stored file by its chunk index: several chunks are read, opened and decoded ahead, delivered in order. */
import { throwIfAborted } from "../common/index.ts";
import { type Compressor, openCompressor } from "../compression/index.ts";
import { CONTAINER_HEADER_LENGTH, createOpener, FRAME_LIMIT, type Opener } from "../encryption/index.ts";
import { crc32c } from "./crc32c.ts";
import { namedDamage } from "./damage.ts";
import { pipelineErrors } from "./errors.ts";
import { type ChunkEntry, createRunningDigest } from "./file-measures.ts";
import type { PooledBuffer } from "./memory-budget.ts";
import type { ChunkReceiver, ReadMeasures, ReadStoredFileOptions, StoredFormat } from "./stored-file.ts";

type IndexedOptions = ReadStoredFileOptions & { readonly chunks: readonly ChunkEntry[] };
/** What must be known to open single chunks of a file. */
export type ChunkOptions = Pick<IndexedOptions, "source" | "chunks" | "headerSize">;

/** The index must describe a file of exactly this size; a changed index must not allocate memory. */
export function requirePlausibleIndex(options: ChunkOptions, headerSize: number): void {
  const { source, chunks } = options;
  const refuse = (reason: string): never => {
    throw pipelineErrors.damaged(`${source.name}: ${reason}`, { file: source.name });
  };
  if (options.headerSize !== undefined && options.headerSize !== headerSize) {
    refuse(`its index states a header of ${options.headerSize} bytes instead of ${headerSize}`);
  }
  let stored = headerSize;
  for (const chunk of chunks) {
    for (const length of [chunk.stored, chunk.plain]) {
      if (!Number.isInteger(length) || length < 0 || length > FRAME_LIMIT)
        refuse(`its index holds a chunk of ${length} bytes`);
    }
    stored += chunk.stored;
  }
  if (chunks.length === 0 && headerSize > 0) refuse("its index has no chunk");
  if (stored !== source.size) refuse(`the file has ${source.size} bytes where its index needs ${stored}`);
}

/** One chunk out of its stored bytes, of the length that its entry states. */
export async function unpackChunk(
  stored: Buffer,
  number: number,
  options: ChunkOptions,
  compressor: Compressor,
  opener: Opener | undefined,
): Promise<Uint8Array> {
  const entry = options.chunks[number];
  if (entry === undefined || stored.length !== entry.stored) {
    throw pipelineErrors.damaged(`${options.source.name} ends within chunk ${number}`, {
      file: options.source.name,
      chunk: number,
    });
  }
  const frame = opener === undefined ? stored : opener.open(stored, number, number === options.chunks.length - 1);
  return compressor.decompress(frame, entry.plain);
}

/** Throws when the CRC-32C of a plain chunk is not the one in the index. */
export function requireChecksum(found: number, number: number, { source, chunks }: ChunkOptions): void {
  if (found === chunks[number]?.crc32c) return;
  throw pipelineErrors.damaged(`${source.name}: checksum of chunk ${number} does not match`, { file: source.name, chunk: number });
}

/** One chunk out of its stored bytes; `check` is whether its checksum is compared with that of its entry. */
async function openChunk(
  stored: Buffer,
  number: number,
  options: ChunkOptions,
  compressor: Compressor,
  opener: Opener | undefined,
  check: boolean,
): Promise<Buffer> {
  const plain = await unpackChunk(stored, number, options, compressor, opener);
  if (check) requireChecksum(crc32c(plain), number, options);
  return Buffer.isBuffer(plain) ? plain : Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
}

/** A chunk that is on its way. */
interface Ahead {
  readonly read: Promise<Buffer>;
  readonly plain: Promise<Buffer>;
  readonly room: PooledBuffer | undefined;
}

export async function readIndexed(
  options: IndexedOptions,
  format: StoredFormat,
  onChunk: ChunkReceiver,
): Promise<ReadMeasures> {
  const { source, chunks, signal } = options;
  const headerSize = format.encrypted ? CONTAINER_HEADER_LENGTH : 0;
  requirePlausibleIndex(options, headerSize);
  const storedDigest = createRunningDigest(options.hash);
  const plainDigest = createRunningDigest(options.hash);
  const same = !format.encrypted && format.compression === "none";
  // Otherwise the digest of the plain bytes says all there is to say.
  const all = !(options.plainIsEnough === true && options.expected?.plainDigest !== undefined);
  const hashStored = !same && all;
  const largest = chunks.reduce((most, { stored }) => Math.max(most, stored), 0);
  const compressor = await openCompressor(format.compression);
  const ahead: Ahead[] = [];
  const mostAhead = compressor.decodesInPlace === true ? 1 : Math.max(1, options.concurrency);
  let plainSize = 0;
  try {
    let opener: Opener | undefined;
    if (format.encrypted) {
      const header = await source.read(0, headerSize);
      opener = createOpener(header, options.keys ?? (() => undefined));
      if (hashStored) storedDigest.update(header);
    }
    // Digests need the order of the file, so reads pass one behind the other; decoding overlaps.
    let reading: Promise<unknown> = Promise.resolve();
    let offset = headerSize;
    const begin = (number: number, entry: ChunkEntry): void => {
      const at = offset;
      offset += entry.stored;
      const previous = reading;
      const room = options.pool?.take(largest, 1);
      const read = source.read(at, entry.stored, room?.bytes);
      const measured = previous.then(async () => {
        const stored = await read;
        if (hashStored) storedDigest.update(stored);
        return stored;
      });
      reading = measured;
      const plain = measured.then((stored) => openChunk(stored, number, options, compressor, opener, all));
      // Reported when its turn comes; until then it must not count as unhandled.
      read.catch(() => undefined);
      plain.catch(() => undefined);
      ahead.push({ plain, read, room });
    };
    for (let number = 0, next = 0; number < chunks.length; number++) {
      throwIfAborted(signal);
      for (; next < chunks.length && next < number + mostAhead; next++) {
        const entry = chunks[next];
        if (entry !== undefined) begin(next, entry);
      }
      const chunk = ahead[0];
      if (chunk === undefined) break;
      const plain = await chunk.plain;
      plainDigest.update(plain);
      const plainOffset = plainSize;
      plainSize += plain.length;
      await onChunk(plain, plainOffset);
      chunk.room?.release();
      ahead.shift();
    }
  } catch (error) {
    throw namedDamage(source.name, error);
  } finally {
    // The source may be closed once this returns: nothing must be under way on it.
    await Promise.allSettled(ahead.flatMap((each) => [each.plain, each.read]));
    for (const { room } of ahead) room?.release();
    await compressor.close();
  }
  const plainHex = plainDigest.finish();
  return { plainSize, plainDigest: plainHex, storedDigest: same ? plainHex : hashStored ? storedDigest.finish() : undefined };
}
