import { describe, expect, it } from "vitest";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { createHotStandby, hotStandbyRequest } from "../../../src/supervisor/hot-standby.ts";
import type { Job, JobOutcome } from "../../../src/supervisor/job.ts";
import { createManualClock, createRecordingLogger, settled } from "./stand-ins.ts";

function setUp() {
  const clock = createManualClock();
  const { logger } = createRecordingLogger();
  let started = 0;
  let refuse = false;
  const copies = createHotStandby({
    server: "primary",
    clock,
    logger,
    submit: () => {
      if (refuse) throw supervisorErrors.stopping("no");
      started += 1;
      return {} as Job;
    },
  });
  const succeeded = (size: number): JobOutcome => ({ state: "succeeded", result: { label: null, notes: [], facts: { size } } });
  const failed = (message: string): JobOutcome => ({ state: "failed", error: supervisorErrors.childLost(message, { size: 5 }) });
  return { clock, copies, succeeded, failed, started: () => started, refuse: (value: boolean) => (refuse = value) };
}

describe("the copies of a server", () => {
  it("are brought up to date once for each backup, and once more for one that came meanwhile", async () => {
    const { copies, started, succeeded } = setUp();
    copies.wake();
    copies.wake();
    copies.wake();
    expect(started()).toBe(1);
    let notes: readonly string[] | undefined;
    const waiting = copies.settled().then((said) => (notes = said));
    copies.ended(succeeded(7));
    await settled();
    expect(started()).toBe(2);
    // The first run may have looked before the newest backup was there.
    expect(notes).toBeUndefined();
    copies.ended(succeeded(9));
    await waiting;
    expect(notes).toEqual([]);
    expect(copies.size).toBe(9);
    expect(started()).toBe(2);
  });

  it("are an alarm until an attempt succeeds, which is made by itself after growing waits", async () => {
    const { clock, copies, failed, started, succeeded } = setUp();
    copies.wake();
    copies.ended(failed("a server runs on it"));
    expect(copies.problems()).toEqual([expect.objectContaining({ code: "CHILD_LOST", message: "the hot standbys of primary are not up to date: a server runs on it" })]);
    expect(await copies.settled()).toEqual(["the hot standbys of primary are not up to date: a server runs on it"]);
    expect(copies.size).toBe(5);
    await clock.advance(12_001);
    expect(started()).toBe(2);
    copies.ended(failed("still"));
    await clock.advance(12_001);
    expect(started()).toBe(2);
    // A backup does not wait for that.
    copies.wake();
    expect(started()).toBe(3);
    copies.ended(succeeded(3));
    expect(copies.problems()).toEqual([]);
    await clock.advance(1_000_000);
    expect(started()).toBe(3);
  });

  it("are not begun again at once when somebody cancelled it, nor when the daemon stops, and nobody waits for ever", async () => {
    const { clock, copies, started, refuse } = setUp();
    copies.wake();
    copies.ended({ state: "cancelled", error: supervisorErrors.jobCancelled("by hand") });
    await clock.advance(1_000_000);
    expect(started()).toBe(1);
    expect(copies.problems()).toHaveLength(1);
    refuse(true);
    copies.wake();
    expect((await copies.settled())[0]).toMatch(/no job could be started/);
    refuse(false);
    copies.wake();
    copies.wake();
    const waiting = copies.settled();
    copies.stop();
    copies.ended({ state: "cancelled", error: supervisorErrors.jobCancelled("the daemon stops") });
    expect((await waiting)[0]).toMatch(/the daemon stops/);
    expect(started()).toBe(2);
  });
});

it("a request has one part a copy, and there is none without copies", () => {
  expect(hotStandbyRequest({ hotStandby: undefined, hotStandbyOverrides: undefined, hotStandbyTablespaces: undefined })).toBeUndefined();
  const maps = [[], [{ tablespace: "t", directory: "/t" }]];
  expect(hotStandbyRequest({ hotStandby: ["/a", "/b", "/c"], hotStandbyOverrides: ["", "/o"], hotStandbyTablespaces: maps })).toEqual({
    command: "hot-standby",
    backup: "newest",
    copies: [
      { directory: "/a", overrides: null, tablespaceMap: [] },
      { directory: "/b", overrides: "/o", tablespaceMap: maps[1] },
      { directory: "/c", overrides: null, tablespaceMap: [] },
    ],
  });
});
