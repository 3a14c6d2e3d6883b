/**
 * Threads that check whole files of a backup that is stored as it was: each opens and reads its own with calls that wait, so
 * that nothing of the bytes passes the event loop. Who has encrypted or compressed files, or a limit for the reading, does
 * without them: `createFileChecker`.
 */
import type { Worker } from "node:worker_threads";
import { commonErrors, errorFromRecord, messageOf, startWorkerModule, type ErrorRecord, type MonetaError } from "../common/index.ts";
import { pipelineErrors, type PlainFileFacts } from "../pipeline/index.ts";
import type { PageReport } from "../postgres/index.ts";

/** One file: where its bytes lie in the repository, and what is known of them. */
export interface CheckTask extends PlainFileFacts {
  readonly path: string;
}

export type ToCheckThread =
  | { readonly type: "begin"; readonly root: string }
  | { readonly type: "check"; readonly task: CheckTask };

/** Answers come in the order of the tasks. */
export type FromCheckThread = { readonly pages: PageReport | undefined } | { readonly error: ErrorRecord };

export interface CheckThreads {
  /**
   * Checks a file by the thread that has least to do. Gives what became of its pages; throws what `checkPlainFile` and the
   * storage throw, and PIPELINE_THREAD_ENDED.
   */
  check(task: CheckTask): Promise<PageReport | undefined>;
  /** Rejects what is in hand, and ends the threads after the read that each is at. Twice is once. */
  close(): Promise<void>;
}

interface Pending {
  readonly bytes: number;
  readonly resolve: (pages: PageReport | undefined) => void;
  readonly reject: (error: MonetaError) => void;
}

interface CheckThread {
  readonly worker: Worker;
  readonly pending: Pending[];
  /** Plain bytes of the files in hand, small ones counted with what they cost. */
  load: number;
}

/** What opening a file costs, in bytes of a large one. */
const FILE_COST = 64 * 1024;

/**
 * Starts the threads.
 * @param count at least 1
 * @param root the directory of the storage, see `Storage.threads`
 */
export function createCheckThreads(count: number, root: string): CheckThreads {
  let broken: MonetaError | undefined;

  const die = (error: MonetaError): void => {
    broken ??= error;
    for (const { pending } of threads) for (const { reject } of pending.splice(0)) reject(broken);
  };

  const start = (): CheckThread => {
    const thread: CheckThread = { worker: startWorkerModule("verify", "check-worker"), pending: [], load: 0 };
    thread.worker.on("message", (answer: FromCheckThread) => {
      const pending = thread.pending.shift();
      if (pending === undefined) return;
      thread.load -= pending.bytes;
      if ("error" in answer) pending.reject(errorFromRecord(answer.error));
      else pending.resolve(answer.pages);
    });
    thread.worker.on("error", (error) => die(pipelineErrors.threadEnded(`a thread that checks files ended: ${messageOf(error)}`, {}, error)));
    thread.worker.on("exit", (status) => die(pipelineErrors.threadEnded(`a thread that checks files ended with status ${status}`)));
    thread.worker.postMessage({ type: "begin", root } satisfies ToCheckThread);
    return thread;
  };

  const threads: readonly CheckThread[] = Array.from({ length: count }, start);

  return {
    check: (task) =>
      new Promise((resolve, reject) => {
        if (broken !== undefined) {
          reject(broken);
          return;
        }
        const thread = threads.reduce((least, each) => (each.load < least.load ? each : least));
        const bytes = (task.expected?.plainSize ?? 0) + FILE_COST;
        thread.load += bytes;
        thread.pending.push({ bytes, resolve, reject });
        thread.worker.postMessage({ type: "check", task } satisfies ToCheckThread);
      }),
    async close() {
      die(commonErrors.aborted("the threads that check files were ended"));
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
