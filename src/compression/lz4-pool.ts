/**
 * LZ4 frames by worker threads whose memory comes back. Called on the libuv pool, lz4-napi hands out its frames in
 * memory that only a garbage collection returns, and returns it to another thread than the one that took it: a job
 * grew by 200 MB (measured). Here each thread frees what it took, and frames lie in buffers that are used again.
 */
import { CHUNK_SIZE } from "./compressor.ts";
import { createThreadPool } from "./thread-pool.ts";

export interface Lz4Request {
  /** Begins with `length` plain bytes. */
  readonly plain: ArrayBuffer;
  readonly length: number;
  /** For the frame. */
  readonly frame: ArrayBuffer;
}

/** The request's memory comes back; the frame may lie in a larger buffer than the one that was sent along. */
export interface Lz4Answer {
  readonly plain: ArrayBuffer;
  readonly frame: ArrayBuffer;
  readonly length: number;
}

export interface Lz4Pool {
  /** One frame with at most a chunk of plain bytes. */
  compress(plain: Uint8Array): Promise<Buffer>;
  /** Nobody reads the frame any more: its memory may be used for the next one. */
  recycle(frame: Uint8Array): void;
  /** Gives the pool back; its threads end when nobody has held it for some seconds. */
  release(): Promise<void>;
}

/** What does not compress grows by a few bytes for each block. */
const FRAME_BUFFER = CHUNK_SIZE + 64 * 1024;
/** Buffers kept for later: those in work are bounded by who compresses. */
const MOST_AT_REST = 16;

const threads = createThreadPool<Lz4Request, Lz4Answer>({ name: "lz4", module: "lz4-worker" });

/** Memory of one length, used again and again. */
function createShelf(length: number): { take(): ArrayBuffer; put(buffer: ArrayBuffer): void; clear(): void } {
  const atRest: ArrayBuffer[] = [];
  return {
    // Without zeros, unlike what `new ArrayBuffer` gives.
    take: () => atRest.pop() ?? (Buffer.allocUnsafeSlow(length).buffer),
    put(buffer) {
      if (buffer.byteLength === length && atRest.length < MOST_AT_REST) atRest.push(buffer);
    },
    clear() {
      atRest.length = 0;
    },
  };
}

const plainShelf = createShelf(CHUNK_SIZE);
const frameShelf = createShelf(FRAME_BUFFER);
let holders = 0;

/** Takes a share of the process's lz4 threads. */
export function acquireLz4Pool(): Lz4Pool {
  const giveBack = threads.hold();
  holders++;
  let held = true;
  return {
    async compress(plain) {
      const answer = await threads.run(() => {
        const bytes = plainShelf.take();
        new Uint8Array(bytes).set(plain);
        const frame = frameShelf.take();
        return { message: { plain: bytes, length: plain.length, frame }, transfer: [bytes, frame] };
      });
      plainShelf.put(answer.plain);
      return Buffer.from(answer.frame, 0, answer.length);
    },
    recycle(frame) {
      frameShelf.put(frame.buffer as ArrayBuffer);
    },
    release() {
      if (held) holders--;
      held = false;
      if (holders === 0) for (const shelf of [plainShelf, frameShelf]) shelf.clear();
      return Promise.resolve(giveBack());
    },
  };
}
