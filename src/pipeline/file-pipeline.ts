/** One file on its way to the storage: pieces in, complete frames out, in order, measured on both sides. */
import type { Compressor } from "../compression/index.ts";
import { CONTAINER_HEADER_LENGTH, type Sealer } from "../encryption/index.ts";
import type { CompressQueue } from "./compress-queue.ts";
import { pipelineErrors } from "./errors.ts";
import {
  type ChunkEntry,
  crc32cOfChunks,
  createRunningDigest,
  type FileMeasures,
  type HashAlgorithm,
} from "./file-measures.ts";
import type { PageVerifierOptions } from "../postgres/index.ts";
import type { MeasureThread } from "./measure-thread.ts";
import type { MemoryBudget, PooledBuffer } from "./memory-budget.ts";
import { createRunningMeasure, type ChunkMeasure, type WholeFileMeasure } from "./running-measure.ts";
import type { StageClock } from "./stage-times.ts";

/** Where stored bytes go. A chunk must not change until the promise of its write settles. */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
}

/** A sink, its opening under way, or how to open it: then it is opened for the first bytes that are to be stored. */
export type SinkOpening = ByteSink | Promise<ByteSink> | (() => Promise<ByteSink>);

/** What is known of a file once its last byte has come. */
export interface WholePlainFile {
  readonly plainSize: number;
  /** Hexadecimal. */
  readonly plainDigest: string;
}

/**
 * Asked once for each file, as soon as its plain bytes have been measured: true when they are stored already and what the
 * sink has taken of them is not needed. A file of one chunk is asked about before anything of it is compressed or stored.
 */
export type StoredAlready = (file: WholePlainFile) => Promise<boolean>;

export interface FilePipeline {
  /**
   * Takes a copy of the piece. A promise means: pause until it settles (it never rejects). After a failure
   * pieces are dropped, and `finish` says why.
   */
  write(piece: Uint8Array): Promise<void> | undefined;
  /** Stores what is left, closes the sink, and tells what was measured; rejects with the first error, once. */
  finish(): Promise<FileMeasures>;
  /** Gives the file up: nothing is held when it settles, the sink was aborted. */
  abort(): Promise<void>;
}

/** What all files of a pipeline share. */
export interface FileSurroundings {
  readonly compressor: Compressor;
  readonly hash: HashAlgorithm;
  readonly budget: MemoryBudget;
  readonly queue: CompressQueue;
  /** Memory of a chunk on its way, in multiples of its buffer: itself, its compressed form, its sealed form. */
  readonly weight: number;
  /** Measures files of more than a few chunks, where there is one. */
  readonly thread: MeasureThread | undefined;
  readonly createSealer: () => Sealer | undefined;
  /** The frame of an empty file, made once: in a cluster every other file is empty. */
  readonly emptyFrame: () => Promise<Uint8Array>;
  readonly clock: StageClock;
  /** Told of frames that nobody needs any more. */
  readonly garbage: (bytes: number) => void;
  /** The first failure in any file, which stops them all. */
  readonly failure: () => unknown;
  readonly fail: (error: unknown) => void;
  readonly settled: () => void;
}

/** Without a hint a file begins small and grows: most files of a cluster have a few kilobytes. */
const FIRST_BUFFER = 64 * 1024;
/** Bytes below which a file of one chunk is hashed in less time than a message to a thread takes. */
const WORTH_THE_THREAD = 256 * 1024;
const nothing = Buffer.alloc(0);

/** What was measured of a chunk, and its plain bytes, which may have moved meanwhile. */
interface Measured {
  readonly measure: ChunkMeasure;
  readonly plain: Uint8Array;
}

interface Packed extends Measured {
  readonly packed: Uint8Array;
  /** Nothing of it is to be stored. */
  readonly needless?: true;
}

interface Chunk {
  readonly buffer: PooledBuffer | undefined;
  readonly last: boolean;
  readonly packing: Promise<Packed> | Packed;
}

/** Has a file's chunks measured by a thread, to which their memory goes and from which it comes back. */
function measureInThread(ask: ReturnType<MeasureThread["openFile"]>) {
  return async (buffer: PooledBuffer | undefined, length: number, last: boolean): Promise<Measured> => {
    const { measure, memory } = await ask((buffer?.bytes.buffer ?? new ArrayBuffer(0)) as ArrayBuffer, length, last);
    buffer?.returned(memory);
    return { measure, plain: new Uint8Array(memory, 0, length) };
  };
}

export interface FilePipelineOptions {
  readonly sizeHint?: number | undefined;
  readonly pages?: PageVerifierOptions | undefined;
  readonly storedAlready?: StoredAlready | undefined;
}

/**
 * @param opening bytes may be written at once
 * @param sizeHint expected plain bytes; only saves memory and copies
 * @param pages for a file whose pages are to be checked
 * @param storedAlready see there
 */
