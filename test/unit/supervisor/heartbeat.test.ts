import { describe, expect, it } from "vitest";
import { openStateWriter, createSegment } from "../../../src/state/index.ts";
import { watchBeats } from "../../../src/supervisor/heartbeat.ts";
import { createReceiver } from "../../../src/supervisor/receivers.ts";
import { isAlive } from "../../support/processes.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

describe("a process that is watched", () => {
  it("is silent after a minute without a word, and one that was not let in is not", async () => {
    const clock = createManualClock();
    let silent = 0;
    const watch = watchBeats(clock, () => (silent += 1));
    const pass = async (ticks: number): Promise<void> => {
      for (let tick = 0; tick < ticks; tick += 1) await clock.advance(5_000);
    };
    await pass(11);
    watch.heard();
    await pass(11);
    expect(silent).toBe(0);
    await pass(1);
    expect(silent).toBe(1);
    watch.heard();
    // The watcher itself stood still for an hour: what it was told meanwhile still waits to be read.
    await clock.advance(3_600_000);
    expect(silent).toBe(1);
    watch.stop();
    await pass(30);
    expect(silent).toBe(1);
  });

  it("is killed and started again when it is a receiver that was stopped", async () => {
    const clock = createManualClock();
    const { logger } = createRecordingLogger();
    const receiver = createReceiver({
      server: "primary",
      record: openStateWriter(createSegment({ servers: 1, jobs: 0 })).server(0),
      clock,
      logger,
      // It is never read.
      startMessage: () => ({ type: "drain" }),
      onSegment: () => undefined,
      onLog: () => undefined,
      onChange: () => undefined,
      onError: () => undefined,
      onExtensions: () => undefined,
      onFindings: () => undefined,
      lockFd: undefined,
      titleRoom: [],
      environment: process.env,
      drainTimeoutMs: 1000,
    });
    receiver.child.start();
    const pid = receiver.child.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    for (let tick = 0; tick < 12; tick += 1) await clock.advance(5_000);
    await waitFor("the stopped receiver is gone", () => receiver.child.state === "backoff");
    expect(isAlive(pid)).toBe(false);
    await receiver.child.drain();
  });
});
