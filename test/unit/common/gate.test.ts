import { expect, it } from "vitest";
import { createGate } from "../../../src/common/index.ts";

it("lets go those who wait when it opens, and keeps those who come later until the next time", async () => {
  const gate = createGate();
  const passed: string[] = [];
  const early = gate.wait().then(() => passed.push("early"));
  gate.open();
  const late = gate.wait().then(() => passed.push("late"));
  await early;
  expect(passed).toEqual(["early"]);
  gate.open();
  await late;
  expect(passed).toEqual(["early", "late"]);
});

it("gives all who wait one promise, and opening before anybody waits lets nobody through", async () => {
  const gate = createGate();
  gate.open();
  expect(gate.wait()).toBe(gate.wait());
  const first = await Promise.race([gate.wait().then(() => "passed"), new Promise((resolve) => setImmediate(resolve, "waits"))]);
  expect(first).toBe("waits");
});
