import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { createThreadPool } from "../../../src/compression/thread-pool.ts";

const startPool = () => createThreadPool<string, string>({ name: "mortal", module: "../../test/unit/compression/mortal-worker" });
const say = (message: string) => () => ({ message, transfer: [] });

test("when every thread has ended, those that waited in line are told so too", { timeout: 120_000 }, async () => {
  const pool = startPool();
  const asked = Array.from({ length: availableParallelism() + 1 }, () => pool.run(say("end")));
  for (const answer of await Promise.allSettled(asked)) {
    expect(answer).toMatchObject({ status: "rejected", reason: { message: "mortal worker thread ended: exit status 3" } });
  }
  // The next request starts a thread again.
  expect(await pool.run(say("still there"))).toBe("still there");
});

test.runIf(availableParallelism() > 1)("what waits in line when one thread ends is answered by the others", async () => {
  const pool = startPool();
  const words = Array.from({ length: availableParallelism() * 2 }, (_, number) => `word ${number}`);
  const [ended, ...answers] = await Promise.allSettled([pool.run(say("end")), ...words.map((word) => pool.run(say(word)))]);
  expect(ended).toMatchObject({ status: "rejected" });
  expect(answers).toEqual(words.map((value) => ({ status: "fulfilled", value })));
});
