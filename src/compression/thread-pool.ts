/**
 * Worker threads for libraries that are synchronous, so that the event loop must not run them. One pool a library
 * and process, started on first use and shared by everybody who holds it.
 */
import { availableParallelism } from "node:os";
import { parentPort, type Worker } from "node:worker_threads";
import { type ErrorRecord, errorFromRecord, errorToRecord, messageOf, startWorkerModule } from "../common/index.ts";
import { compressionErrors } from "./errors.ts";

/** A message to or from a thread, with the memory that moves there. */
export interface Parcel<T> {
  readonly message: T;
  readonly transfer: readonly ArrayBuffer[];
}

export interface ThreadPool<Request, Answer> {
  /** Has a thread answer one request, which is made when a thread is free. */
  run(request: () => Parcel<Request>): Promise<Answer>;
  /** Takes a share; the result gives it back. Threads end when nobody has held one for some seconds. */
  hold(): () => void;
}

export interface ThreadPoolOptions {
  /** Of the library, for errors. */
  readonly name: string;
  /** Module of the threads beside this one, without its extension. */
  readonly module: string;
}

type Reply<Answer> = { readonly value: Answer } | { readonly error: ErrorRecord };

interface Task<Request, Answer> {
  readonly request: () => Parcel<Request>;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread<Request, Answer> {
  readonly worker: Worker;
  task: Task<Request, Answer> | undefined;
}

/** Threads take a while to start, and whoever reads many files opens one after the other. */
const LINGER_MS = 5000;

export function createThreadPool<Request, Answer>({ name, module }: ThreadPoolOptions): ThreadPool<Request, Answer> {
  const threads = new Set<Thread<Request, Answer>>();
  const waiting: Task<Request, Answer>[] = [];
  let holders = 0;
  let lingering: NodeJS.Timeout | undefined;

  const endThreads = (): void => {
    const ending = [...threads];
    threads.clear();
    // Whoever gave the pool back did not wait for these.
    const closed = compressionErrors.failed(`${name} was closed while it worked`);
    for (const thread of ending) {
      settle(thread, (task) => task.reject(closed));
      void thread.worker.terminate();
    }
    for (const task of waiting.splice(0)) task.reject(closed);
  };

  const give = (thread: Thread<Request, Answer>, task: Task<Request, Answer>): void => {
    thread.task = task;
    thread.worker.ref();
    const { message, transfer } = task.request();
    thread.worker.postMessage(message, [...transfer]);
  };

  const settle = (thread: Thread<Request, Answer>, act: (task: Task<Request, Answer>) => void): void => {
    const task = thread.task;
    thread.task = undefined;
    if (task !== undefined) act(task);
    // A thread that has ended takes nothing: what waits is for the others.
    const next = threads.has(thread) ? waiting.shift() : undefined;
    if (next !== undefined) give(thread, next);
    // An idle thread must not keep the process alive.
    else thread.worker.unref();
  };

  const startThread = (): Thread<Request, Answer> => {
    const thread: Thread<Request, Answer> = { worker: startWorkerModule("compression", module), task: undefined };
    threads.add(thread);
    thread.worker.on("message", (reply: Reply<Answer>) => {
      settle(thread, (task) => {
        if ("error" in reply) task.reject(errorFromRecord(reply.error));
        else task.resolve(reply.value);
      });
    });
    const die = (error: unknown): void => {
      threads.delete(thread);
      const broken = compressionErrors.failed(`${name} worker thread ended: ${messageOf(error)}`, {}, error);
      settle(thread, (task) => task.reject(broken));
      // Without any thread left nobody would ever answer those who wait.
      if (threads.size === 0) for (const task of waiting.splice(0)) task.reject(broken);
    };
    thread.worker.on("error", die);
    thread.worker.on("exit", (status) => {
      if (threads.has(thread)) die(`exit status ${status}`);
    });
    return thread;
  };

  return {
    run: (request) =>
      new Promise((resolve, reject) => {
        const task: Task<Request, Answer> = { request, resolve, reject };
        const idle = [...threads].find((thread) => thread.task === undefined);
        if (idle !== undefined) give(idle, task);
        else if (threads.size < availableParallelism()) give(startThread(), task);
        else waiting.push(task);
      }),
    hold() {
      holders++;
      clearTimeout(lingering);
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        holders--;
        if (holders === 0) lingering = setTimeout(endThreads, LINGER_MS).unref();
      };
    },
  };
}

/** The other side: answers what a pool asks of this thread. Outside a thread it does nothing. */
export function answerRequests<Request, Answer>(answer: (request: Request) => Promise<Parcel<Answer>>): void {
  const port = parentPort;
  port?.on("message", (request: Request) => {
    answer(request).then(
      ({ message, transfer }) => port.postMessage({ value: message } satisfies Reply<Answer>, [...transfer]),
      (error: unknown) => port.postMessage({ error: errorToRecord(error) } satisfies Reply<Answer>),
    );
  });
}
