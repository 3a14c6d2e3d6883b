/** The pipeline for what was pushed, with everything that storing needs. */
import { createPipeline } from "../pipeline/index.ts";
import type { WalInventory } from "../repository/index.ts";
import type { StoringOptions } from "./archive-segment.ts";
import type { Pushing } from "./push-options.ts";

const block = 1024 * 1024;

/** Does something with a pipeline, which is closed afterwards. */
export async function withPipeline<T>(pushing: Pushing, inventory: WalInventory, store: (options: StoringOptions) => Promise<T>): Promise<T> {
  const { clock, hash, keys, memoryBytes, signal, spec, storage, workers } = pushing;
  const pipeline = await createPipeline({
    spec,
    dataKey: spec.encryption === "none" ? undefined : await keys?.current(),
    hash,
    memoryBytes,
    concurrency: Math.max(1, workers),
  });
  try {
    return await store({
      storage,
      inventory,
      pipeline,
      hash,
      keys: (await keys?.ring()) ?? (() => undefined),
      now: () => clock.now(),
      signal,
      block: Buffer.allocUnsafeSlow(block),
    });
  } finally {
    await pipeline.close();
  }
}
