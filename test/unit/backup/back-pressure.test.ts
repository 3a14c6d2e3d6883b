import { expect, it } from "vitest";
import { createBackPressure } from "../../../src/backup/back-pressure.ts";
import { createGate } from "../../../src/common/index.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("pauses the socket once while there is too much in hand, and resumes it only when nothing is left to wait for", async () => {
  const calls: string[] = [];
  const first = createGate();
  const second = createGate();
  let full = false;
  let alsoFull = false;
  const backPressure = createBackPressure(() => (full ? first.wait() : alsoFull ? second.wait() : undefined));
  backPressure.heed();
  backPressure.attach({ pause: () => calls.push("pause"), resume: () => calls.push("resume") });
  backPressure.heed();
  expect(calls).toEqual([]);

  full = true;
  backPressure.heed();
  backPressure.heed();
  expect(calls).toEqual(["pause"]);
  full = false;
  alsoFull = true;
  first.open();
  await turn();
  expect(calls).toEqual(["pause"]);
  alsoFull = false;
  second.open();
  await turn();
  expect(calls).toEqual(["pause", "resume"]);

  full = true;
  backPressure.heed();
  expect(calls).toEqual(["pause", "resume", "pause"]);
});
