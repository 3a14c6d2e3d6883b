import { describe, expect, it } from "vitest";
import type { Jobs } from "../../../src/supervisor/jobs.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { createShutdown } from "../../../src/supervisor/shutdown.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

const never = new Promise<never>(() => undefined);

function rig(parts: { readonly receiver?: Promise<void>; readonly jobs?: Promise<void> }) {
  const clock = createManualClock();
  const { logger, records } = createRecordingLogger();
  const killed: string[] = [];
  const child = { pid: 41, drain: () => parts.receiver ?? Promise.resolve(), kill: () => killed.push("receiver") };
  const server = { name: "primary", archiver: { stop: () => undefined }, receiver: { child } } as unknown as SupervisedServer;
  const jobs = { drain: () => parts.jobs ?? Promise.resolve(), kill: () => killed.push("jobs"), active: () => [{ pid: 42 }, { pid: undefined }] } as unknown as Jobs;
  const converter = { drain: () => Promise.resolve(), kill: () => undefined };
  const shutdown = createShutdown({ clock, logger, jobs, converter, servers: [server], closeManagement: () => Promise.resolve(), jobsWritten: () => Promise.resolve() });
  return { clock, killed, shutdown, lines: () => records.map(({ level, message }) => `${level}: ${message}`) };
}

describe("the end of the daemon", () => {
  it("is orderly when everything ends by itself, and nothing is killed afterwards", async () => {
    const { clock, killed, shutdown } = rig({});
    expect(await shutdown.begin("a test")).toBe(true);
    await clock.advance(3_600_000);
    expect(killed).toEqual([]);
  });

  it.each(["receiver", "jobs"] as const)("kills after a minute what does not end (%s), and leaves behind what cannot be killed", async (which) => {
    const { clock, killed, shutdown, lines } = rig({ [which]: never });
    let orderly: boolean | undefined;
    void shutdown.begin("a test").then((result) => (orderly = result));
    await clock.advance(59_999);
    expect(killed).toEqual([]);
    await clock.advance(1);
    expect([killed, orderly]).toEqual([["jobs", "receiver"], undefined]);
    await clock.advance(10_000);
    expect(orderly).toBe(false);
    expect(lines().at(-1)).toMatch(/^error: processes that cannot be killed are left behind: 41, 42;/);
  });

  it("is not orderly when it had to kill, though all is gone then", async () => {
    let gone: () => void = () => undefined;
    const { clock, shutdown } = rig({ jobs: new Promise((resolve) => (gone = resolve)) });
    const ended = shutdown.begin("a test");
    await clock.advance(60_000);
    gone();
    expect(await ended).toBe(false);
  });
});
