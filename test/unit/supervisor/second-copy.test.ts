import { expect, it } from "vitest";
import { walErrors } from "../../../src/wal/index.ts";
import type { Job } from "../../../src/supervisor/job.ts";
import { createSecondCopy } from "../../../src/supervisor/second-copy.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

function setUp() {
  const clock = createManualClock();
  const { logger, records } = createRecordingLogger();
  let submitted = 0;
  const submit = (): Job => ({ tell: () => undefined, id: (submitted += 1) }) as unknown as Job;
  const copy = createSecondCopy({ server: "primary", directory: "/second", submit, clock, logger });
  const codes = (): string[] => copy.problems().map(({ code }) => code);
  return { clock, codes, copy, records, submitted: () => submitted };
}

it("a second copy that neither moves nor says why for a minute is stuck, until a file has come", async () => {
  const { clock, codes, copy } = setUp();
  copy.wake();
  await clock.advance(59_999);
  expect(codes()).toEqual([]);
  await clock.advance(1);
  expect(codes()).toEqual(["WAL_SECOND_COPY_STUCK"]);
  expect(copy.problems()[0]?.message).toBe('the second copy of the WAL in "/second" has not moved for 60 s');
  // More to copy does not make it younger; a file that came does.
  copy.wake();
  expect(codes()).toEqual(["WAL_SECOND_COPY_STUCK"]);
  copy.progress(1);
  expect(codes()).toEqual([]);
  await clock.advance(60_000);
  expect(codes()).toEqual(["WAL_SECOND_COPY_STUCK"]);
  copy.progress(0);
  await clock.advance(3_600_000);
  expect(codes()).toEqual([]);
});

it("a second copy that fails says so at once, and is content when it has all that there is", async () => {
  const { clock, codes, copy, records, submitted } = setUp();
  copy.wake();
  copy.ended({ state: "failed", error: walErrors.secondCopyFailed("no room") });
  await clock.advance(120_000);
  expect(codes()).toEqual(["WAL_SECOND_COPY_FAILED"]);
  expect(submitted()).toBe(2);
  copy.progress(1);
  expect(codes()).toEqual(["WAL_SECOND_COPY_FAILED"]);
  copy.progress(0);
  expect(codes()).toEqual([]);
  expect(records.map(({ message }) => message)).toContain("the second copy of the WAL of primary is up to date again");
});
