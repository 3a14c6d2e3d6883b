import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { createSegment, openStateReader, openStateWriter, type StateSegment } from "../../../src/state/index.ts";

const workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

async function startWriter(
  segment: StateSegment,
  task: "set" | "add",
  rounds: number,
): Promise<{ readonly ended: Promise<unknown> }> {
  const file = new URL("./writing-thread.ts", import.meta.url).href;
  // `--import tsx` does not reach the threads of Node 20: the thread registers the loader itself.
  const worker = new Worker(
    `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file)}); })`,
    {
      eval: true,
      workerData: { buffer: segment.buffer, task, rounds },
    },
  );
  workers.push(worker);
  // It may be done before anybody looks again.
  const ended = once(worker, "exit");
  await once(worker, "message");
  return { ended };
}

describe("the state segment between threads", () => {
  it("never shows half of a write to a reader in another thread", async () => {
    const segment = createSegment({ servers: 1, jobs: 1 });
    const worker = await startWriter(segment, "set", 100_000);
    const reader = openStateReader(segment);
    let ended = false;
    void worker.ended.then(() => (ended = true));
    let reads = 0;
    const seen = new Set<number>();
    while (!ended) {
      for (let round = 0; round < 500; round += 1) {
        const state = reader.server(0);
        const n = state.timeline;
        // The thread writes the same number into all of these fields at one stroke.
        expect([Number(state.writeLsn), Number(state.flushLsn), state.walBytes, state.error]).toEqual([
          n,
          n,
          n,
          n === 0 ? "" : `E${n}`,
        ]);
        const configuration = reader.configuration();
        expect(configuration.workers).toBe(configuration.generation);
        expect(configuration.maxRate).toBe(configuration.generation);
        reads += 1;
        seen.add(n);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reader.server(0).timeline).toBe(100_000);
    expect(reads).toBeGreaterThan(0);
    // Had the reader only seen the beginning and the end, nothing would have been proven.
    expect(seen.size).toBeGreaterThan(10);
  });

  it("loses no addition of several threads", async () => {
    const segment = createSegment({ servers: 1, jobs: 1 });
    const threads = await Promise.all([1, 2].map(() => startWriter(segment, "add", 100_000)));
    const ended = Promise.all(threads.map((thread) => thread.ended));
    const own = openStateWriter(segment).job(0);
    for (let round = 0; round < 50_000; round += 1) own.add("bytesDone", 3);
    await ended;
    expect(openStateReader(segment).job(0).bytesDone).toBe(2 * 100_000 * 3 + 50_000 * 3);
  });
});
