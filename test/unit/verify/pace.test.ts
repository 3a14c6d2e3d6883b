/** The storage of a verification: how fast it gives, and that it gives nothing once the end was told. */
import { expect, test } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { hashStoredFile } from "../../../src/repository/index.ts";
import { createPace, paced } from "../../../src/verify/pace.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();
const bytes = 3 * 1024 * 1024 + 7;

test("whoever opens a file waits for the bytes of all that were read before", async () => {
  await repository.put("file", Buffer.alloc(bytes));
  let longest = 0;
  const clock = { ...systemClock, monotonic: () => 0, sleep: async (ms: number) => void (longest = Math.max(longest, ms)) };
  const { signal } = new AbortController();
  const storage = paced(repository.storage, createPace(1000, clock, signal), signal);
  for (let times = 0; times < 2; times += 1) await hashStoredFile(storage, "file", "sha256");
  // Time stands still: the last wait is for everything.
  expect(longest).toBe(2 * bytes);
});

test("nothing more is read within a file when the signal has fired", async () => {
  await repository.put("file", Buffer.alloc(bytes));
  const stop = new AbortController();
  let reads = 0;
  const counting = {
    ...repository.storage,
    async openFile(path: string) {
      const reader = await repository.storage.openFile(path);
      return { ...reader, read: (offset: number, length: number) => ((reads += 1), stop.abort(), reader.read(offset, length)) };
    },
  };
  await expect(hashStoredFile(paced(counting, undefined, stop.signal), "file", "sha256")).rejects.toMatchObject({ code: "ABORTED" });
  expect(reads).toBe(1);
});
