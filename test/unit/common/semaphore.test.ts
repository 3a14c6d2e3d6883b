import { expect, it } from "vitest";
import { createSemaphore } from "../../../src/common/index.ts";

it("hands out permits in the order of asking, a large request before a later small one", async () => {
  const semaphore = createSemaphore(3);
  await semaphore.acquire(2);
  const order: string[] = [];
  const large = semaphore.acquire(3).then(() => order.push("large"));
  const small = semaphore.acquire(1).then(() => order.push("small"));
  expect(semaphore.tryAcquire(1)).toBe(false);
  semaphore.release(2);
  await large;
  expect(order).toEqual(["large"]);
  semaphore.release(3);
  await small;
  expect(order).toEqual(["large", "small"]);
  expect(semaphore.available).toBe(2);
});

it("takes a request above the total as the total instead of waiting for ever", async () => {
  const semaphore = createSemaphore(2);
  await semaphore.acquire(10);
  expect(semaphore.available).toBe(0);
  semaphore.release(10);
  expect(semaphore.available).toBe(2);
});

it("lets the next in line go when the one before it is cancelled", async () => {
  const semaphore = createSemaphore(2);
  await semaphore.acquire(1);
  const controller = new AbortController();
  const large = semaphore.acquire(2, controller.signal);
  const small = semaphore.acquire(1);
  controller.abort();
  await expect(large).rejects.toMatchObject({ code: "ABORTED" });
  await small;
  expect(semaphore.available).toBe(0);
  expect(semaphore.waiting).toBe(0);
});

it("gives the permit back when the task fails", async () => {
  const semaphore = createSemaphore(1);
  await expect(semaphore.run(() => Promise.reject(new TypeError("no")))).rejects.toThrow("no");
  expect(semaphore.available).toBe(1);
});
