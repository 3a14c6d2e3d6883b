import { describe, expect, it } from "vitest";
import type { ToJob } from "../../../src/ipc/index.ts";
import { createArchiver } from "../../../src/supervisor/archiver.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import type { Job, JobOutcome } from "../../../src/supervisor/job.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

function setUp() {
  const clock = createManualClock();
  const { logger } = createRecordingLogger();
  const started: ToJob[][] = [];
  let refuse = false;
  const archiver = createArchiver({
    server: "primary",
    clock,
    logger,
    submit: () => {
      if (refuse) throw supervisorErrors.stopping("no");
      const told: ToJob[] = [];
      started.push(told);
      return { tell: (message: ToJob) => void told.push(message) } as unknown as Job;
    },
  });
  const succeeded = (lastSegment: number): JobOutcome => ({
    state: "succeeded",
    result: { label: null, notes: [], facts: { lastSegment } },
  });
  const failed: JobOutcome = { state: "failed", error: supervisorErrors.childLost("disk full") };
  return { archiver, clock, started, succeeded, failed, refuse: (value: boolean) => (refuse = value) };
}

describe("the archiver", () => {
  it("starts one job, tells it of further segments, and starts another one only when it is needed", () => {
    const { archiver, started, succeeded } = setUp();
    archiver.wake();
    archiver.wake("A");
    archiver.wake("B");
    expect(started).toEqual([
      [
        { type: "segment", name: "A", number: 1 },
        { type: "segment", name: "B", number: 2 },
      ],
    ]);
    archiver.ended(succeeded(2));
    expect(started).toHaveLength(1);
    archiver.wake("C");
    expect(started).toHaveLength(2);
  });

  it("does not lose the segment that was announced while the job was ending", () => {
    const { archiver, started, succeeded } = setUp();
    archiver.wake("A");
    archiver.wake("B");
    archiver.ended(succeeded(1));
    expect(started).toHaveLength(2);
  });

  it("tries again after growing waits, not at every segment", async () => {
    const { archiver, clock, started, failed } = setUp();
    archiver.wake("A");
    archiver.ended(failed);
    archiver.wake("B");
    expect(started).toHaveLength(1);
    await clock.advance(2000);
    expect(started).toHaveLength(2);
    archiver.ended(failed);
    await clock.advance(2000);
    expect(started).toHaveLength(2);
    await clock.advance(2000);
    expect(started).toHaveLength(3);
  });

  it("rests when it is stopped, and comes back to what it could not start", async () => {
    const { archiver, clock, started, failed, refuse } = setUp();
    refuse(true);
    archiver.wake("A");
    refuse(false);
    archiver.wake("B");
    expect(started).toHaveLength(1);
    archiver.stop();
    archiver.ended(failed);
    await clock.advance(1_000_000);
    expect(started).toHaveLength(1);
  });
});
