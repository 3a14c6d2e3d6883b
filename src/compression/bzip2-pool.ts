/** The worker threads that compress and decompress bzip2. */
import { createThreadPool } from "./thread-pool.ts";

export interface Bzip2Request {
  readonly kind: "compress" | "decompress";
  readonly bytes: Uint8Array;
  /** Level to compress with, or the largest plain length to accept. */
  readonly parameter: number;
}

export interface Bzip2Pool {
  compress(plain: Uint8Array, level: number): Promise<Uint8Array>;
  /** The first stream of `stream`, at most `maxPlain` plain bytes. */
  decompress(stream: Uint8Array, maxPlain: number): Promise<Uint8Array>;
  /** Gives the pool back; its threads end when nobody has held it for some seconds. */
  release(): Promise<void>;
}

const threads = createThreadPool<Bzip2Request, Uint8Array>({ name: "bzip2", module: "bzip2-worker" });

function submit(kind: Bzip2Request["kind"], source: Uint8Array, parameter: number): Promise<Uint8Array> {
  return threads.run(() => {
    // A copy: the caller's view may lie in a pooled buffer, and posting a view would clone that whole buffer.
    const bytes = new Uint8Array(source);
    return { message: { kind, bytes, parameter }, transfer: [bytes.buffer] };
  });
}

/** Takes a share of the process's bzip2 threads. */
export function acquireBzip2Pool(): Bzip2Pool {
  const giveBack = threads.hold();
  return {
    compress: (plain, level) => submit("compress", plain, level),
    decompress: (stream, maxPlain) => submit("decompress", stream, maxPlain),
    release: () => Promise.resolve(giveBack()),
  };
}