export function createFilePipeline(
  around: FileSurroundings,
  opening: SinkOpening,
  { sizeHint, pages, storedAlready }: FilePipelineOptions,
): FilePipeline {
  const { compressor, budget, clock } = around;
  const chunkSize = compressor.chunkSize;
  const sealer = around.createSealer();
  const changes = compressor.method !== "none" || sealer !== undefined;
  /** Chosen with the first chunk; all of a file are measured in one place. */
  let measureChunk: ((buffer: PooledBuffer | undefined, length: number, last: boolean) => Promise<Measured> | Measured) | undefined;
  const storedDigest = createRunningDigest(around.hash);
  const chunks: ChunkEntry[] = [];
  let current: PooledBuffer | undefined;
  let filled = 0;
  let plainSize = 0;
  let whole: WholeFileMeasure = { digest: "", pages: undefined };
  let storedHex = "";
  let storedSize = 0;
  let ended = false;
  let aborted = false;
  let ownError: unknown;
  let tail: Promise<void> = Promise.resolve();
  let elsewhere: boolean | undefined;
  let opened: ByteSink | Promise<ByteSink> | undefined;
  const sink = (): ByteSink | Promise<ByteSink> => {
    if (opened === undefined) {
      opened = typeof opening === "function" ? opening() : opening;
      // An opening that fails is reported by the first use of the sink, not as an unhandled rejection.
      if (opened instanceof Promise) opened.catch(() => undefined);
    }
    return opened;
  };
  if (typeof opening !== "function") void sink();

  const dead = (): boolean => aborted || ownError !== undefined || around.failure() !== undefined;

  const fail = (error: unknown): void => {
    // What fails after the first failure, or in a file that was given up, is its consequence.
    if (aborted || around.failure() !== undefined) return;
    ownError = error;
    around.fail(error);
  };

  const measureStored = (stored: Uint8Array, last: boolean): void => {
    if (last) storedHex = storedDigest.finish(stored);
    else storedDigest.update(stored);
  };

  /** A small file is measured sooner here than it is sent to a thread. */
  const chooseMeasure = (small: boolean): NonNullable<typeof measureChunk> => {
    const options = { hash: around.hash, pages };
    if (around.thread !== undefined && !small) return measureInThread(around.thread.openFile(options));
    const running = createRunningMeasure(options);
    return (buffer, length, last) => {
      const plain = buffer === undefined ? nothing : buffer.bytes.subarray(0, length);
      return { measure: clock.run("hash", () => running.add(plain, last)), plain };
    };
  };

  const store = async (chunk: Chunk): Promise<void> => {
    // Awaited even when the file is dead: until then others may read the buffer.
    const packed = await chunk.packing;
    if (packed.measure.file !== undefined) whole = packed.measure.file;
    if (packed.needless === true) {
      chunks.push({ stored: 0, plain: packed.plain.length, crc32c: packed.measure.crc32c });
      return;
    }
    try {
      if (!dead()) await storePacked(packed, chunk.last);
    } finally {
      if (packed.packed !== packed.plain && packed.plain.length > 0) compressor.recycle?.(packed.packed);
    }
  };

  const storePacked = async ({ packed, plain, measure }: Packed, last: boolean): Promise<void> => {
    let stored = sealer === undefined ? packed : clock.run("encryption", () => sealer.seal(packed, last));
    chunks.push({ stored: stored.length, plain: plain.length, crc32c: measure.crc32c });
    if (sealer !== undefined && storedSize === 0) stored = Buffer.concat([sealer.header(), stored]);
    storedSize += stored.length;
    if (changes) clock.run("hash", () => measureStored(stored, last));
    await (await sink()).write(stored);
    if (changes) around.garbage(stored.length);
  };

  const compress = (plain: Uint8Array): Promise<Uint8Array> =>
    around.queue.run(() => clock.runAsync("compression", () => compressor.compress(plain)));

  const askWhether = async (plainDigest: string): Promise<boolean> => {
    if (storedAlready === undefined || elsewhere !== undefined || dead()) return false;
    // Never asked twice, whatever becomes of the question.
    elsewhere = false;
    elsewhere = await storedAlready({ plainSize, plainDigest });
    return elsewhere;
  };

  const packUnlessStored = async (measured: Measured, plainDigest: string): Promise<Packed> =>
    (await askWhether(plainDigest)) ? { ...measured, packed: nothing, needless: true } : compressed(measured);

  /** The only chunk of its file is not compressed before it is known that nobody has it. */
  const pack = (measured: Measured): Promise<Packed> | Packed => {
    const { file } = measured.measure;
    const only = file !== undefined && measured.plain.length === plainSize;
    return only && storedAlready !== undefined ? packUnlessStored(measured, file.digest) : compressed(measured);
  };

  const compressed = (measured: Measured): Promise<Packed> | Packed => {
    const { plain } = measured;
    if (compressor.method === "none") return { ...measured, packed: plain };
    const packing = plain.length === 0 ? around.emptyFrame() : compress(plain);
    return packing.then((packed) => ({ ...measured, packed }));
  };

  const dispatch = (last: boolean): void => {
    const buffer = current;
    const length = filled;
    current = undefined;
    filled = 0;
    plainSize += length;
    measureChunk ??= chooseMeasure(last && length < WORTH_THE_THREAD);
    const measured = measureChunk(buffer, length, last);
    const packing = measured instanceof Promise ? measured.then(pack) : pack(measured);
    // The chain below handles it; this one only keeps it from being called unhandled before its turn comes.
    if (packing instanceof Promise) packing.catch(() => undefined);
    const chunk: Chunk = { buffer, last, packing };
    budget.begin();
    tail = tail
      .then(() => store(chunk))
      .catch(fail)
      .finally(() => {
        buffer?.release();
        budget.end();
      });
  };

  /** Room for at least one more byte of the current chunk. */
  const roomy = (wanted: number): PooledBuffer => {
    const capacity = current === undefined ? 0 : Math.min(current.bytes.length, chunkSize);
    if (current !== undefined && filled < capacity) return current;
    const beginning = plainSize === 0 ? Math.max(FIRST_BUFFER, 4 * capacity) : chunkSize;
    const hinted = current === undefined && sizeHint !== undefined ? sizeHint - plainSize : beginning;
    const size = Math.min(chunkSize, Math.max(wanted, filled + 1, hinted));
    const larger = budget.take(size, around.weight);
    if (current !== undefined) {
      current.bytes.copy(larger.bytes, 0, 0, filled);
      current.release();
    }
    current = larger;
    return larger;
  };

  /** A file of which nothing is to be stored has no sink, unless it took long to become known. */
  const closeSink = async (): Promise<void> => {
    await askWhether(whole.digest);
    if (elsewhere !== true || opened !== undefined) await (await sink()).close();
  };

  const reason = (): unknown => {
    if (ownError !== undefined) return ownError;
    const first = around.failure();
    if (first === undefined) return pipelineErrors.aborted("file given up before its end");
    return pipelineErrors.stopped("file given up because another file of the job failed", {}, first);
  };

  const dropCurrent = (): void => {
    current?.release();
    current = undefined;
    filled = 0;
  };

  const releaseAndAbort = async (): Promise<void> => {
    dropCurrent();
    await tail;
    let toAbort: ByteSink | undefined;
    try {
      toAbort = await opened;
    } catch {
      // A sink that never opened needs no abort; why it did not was reported by the write that needed it.
      return;
    }
    await toAbort?.abort();
  };

  let givingUp: Promise<void> | undefined;
  const giveUp = (): Promise<void> => (givingUp ??= releaseAndAbort());

  return {
    write(piece) {
      if (ended) throw pipelineErrors.misused("piece written to a file that has ended");
      if (dead()) {
        dropCurrent();
        return undefined;
      }
      let offset = 0;
      while (offset < piece.length) {
        // A full chunk stays until a further byte comes: only then is it known not to be the last.
        if (filled === chunkSize) dispatch(false);
        const target = roomy(Math.min(piece.length - offset, chunkSize - filled));
        const part = Math.min(piece.length - offset, Math.min(target.bytes.length, chunkSize) - filled);
        target.bytes.set(part === piece.length ? piece : piece.subarray(offset, offset + part), filled);
        filled += part;
        offset += part;
      }
      return budget.pressure();
    },
    async finish() {
      if (ended) throw pipelineErrors.misused("file finished after its end");
      ended = true;
      budget.begin();
      try {
        // An empty file is one empty frame where there is a format, and nothing at all where there is none.
        if (!dead() && (filled > 0 || changes)) dispatch(true);
        else if (!dead()) whole = createRunningMeasure({ hash: around.hash, pages }).add(nothing, true).file ?? whole;
        await tail;
        if (!dead()) await closeSink().catch(fail);
        if (dead()) {
          // What the sink leaves behind is removed with the job's other remains; the first error is the one that tells.
          await giveUp().catch(() => undefined);
          throw reason();
        }
      } finally {
        budget.end();
        around.settled();
      }
      return {
        plainSize,
        plainCrc32c: crc32cOfChunks(chunks),
        plainDigest: whole.digest,
        storedSize,
        storedDigest: changes ? storedHex : whole.digest,
        headerSize: sealer === undefined ? 0 : CONTAINER_HEADER_LENGTH,
        chunks,
        pages: whole.pages,
        ...(elsewhere === true ? { elsewhere } : {}),
      };
    },
    async abort() {
      if (aborted) return;
      aborted = true;
      ended = true;
      try {
        await giveUp();
      } finally {
        around.settled();
      }
    },
  };
}
