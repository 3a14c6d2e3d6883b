import { describe, expect, it } from "vitest";
import type { ScheduledKind, ScheduledRun, ScheduleRecordsOf } from "../../../src/repository/index.ts";
import { startScheduler, type ScheduledServer } from "../../../src/supervisor/scheduler.ts";
import { createManualClock, createRecordingLogger, settled } from "./stand-ins.ts";

const hour = 3_600_000;

/** A daemon whose disk is `disk`: what it started, in order, each ended by the test. */
async function daemon(disk: { records: ScheduleRecordsOf }, missed: "run" | "skip" = "run", hoursLater = 0) {
  const clock = createManualClock();
  await clock.advance(hoursLater * hour);
  const { logger, records } = createRecordingLogger();
  const stopping = new AbortController();
  const started: { kind: ScheduledKind; end: (how: Pick<ScheduledRun, "outcome" | "message">) => void }[] = [];
  let obstacle: string | undefined;
  const server: ScheduledServer = {
    name: "primary",
    options: {
      backup: "30 * * * *",
      drill: undefined,
      scheduleTimezone: "UTC",
      scheduleJitter: 0,
      scheduleBlackout: [],
      scheduleMissed: missed,
    },
    schedules: {},
  };
  await startScheduler({
    servers: [server],
    records: () => ({
      read: async () => disk.records,
      write: async (written) => {
        disk.records = written;
      },
    }),
    clock,
    logger,
    signal: stopping.signal,
    obstacle: async () => obstacle,
    run: (kind) => new Promise((resolve) => started.push({ kind, end: resolve })),
  });
  await settled();
  return {
    server,
    started,
    stop: () => stopping.abort(),
    block: (why: string | undefined): void => {
      obstacle = why;
    },
    /** In steps as the scheduler sleeps. */
    pass: async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 15_000) await clock.advance(Math.min(15_000, left));
      await settled();
    },
    said: () => records.map(({ message }) => message).join("\n"),
  };
}

describe("the scheduler", () => {
  it("starts what is due once, and records how it went", async () => {
    const disk = { records: {} };
    const { pass, server, started } = await daemon(disk);
    await pass(2 * hour);
    expect(started.map(({ kind }) => kind)).toEqual(["backup", "backup"]);
    started[1]?.end({ outcome: "failed", message: "no" });
    await settled();
    expect(server.schedules.backup).toMatchObject({
      handledUntil: 1.5 * hour,
      last: { outcome: "failed", message: "no" },
    });
    expect(disk.records).toEqual(server.schedules);
  });

  it("skips with the reason, in the log and on disk", async () => {
    const disk: { records: ScheduleRecordsOf } = { records: {} };
    const one = await daemon(disk);
    one.block("the server is offline");
    await one.pass(hour);
    expect(one.started).toEqual([]);
    expect(disk.records.backup?.skipped).toMatchObject({ moment: hour / 2, reason: "the server is offline" });
    expect(one.said()).toContain("is skipped: the server is offline");
    one.block(undefined);
    await one.pass(hour);
    one.started[0]?.end({ outcome: "succeeded", message: null });
    await settled();
    expect(disk.records.backup).toMatchObject({ skipped: null, last: { outcome: "succeeded" } });
  });

  it.each([
    ["run", 1],
    ["skip", 0],
  ] as const)(
    "makes what the end of the daemon interrupted again when missed runs are to %s",
    async (missed, times) => {
      const disk: { records: ScheduleRecordsOf } = { records: {} };
      const first = await daemon(disk, missed);
      await first.pass(hour);
      // The daemon stops, and its jobs are cancelled with it.
      first.stop();
      first.started[0]?.end({ outcome: "cancelled", message: "the daemon stops" });
      await settled();
      expect(disk.records.backup?.last?.outcome).toBe("running");
      const second = await daemon(disk, missed, 1);
      expect(second.started).toHaveLength(times);
      expect(disk.records.backup?.last?.outcome).toBe(times === 1 ? "running" : "failed");
    },
  );

  it("takes another expression as new: nothing of it was missed", async () => {
    const disk = {
      records: { backup: { expression: "0 * * * * UTC", since: 0, handledUntil: 0, last: null, skipped: null } },
    };
    const { server, started } = await daemon(disk, "run", 5);
    expect(started).toEqual([]);
    expect(server.schedules.backup).toMatchObject({ since: 5 * hour, handledUntil: 5 * hour });
  });
});
