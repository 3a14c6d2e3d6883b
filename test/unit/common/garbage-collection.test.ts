/** What is counted as garbage goes, also when it has grown old before nobody needed it any more. */
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { createGarbageCounter } from "../../../src/common/index.ts";

/** A buffer that has outlived two young generations; held by nobody but the reference when this returns. */
async function grownOld(collect: () => Promise<void>): Promise<WeakRef<ArrayBuffer>> {
  const held = { buffer: new ArrayBuffer(1024 * 1024) };
  await collect();
  await collect();
  return new WeakRef(held.buffer);
}

test("every third collection reaches what has outlived the young generation", async () => {
  const left = createGarbageCounter(1024);
  // A weak reference keeps what it leads to until the turn of the event loop in which it was made is over.
  const collect = async (): Promise<void> => {
    left(1024);
    await pause(0);
  };
  const reference = await grownOld(collect);
  await pause(0);
  await collect();
  expect(reference.deref()).toBeUndefined();
});
