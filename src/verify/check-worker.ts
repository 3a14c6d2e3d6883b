/** The thread of check-thread.ts. */
import { parentPort } from "node:worker_threads";
import { commonErrors, errorToRecord } from "../common/index.ts";
import { checkPlainFile } from "../pipeline/index.ts";
import { blockingCalls, openLocalStorage, type Storage } from "../storage/index.ts";
import type { CheckTask, FromCheckThread, ToCheckThread } from "./check-thread.ts";

/** Read at a time: half of what a small core has of second-level cache. Bytes. */
const room = Buffer.allocUnsafeSlow(256 * 1024);

let storage: Storage | undefined;
/** One file behind the other: they share the buffer. */
let last: Promise<void> = Promise.resolve();

async function check({ path, ...file }: CheckTask): Promise<FromCheckThread> {
  try {
    if (storage === undefined) throw commonErrors.stateTransition("a file came before the storage");
    const reader = await storage.openFile(path);
    try {
      return { pages: await checkPlainFile(reader, file, room) };
    } finally {
      await reader.close();
    }
  } catch (error) {
    return { error: errorToRecord(error) };
  }
}

parentPort?.on("message", (message: ToCheckThread) => {
  if (message.type === "begin") {
    storage = openLocalStorage(message.root, { calls: blockingCalls });
    return;
  }
  last = last.then(async () => parentPort?.postMessage(await check(message.task)));
});
