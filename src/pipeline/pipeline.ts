/**
 * The contract and the assembly: files in, through measure(raw) → compress → encrypt → measure(stored), out to
 * sinks. One event loop copies and seals; large files are measured in a thread, if there is one; compression runs on the
 * libuv pool (bzip2, lz4: worker threads) with several chunks of all open files in flight. Memory is bounded over all files together.
 */
import { createGarbageCounter } from "../common/index.ts";
import { type Compressor, openCompressor } from "../compression/index.ts";
import { createSealer, type DataKey, encryptionErrors, type Sealer } from "../encryption/index.ts";
import { createCompressQueue } from "./compress-queue.ts";
import { createFilePipeline, type FilePipeline, type SinkOpening, type StoredAlready } from "./file-pipeline.ts";
import type { HashAlgorithm } from "./file-measures.ts";
import { createMeasureThread } from "./measure-thread.ts";
import { createMemoryBudget } from "./memory-budget.ts";
import { type PipelineSpec, suffixOf } from "./pipeline-spec.ts";
import type { PageVerifierOptions } from "../postgres/index.ts";
import { createStageClock, type StageTimes } from "./stage-times.ts";

export interface PipelineOptions {
  readonly spec: PipelineSpec;
  /** Required when the specification encrypts. */
  readonly dataKey?: DataKey | undefined;
  readonly hash: HashAlgorithm;
  /**
   * Bound for all chunks on their way, in bytes, compressed and sealed forms included. It is exceeded by what a
   * writer adds without heeding `pressure`, and by one chunk a file that is open at the same time.
   */
  readonly memoryBytes: number;
  /** Chunks in compression at the same time: the threads of the libuv pool that the job may use. */
  readonly concurrency: number;
  /** Whether large files are hashed by a thread of its own: for much data at a time, at the price of its 10 MB. */
  readonly thread?: boolean;
}

export interface OpenFileOptions {
  /** Expected plain bytes; a wrong figure costs a copy, nothing else. */
  readonly sizeHint?: number | undefined;
  /** Checks the checksums of its pages on the way, if it is a file that has some. */
  readonly pages?: PageVerifierOptions | undefined;
  /** Whether its bytes need to be stored at all. */
  readonly storedAlready?: StoredAlready | undefined;
}

export interface Pipeline {
  readonly spec: PipelineSpec;
  /** What names of files stored by this pipeline end with. */
  readonly suffix: string;
  /** Aborted with the first error as reason when a file fails: time to stop the source. */
  readonly signal: AbortSignal;
  /** Begins a file; the sink may still be opening, or is opened when it is needed. Any number may be open, each costs its chunk under way. */
  openFile(sink: SinkOpening, options?: OpenFileOptions): FilePipeline;
  /** Defined while no further file or piece should come: too much memory or too many files are on their way. */
  pressure(): Promise<void> | undefined;
  /** How long each stage has worked so far. */
  times(): StageTimes;
  /** Gives up what is still open and ends worker threads. */
  close(): Promise<void>;
}

/**
 * Counted for each open file besides its chunks: descriptor, hash states, the compressor's own state. It also
 * bounds the number of small files whose ends are awaited at one time.
 */
const FILE_CHARGE = 128 * 1024;
/** Bytes of stored frames that may lie about before their memory is asked for. */
const MOST_GARBAGE = 4 * 1024 * 1024;

/** What is left for data in flight; a small bound is not used up by the compressor alone. */
function memoryForChunks(memoryBytes: number, { ownMemory = 0 }: Compressor): number {
  return Math.max(memoryBytes / 2, memoryBytes - ownMemory);
}

/**
 * @throws COMPRESSION_LIBRARY_MISSING, COMPRESSION_SELF_TEST_FAILED, COMPRESSION_LEVEL_INVALID,
 * ENCRYPTION_KEY_UNKNOWN
 */
export async function createPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { spec, dataKey } = options;
  const mode = spec.encryption;
  if (mode !== "none" && dataKey === undefined)
    throw encryptionErrors.keyUnknown("encryption is asked for without a data key");
  const compressor: Compressor = await openCompressor(spec.compression, spec.level);
  const weight = 1 + (spec.compression === "none" ? 0 : 1) + (mode === "none" ? 0 : 1);
  const budget = createMemoryBudget(memoryForChunks(options.memoryBytes, compressor), compressor.chunkSize);
  const queue = createCompressQueue(options.concurrency);
  const clock = createStageClock();
  const thread = options.thread === true ? createMeasureThread((milliseconds) => clock.add("hash", milliseconds)) : undefined;
  const stop = new AbortController();
  const open = new Set<FilePipeline>();
  let failure: unknown;
  const garbage = createGarbageCounter(MOST_GARBAGE);
  let emptyFrame: Promise<Uint8Array> | undefined;

  const createFileSealer = (): Sealer | undefined =>
    mode === "none" || dataKey === undefined ? undefined : createSealer(mode, dataKey);

  return {
    spec,
    suffix: suffixOf(spec),
    signal: stop.signal,
    openFile(sink, fileOptions = {}) {
      const giveBack = budget.charge(FILE_CHARGE);
      const file: FilePipeline = createFilePipeline(
        {
          compressor,
          hash: options.hash,
          budget,
          queue,
          weight,
          thread,
          createSealer: createFileSealer,
          emptyFrame: () => (emptyFrame ??= compressor.compress(new Uint8Array(0))),
          clock,
          garbage,
          failure: () => failure,
          fail(error) {
            failure = error;
            stop.abort(error);
          },
          settled() {
            giveBack();
            open.delete(file);
          },
        },
        sink,
        fileOptions,
      );
      open.add(file);
      return file;
    },
    pressure: () => budget.pressure(),
    times: () => clock.times(),
    async close() {
      await Promise.all([...open].map((file) => file.abort()));
      await thread?.close();
      await compressor.close();
    },
  };
}
