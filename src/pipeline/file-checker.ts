/**
 * Reads stored files only to see whether they are what was written. Nobody takes their bytes, so what is computed over plain
 * chunks (CRC-32C, digest, page checksums) is left to threads, a file to one of them: the event loop reads, opens and
 * decodes the next chunks meanwhile. Memory is bounded over all files.
 */
import { createGarbageCounter, throwIfAborted } from "../common/index.ts";
import { openCompressor, type CompressionMethod, type Compressor } from "../compression/index.ts";
import { CONTAINER_HEADER_LENGTH, createOpener } from "../encryption/index.ts";
import type { PageReport, PageVerifierOptions } from "../postgres/index.ts";
import { namedDamage } from "./damage.ts";
import { createRunningDigest, type ChunkEntry } from "./file-measures.ts";
import { requireChecksum, requirePlausibleIndex, unpackChunk } from "./indexed-reader.ts";
import { createMeasureThread, type MeasureThread } from "./measure-thread.ts";
import { createMemoryBudget, type PooledBuffer } from "./memory-budget.ts";
import { requireMeasures, requireSize } from "./read-stored-file.ts";
import { createRunningMeasure, type ChunkMeasure, type WholeFileMeasure } from "./running-measure.ts";
import type { ReadStoredFileOptions, StoredFormat } from "./stored-file.ts";

export interface FileCheckerOptions {
  /** Threads that measure, at least 1. They are started with the first file that is worth one. */
  readonly threads: number;
}

export interface CheckFileOptions
  extends Pick<ReadStoredFileOptions, "source" | "keys" | "headerSize" | "hash" | "expected" | "concurrency" | "signal"> {
  readonly format: StoredFormat;
  readonly chunks: readonly ChunkEntry[];
  /** For a file whose pages are to be looked at. */
  readonly pages?: PageVerifierOptions | undefined;
}

