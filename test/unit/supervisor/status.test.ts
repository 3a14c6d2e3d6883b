import { describe, expect, it } from "vitest";
import type { Job } from "../../../src/supervisor/job.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { jobSummary, serverSummary, type StatusSources } from "../../../src/supervisor/status.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { serverWith } from "./server-stand-in.ts";

const sources = {
  entries: () => [],
  activeJobs: () => [],
  blockers: () => [],
  placeInLine: () => undefined,
  jobState: () => undefined,
  space: { of: () => ({ total: 10, free: 5 }), problems: () => [], fullInMs: () => undefined },
  main: () => ({ baseDir: "/b" }),
  now: () => 10_000,
} as unknown as StatusSources;

describe("the status of a server", () => {
  it("says how far its WAL is durable and how far behind the server", () => {
    const summary = serverSummary(
      serverWith({ receiver: "streaming", timeline: 3, flushLsn: 100n, serverEndLsn: 150n, serverVersion: 150018 }),
      sources,
    );
    expect(summary).toMatchObject({
      majorVersion: 15,
      minorVersion: 18,
      stream: { state: "streaming", timeline: 3, flushedLsn: 100n, serverLsn: 150n, lagBytes: 50n },
      problems: [],
      retention: { days: 7, weeks: -1, months: -1, years: -1 },
    });
  });

  it("never calls a stream one when its process does not run, and gives no position that is not known", () => {
    const down = serverWith(
      { receiver: "streaming" },
      { receiver: { child: { state: "backoff" } } as SupervisedServer["receiver"] },
    );
    const { stream } = serverSummary(down, sources);
    expect(stream.state).toBe("backoff");
    expect(stream).not.toHaveProperty("flushedLsn");
  });

  it("names every problem: out of service, held up, gaps", () => {
    const held = serverWith(
      { gaps: 2 },
      {
        online: false,
        problem: supervisorErrors.childLost("no connection"),
        archivingProblem: supervisorErrors.jobDied("killed"),
        findings: [{ code: "SYNCHRONOUS_COMMIT", message: "remote_apply", hint: "…", statement: "ALTER SYSTEM" }],
      },
    );
    expect(serverSummary(held, sources).problems.map((problem) => problem.code)).toEqual([
      "SERVER_OFFLINE",
      "JOB_DIED",
      "CHILD_LOST",
      "WAL_GAP",
      "SYNCHRONOUS_COMMIT",
    ]);
  });
});

describe("the progress of a job", () => {
  const job = { id: 5, server: "primary", command: "backup", state: "running", submitted: 0, started: 2000 } as Job;
  it("has a rate and the time that is left once bytes flow", () => {
    const state = { bytesDone: 4000, bytesTotal: 12_000, phase: "base backup" };
    expect(jobSummary(job, { ...sources, jobState: () => state } as unknown as StatusSources)).toMatchObject({
      phase: "base backup",
      elapsedMs: 8000,
      bytesPerSecond: 500,
      remainingMs: 16_000,
    });
  });

  it("promises nothing while the total is unknown or passed", () => {
    for (const state of [
      { bytesDone: 4000, bytesTotal: 0 },
      { bytesDone: 4000, bytesTotal: 3000 },
      { bytesDone: 0, bytesTotal: 3000 },
    ]) {
      const summary = jobSummary(job, {
        ...sources,
        jobState: () => ({ ...state, phase: "" }),
      } as unknown as StatusSources);
      expect(summary).not.toHaveProperty("remainingMs");
    }
  });
});
