/**
 * A thread that hashes and checks plain chunks beside the event loop, which takes the next ones from the network meanwhile.
 * Chunks move there and back; memory that both could read would be copied into word for word, at half the speed. One thread
 * is faster than one such loop, and order within a file comes by itself.
 */
import type { Worker } from "node:worker_threads";
import { errorFromRecord, messageOf, startWorkerModule, type ErrorRecord, type MonetaError } from "../common/index.ts";
import { pipelineErrors } from "./errors.ts";
import type { ChunkMeasure, MeasureOptions } from "./running-measure.ts";

export interface ChunkMessage {
  /** Of the file, counted over all files of the thread. */
  readonly file: number;
  /** With the first chunk. */
  readonly begin: MeasureOptions | undefined;
  /** Begins with `length` plain bytes. */
  readonly memory: ArrayBuffer;
  readonly length: number;
  readonly last: boolean;
}

export interface MeasuredChunk {
  readonly measure: ChunkMeasure;
  /** The chunk's, back again. */
  readonly memory: ArrayBuffer;
  readonly milliseconds: number;
}

/** Answers come in the order of the chunks. */
export type MeasureReply = MeasuredChunk | { readonly error: ErrorRecord };

export interface MeasureThread {
  /**
   * For the chunks of one file, in order: the first `length` bytes of `memory`, which is the thread's until the promise
   * settles, and lost when that rejects.
   */
  openFile(options: MeasureOptions): (memory: ArrayBuffer, length: number, last: boolean) => Promise<MeasuredChunk>;
  /** Ends the thread; what it was still asked for is rejected. */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (chunk: MeasuredChunk) => void;
  readonly reject: (error: Error) => void;
}

/** @param worked told of the time that each chunk took */
export function createMeasureThread(worked: (milliseconds: number) => void): MeasureThread {
  let worker: Worker | undefined;
  let broken: MonetaError | undefined;
  let files = 0;
  const waiting: Waiting[] = [];

  const die = (error: MonetaError): void => {
    broken ??= error;
    for (const { reject } of waiting.splice(0)) reject(broken);
  };

  const answered = (reply: MeasureReply): void => {
    if ("error" in reply) {
      // What follows of that file would be measured without its beginning.
      die(errorFromRecord(reply.error));
      return;
    }
    worked(reply.milliseconds);
    waiting.shift()?.resolve(reply);
    // Nobody waits for it any more: it must not keep the process alive.
    if (waiting.length === 0) worker?.unref();
  };

  const start = (): Worker => {
    const started = startWorkerModule("pipeline", "measure-worker");
    started.on("message", answered);
    started.on("error", (error) => die(pipelineErrors.threadEnded(`the thread that hashes ended: ${messageOf(error)}`, {}, error)));
    started.on("exit", (status) => die(pipelineErrors.threadEnded(`the thread that hashes ended with status ${status}`)));
    return started;
  };

  const send = (message: ChunkMessage): Promise<MeasuredChunk> =>
    new Promise((resolve, reject) => {
      if (broken !== undefined) {
        reject(broken);
        return;
      }
      // With the first chunk: a small cluster never needs it.
      worker ??= start();
      if (waiting.length === 0) worker.ref();
      waiting.push({ resolve, reject });
      worker.postMessage(message, [message.memory]);
    });

  return {
    openFile(options) {
      const file = files++;
      let begin: MeasureOptions | undefined = options;
      return (memory, length, last) => {
        const sent = send({ file, begin, memory, length, last });
        begin = undefined;
        return sent;
      };
    },
    async close() {
      die(pipelineErrors.aborted("the thread that hashes was ended before its last chunk"));
      await worker?.terminate();
    },
  };
}
