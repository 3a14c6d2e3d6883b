import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import {
  MonetaError,
  defineErrors,
  errorFromRecord,
  errorToRecord,
  messageOf,
  messageWithHint,
  systemClock,
  throwIfAborted,
  timeLimit,
  toMonetaError,
  withTimeout,
} from "../../../src/common/index.ts";

const errors = defineErrors({
  lost: { code: "TEST_LOST", exit: 42, retryable: true, hint: "Look under the table." },
});

it("carries code, exit status, hint and details across a process boundary", () => {
  const error = errors.lost("the key is lost", { path: "/k" }, new TypeError("no such drawer"));
  const record = JSON.parse(JSON.stringify(errorToRecord(error))) as ReturnType<typeof errorToRecord>;
  const back = errorFromRecord(record);
  expect(back).toBeInstanceOf(MonetaError);
  expect(errors.lost.is(back)).toBe(true);
  expect(back).toMatchObject({ code: "TEST_LOST", exit: 42, retryable: true, hint: "Look under the table.", details: { path: "/k" } });
  expect(messageOf(back)).toBe("the key is lost: no such drawer");
});

it("tells a cause once, wherever the message quotes it, and a hint after a statement with one semicolon", () => {
  const cause = new TypeError("no such drawer");
  expect(messageOf(errors.lost(`the key is lost: ${cause.message}`, {}, cause))).toBe("the key is lost: no such drawer");
  expect(messageOf(errors.lost("the key is lost", {}, errors.lost("no such drawer", {}, cause)))).toBe("the key is lost: no such drawer");
  expect(messageWithHint(errors.lost("run DROP TABLE a;"))).toBe("run DROP TABLE a; Look under the table.");
  expect(messageWithHint(errors.lost("lost"))).toBe("lost; Look under the table.");
});

it("turns anything thrown into an error of the catalogue without losing its text", () => {
  expect(toMonetaError("plain text")).toMatchObject({ code: "UNEXPECTED", exit: 1, message: "plain text" });
  expect(errorToRecord(new RangeError("too far")).message).toBe("too far");
});

it("rejects at the deadline even when the step ignores its signal", async () => {
  let seen: AbortSignal | undefined;
  const stuck = withTimeout(20, undefined, (signal) => {
    seen = signal;
    return new Promise<never>(() => {
      // A step that never ends.
    });
  });
  await expect(stuck).rejects.toMatchObject({ code: "TIMEOUT", retryable: true });
  expect(seen?.aborted).toBe(true);
});

it("passes on the result, and the outer cancellation", async () => {
  await expect(withTimeout(60_000, undefined, () => Promise.resolve(7))).resolves.toBe(7);
  const controller = new AbortController();
  const waiting = withTimeout(60_000, controller.signal, (signal) => systemClock.sleep(60_000, signal));
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
  expect(() => throwIfAborted(controller.signal)).toThrowError(/cancelled/);
  await expect(systemClock.sleep(1, controller.signal)).rejects.toMatchObject({ code: "ABORTED" });
});

it("gives a signal that fires in time although only its listener is left of it, or with the outer one", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  const outer = new AbortController();
  const fired = new Promise<unknown>((resolve) => {
    const limit = timeLimit(50, outer.signal);
    limit.addEventListener("abort", () => resolve((limit.reason as MonetaError).code), { once: true });
  });
  collectGarbage();
  await expect(fired).resolves.toBe("TIMEOUT");
  const limit = timeLimit(60_000, outer.signal);
  expect(limit.aborted).toBe(false);
  outer.abort("enough");
  expect([limit.aborted, limit.reason]).toEqual([true, "enough"]);
  expect(timeLimit(60_000, outer.signal).aborted).toBe(true);
});