export interface FileChecker {
  /**
   * Reads a file whole. Gives what became of its pages; undefined for a file without any that were asked about.
   * Throws STORED_FILE_DAMAGED naming the file, ENCRYPTION_KEY_UNKNOWN, and what the source throws.
   */
  check(options: CheckFileOptions): Promise<PageReport | undefined>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/** Files of fewer plain bytes are measured at once: a thread is started for large ones. */
const WORTH_A_THREAD = 1024 * 1024;
const LARGEST_CHUNK = 1024 * 1024;
/** Buffers at rest: enough for all that is in hand with two threads. */
const POOLED_BYTES = 32 * LARGEST_CHUNK;
/** Decoded chunks that may lie about before their memory is asked for. */
const MOST_GARBAGE = 16 * 1024 * 1024;

/** A plain chunk; where there is a buffer it lies at its beginning. */
interface PlainChunk {
  readonly plain: Uint8Array;
  readonly buffer: PooledBuffer | undefined;
}

interface Assigned {
  readonly thread: MeasureThread;
  /** Plain bytes of its files that are not measured yet. */
  load: number;
}

export function createFileChecker({ threads }: FileCheckerOptions): FileChecker {
  const pool = createMemoryBudget(POOLED_BYTES, LARGEST_CHUNK);
  const assigned: Assigned[] = [];
  const compressors = new Map<CompressionMethod, Promise<Compressor>>();
  const left = createGarbageCounter(MOST_GARBAGE);

  const leastLoaded = (): Assigned => {
    const idle = assigned.find(({ load }) => load === 0);
    if (idle !== undefined) return idle;
    if (assigned.length < Math.max(1, threads)) assigned.push({ thread: createMeasureThread(() => undefined), load: 0 });
    return assigned.reduce((least, each) => (each.load < least.load ? each : least));
  };
  const compressorFor = (method: CompressionMethod): Promise<Compressor> => {
    const opened = compressors.get(method) ?? openCompressor(method);
    compressors.set(method, opened);
    return opened;
  };

  /** What decoders give cannot move to a thread, or lies in memory that others use as well. */
  const copyOf = (plain: Uint8Array): PooledBuffer => {
    const buffer = pool.take(plain.length, 1);
    buffer.bytes.set(plain);
    return buffer;
  };

  /** Measures the chunks of one file in order, here or in a thread. */
  function openMeasure({ hash, pages }: CheckFileOptions, plainBytes: number) {
    if (plainBytes < WORTH_A_THREAD) {
      const running = createRunningMeasure({ hash, pages });
      return {
        measure: async ({ plain }: PlainChunk, last: boolean): Promise<ChunkMeasure> => running.add(plain, last),
        giveUp: async () => undefined,
      };
    }
    const worker = leastLoaded();
    worker.load += plainBytes;
    const ask = worker.thread.openFile({ hash, pages });
    let open = true;
    let due = plainBytes;
    const done = (bytes: number): void => {
      worker.load -= bytes;
      due -= bytes;
    };
    return {
      async measure(chunk: PlainChunk, last: boolean): Promise<ChunkMeasure> {
        if (last) open = false;
        const { length } = chunk.plain;
        const buffer = chunk.buffer ?? copyOf(chunk.plain);
        try {
          const answer = await ask(buffer.bytes.buffer as ArrayBuffer, length, last);
          buffer.returned(answer.memory);
          return answer.measure;
        } finally {
          done(length);
          buffer.release();
        }
      },
      /** Of a file that is damaged: the thread would keep what it knows of it. */
      async giveUp(): Promise<void> {
        done(due);
        if (open) await ask(new ArrayBuffer(0), 0, true).catch(() => undefined);
      },
    };
  }

  async function checkChunks(options: CheckFileOptions): Promise<WholeFileMeasure & { readonly plainSize: number; readonly storedDigest: string }> {
    const { source, chunks, format, signal } = options;
    const headerSize = format.encrypted ? CONTAINER_HEADER_LENGTH : 0;
    requirePlausibleIndex(options, headerSize);
    const same = !format.encrypted && format.compression === "none";
    const plainSize = chunks.reduce((sum, { plain }) => sum + plain, 0);
    const storedDigest = createRunningDigest(options.hash);
    const compressor = await compressorFor(format.compression);
    const measure = openMeasure(options, plainSize);
    const header = format.encrypted ? await source.read(0, headerSize) : undefined;
    const opener = header === undefined ? undefined : createOpener(header, options.keys ?? (() => undefined));
    if (header !== undefined) storedDigest.update(header);

    /** Reads pass one behind the other for the digest of the stored bytes; opening and decoding overlap. */
    let reading: Promise<unknown> = Promise.resolve();
    let offset = headerSize;
    const unpack = (number: number, entry: ChunkEntry): Promise<PlainChunk> => {
      const at = offset;
      offset += entry.stored;
      const buffer = same ? pool.take(entry.stored, 1) : undefined;
      const read = source.read(at, entry.stored, buffer?.bytes.subarray(0, entry.stored));
      const measured = reading.then(async () => {
        const stored = await read;
        if (!same) storedDigest.update(stored);
        // The source need not use the room that it is given.
        if (buffer !== undefined && stored.buffer !== buffer.bytes.buffer) buffer.bytes.set(stored);
        return stored;
      });
      reading = measured.catch(() => undefined);
      read.catch(() => undefined);
      const done = measured.then(async (stored) => ({ plain: await unpackChunk(stored, number, options, compressor, opener), buffer }));
      done.catch(() => buffer?.release());
      return done;
    };

    const depth = Math.max(1, options.concurrency);
    const ahead: Promise<PlainChunk>[] = [];
    const measuring: Promise<WholeFileMeasure | undefined>[] = [];
    let whole: WholeFileMeasure | undefined;
    try {
      for (let number = 0, next = 0; number < chunks.length; number++) {
        throwIfAborted(signal);
        for (; next < chunks.length && next < number + depth; next++) {
          const entry = chunks[next];
          if (entry !== undefined) ahead.push(unpack(next, entry));
        }
        const chunk = await ahead.shift();
        if (chunk === undefined) break;
        const { length } = chunk.plain;
        const found = measure
          .measure(chunk, number === chunks.length - 1)
          .finally(() => {
            chunk.buffer?.release();
            if (!same) left(length);
          })
          .then(({ crc32c, file }) => {
            requireChecksum(crc32c, number, options);
            return file;
          });
        found.catch(() => undefined);
        measuring.push(found);
        if (measuring.length > depth) whole = (await measuring.shift()) ?? whole;
      }
      while (measuring.length > 0) whole = (await measuring.shift()) ?? whole;
    } finally {
      // The source may be closed once this returns: nothing must be under way on it.
      for (const chunk of await Promise.allSettled(ahead)) if (chunk.status === "fulfilled") chunk.value.buffer?.release();
      await Promise.allSettled(measuring);
      if (whole === undefined) await measure.giveUp();
    }
    const empty = { digest: createRunningDigest(options.hash).finish(), pages: undefined };
    const file = whole ?? empty;
    return { ...file, plainSize, storedDigest: same ? file.digest : storedDigest.finish() };
  }

  return {
    async check(options) {
      const { source, expected } = options;
      requireSize(source, expected);
      try {
        const { plainSize, digest: plainDigest, storedDigest, pages } = await checkChunks(options);
        requireMeasures({ plainSize, plainDigest, storedDigest }, expected, source);
        return pages;
      } catch (error) {
        throw namedDamage(source.name, error);
      }
    },
    async close() {
      await Promise.all(assigned.map(({ thread }) => thread.close()));
      for (const compressor of compressors.values()) await (await compressor).close();
    },
  };
}
