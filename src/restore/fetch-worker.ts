/** The thread of fetch-thread.ts. */
import { parentPort } from "node:worker_threads";
import { collectYoung, commonErrors, errorFromRecord, errorToRecord } from "../common/index.ts";
import { CONTAINER_HEADER_LENGTH, containerKeyId, type DataKey } from "../encryption/index.ts";
import { createMemoryBudget, readStoredFile } from "../pipeline/index.ts";
import { blockingCalls, openLocalStorage, type RandomReader, type Storage } from "../storage/index.ts";
import type { FetchTask, FromFetchThread, ToFetchThread } from "./fetch-thread.ts";
import { writeTargetFile } from "./write-file.ts";

/** Decoded chunks that may lie about before their memory is asked for. */
const MOST_GARBAGE = 4 * 1024 * 1024;
/** For stored chunks. */
const pool = createMemoryBudget(16 * 1024 * 1024, 1024 * 1024);
/** Bytes after which the main thread is told of progress. */
const TELL_EVERY = 8 * 1024 * 1024;

type FoundKey = Extract<ToFetchThread, { type: "key" }>["found"];

const stop = new AbortController();
/** By its id: what the main thread said of a key, or will say. */
const keys = new Map<string, { readonly found: Promise<FoundKey>; readonly tell: (found: FoundKey) => void }>();
let storage: Storage | undefined;
let garbage = 0;
let untold = 0;

const tell = (message: FromFetchThread): void => parentPort?.postMessage(message);

/**
 * Messages of the main thread are taken between two turns of the event loop only, and so is the memory of buffers that a library
 * made given back once they are collected; calls that wait make none.
 */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function keyOf(reader: RandomReader): Promise<DataKey | undefined> {
  const id = containerKeyId(await reader.read(0, CONTAINER_HEADER_LENGTH));
  // The reading of the file will say what it is instead.
  if (id === undefined) return undefined;
  let known = keys.get(id);
  if (known === undefined) {
    let settle: (found: FoundKey) => void = () => undefined;
    const found = new Promise<FoundKey>((resolve) => {
      settle = resolve;
    });
    known = { found, tell: settle };
    keys.set(id, known);
    tell({ type: "key-wanted", id });
  }
  const found = await known.found;
  if (found !== undefined && "error" in found) throw errorFromRecord(found.error);
  return found;
}

async function took(bytes: number): Promise<void> {
  garbage += bytes;
  untold += bytes;
  if (untold >= TELL_EVERY) {
    tell({ type: "written", bytes: untold });
    untold = 0;
  }
  if (garbage < MOST_GARBAGE) return;
  garbage = 0;
  collectYoung();
  await turn();
}

async function fetch({ stored, chunks, headerSize, hash, concurrency, target }: FetchTask): Promise<void> {
  if (storage === undefined) throw commonErrors.stateTransition("a file came before the storage");
  const reader = await storage.openFile(stored.path);
  try {
    const key = stored.format.encrypted ? await keyOf(reader) : undefined;
    await writeTargetFile(blockingCalls, target, async (write) => {
      const { format, expected } = stored;
      const ring = (id: string): DataKey | undefined => (id === key?.id ? key : undefined);
      await readStoredFile(
        { source: reader, format, keys: ring, chunks, headerSize, hash, expected, plainIsEnough: true, pool, concurrency, signal: stop.signal },
        async (piece, offset) => {
          await write(piece, offset);
          await took(piece.length);
        },
      );
    });
  } finally {
    await reader.close();
  }
}

parentPort?.on("message", (message: ToFetchThread) => {
  if (message.type === "begin") storage = openLocalStorage(message.root, { calls: blockingCalls });
  else if (message.type === "key") keys.get(message.id)?.tell(message.found);
  else if (message.type === "stop") stop.abort();
  else {
    const { file, task } = message;
    fetch(task).then(
      () => {
        if (untold > 0) tell({ type: "written", bytes: untold });
        untold = 0;
        tell({ type: "done", file });
      },
      (error: unknown) => tell({ type: "done", file, error: errorToRecord(error) }),
    );
  }
});
