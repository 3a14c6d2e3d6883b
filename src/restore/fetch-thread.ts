/**
 * Threads that fetch whole files of a restore: each reads, opens, checks and writes its own with calls that wait, so that
 * nothing of the bytes passes the event loop. Keys stay here until a file needs one.
 */
import type { Worker } from "node:worker_threads";
import { errorFromRecord, errorToRecord, messageOf, startWorkerModule, type ErrorRecord, type MonetaError } from "../common/index.ts";
import type { DataKey } from "../encryption/index.ts";
import type { ChunkEntry, HashAlgorithm } from "../pipeline/index.ts";
import type { KeyRing, StoredFileFacts } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import type { FileTarget } from "./write-file.ts";

/** One file: where its bytes lie, what is known of them, where they go. */
export interface FetchTask {
  readonly stored: StoredFileFacts;
  readonly chunks: readonly ChunkEntry[];
  readonly headerSize: number;
  readonly hash: HashAlgorithm;
  /** Chunks in work at a time. */
  readonly concurrency: number;
  readonly target: FileTarget;
}

export type ToFetchThread =
  | { readonly type: "begin"; readonly root: string }
  | { readonly type: "fetch"; readonly file: number; readonly task: FetchTask }
  | { readonly type: "key"; readonly id: string; readonly found: DataKey | undefined | { readonly error: ErrorRecord } }
  /** Files under way end with an error at their next chunk. */
  | { readonly type: "stop" };

export type FromFetchThread =
  | { readonly type: "written"; readonly bytes: number }
  | { readonly type: "key-wanted"; readonly id: string }
  | { readonly type: "done"; readonly file: number; readonly error?: ErrorRecord };

export interface FetchThreads {
  /** Fetches a file by the thread that has least to do. Throws what the file's reading or writing throws. */
  fetch(task: FetchTask): Promise<void>;
  /** Ends the threads, which must have nothing in hand except after `stop`. */
  close(): Promise<void>;
  /** Makes what is in hand end soon. */
  stop(): void;
}

export interface FetchThreadsOptions {
  /** At least 1; they are started with the first files. */
  readonly threads: number;
  /** The directory of the storage. */
  readonly root: string;
  readonly keys: () => Promise<KeyRing>;
  readonly written: (bytes: number) => void;
}

interface Pending {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: MonetaError) => void;
}

interface FetchThread {
  readonly worker: Worker;
  readonly pending: Map<number, Pending>;
  /** Plain bytes of the files in hand, small ones counted with what they cost. */
  load: number;
}

/** What opening and making a file costs, in bytes of a large one. */
const FILE_COST = 64 * 1024;

export function createFetchThreads({ threads, root, keys, written }: FetchThreadsOptions): FetchThreads {
  const started: FetchThread[] = [];
  let files = 0;
  let closing = false;

  const tell = ({ worker }: FetchThread, message: ToFetchThread): void => worker.postMessage(message);

  const answerKey = async (thread: FetchThread, id: string): Promise<void> => {
    let found: DataKey | undefined | { readonly error: ErrorRecord };
    try {
      found = (await keys())(id);
    } catch (error) {
      found = { error: errorToRecord(error) };
    }
    tell(thread, { type: "key", id, found });
  };

  const die = (thread: FetchThread, why: string, cause?: unknown): void => {
    if (closing) return;
    const error = restoreErrors.failed(`a thread that fetches files ended: ${why}`, {}, cause);
    for (const { reject } of thread.pending.values()) reject(error);
    thread.pending.clear();
    const at = started.indexOf(thread);
    if (at >= 0) started.splice(at, 1);
  };

  const start = (): FetchThread => {
    const thread: FetchThread = { worker: startWorkerModule("restore", "fetch-worker"), pending: new Map(), load: 0 };
    thread.worker.on("message", (message: FromFetchThread) => {
      if (message.type === "written") written(message.bytes);
      else if (message.type === "key-wanted") void answerKey(thread, message.id);
      else {
        const pending = thread.pending.get(message.file);
        if (pending === undefined) return;
        thread.pending.delete(message.file);
        thread.load -= pending.bytes;
        if (message.error === undefined) pending.resolve();
        else pending.reject(errorFromRecord(message.error));
      }
    });
    thread.worker.on("error", (error) => die(thread, messageOf(error), error));
    thread.worker.on("exit", (status) => die(thread, `exit status ${status}`));
    tell(thread, { type: "begin", root });
    started.push(thread);
    return thread;
  };

  const leastLoaded = (): FetchThread => {
    const idle = started.find(({ load }) => load === 0);
    if (idle !== undefined) return idle;
    if (started.length < Math.max(1, threads)) return start();
    return started.reduce((least, each) => (each.load < least.load ? each : least));
  };

  return {
    fetch: (task) =>
      new Promise((resolve, reject) => {
        const thread = leastLoaded();
        const file = files++;
        const bytes = (task.stored.expected.plainSize ?? 0) + FILE_COST;
        thread.load += bytes;
        thread.pending.set(file, { bytes, resolve, reject });
        tell(thread, { type: "fetch", file, task });
      }),
    stop() {
      for (const thread of started) tell(thread, { type: "stop" });
    },
    async close() {
      closing = true;
      await Promise.all(started.map(({ worker }) => worker.terminate()));
    },
  };
}
