import { describe, expect, it } from "vitest";
import type { JobRequest } from "../../../src/ipc/index.ts";
import { createRetentionRuns, type RetentionRunsOptions } from "../../../src/supervisor/retention-runs.ts";
import { noLineages } from "../../../src/supervisor/lineages.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { dayMs, entry } from "../retention/backups.ts";
import { createManualClock, createRecordingLogger, settled } from "./stand-ins.ts";

const entries = [1, 2, 3].map((day) => entry({ at: Date.UTC(2026, 1, 1) + day * dayMs }));
const [oldest = "", middle = "", newest = ""] = entries.map(({ label }) => label);

/** Three backups, of which one is to be kept; `more` is what else the server is. */
function setUp(more: object = {}) {
  const clock = createManualClock();
  const submitted: JobRequest[] = [];
  let active: unknown[] = [];
  const server = {
    name: "primary",
    options: { retention: { kind: "count", copies: 1 }, retentionMinimum: 1 },
    wal: { stretches: [] },
    state: () => ({ walSegmentSize: 0, timeline: 1 }),
    lineages: noLineages,
    timelines: [],
    drills: [],
    ...more,
  } as unknown as SupervisedServer;
  const runs = createRetentionRuns({
    servers: [server],
    jobs: { active: () => active, submit: (_: string, request: JobRequest) => void submitted.push(request), stopping: false },
    catalog: { refresh: () => Promise.resolve(entries) },
    clock,
    logger: createRecordingLogger().logger,
    intervalMs: () => 1000,
  } as unknown as RetentionRunsOptions);
  const using = async (...jobs: readonly { command: string; backups: "all" | ReadonlySet<string> }[]): Promise<void> => {
    active = jobs.map((job) => ({ request: {}, state: "running", wal: [], ...job }));
    runs.lessInUse(server);
    await settled();
  };
  return { clock, runs, submitted, using };
}

describe("a run of retention", () => {
  it("begins when one is due, and not for nothing", async () => {
    const { clock, runs, submitted } = setUp();
    runs.start(new AbortController().signal);
    await settled();
    expect(submitted).toEqual([]);
    await clock.advance(1000);
    await settled();
    expect(submitted).toMatchObject([{ command: "retention", inUse: { all: false, backups: [] }, timeline: 1 }]);
  });

  it("is not begun for backups that the server's own line keeps, be the timeline known from the stream or from what was proven", async () => {
    const branched = {
      lineages: { ...noLineages, present: entries[0]?.info?.own?.systemIdentifier },
      // It left the first one between the second backup and the third.
      timelines: [{ timeline: 1, parent: 0, switchLsn: 0n }, { timeline: 2, parent: 1, switchLsn: entries[1]?.info?.endLsn ?? 0n }],
      options: { retention: { kind: "count", copies: 2 }, retentionMinimum: 1 },
    };
    for (const [known, begun] of [
      [{ state: () => ({ walSegmentSize: 0, timeline: 2 }) }, 0],
      [{ state: () => ({ walSegmentSize: 0, timeline: 0 }), provenTimeline: 2 }, 0],
      [{ state: () => ({ walSegmentSize: 0, timeline: 1 }) }, 1],
    ] as const) {
      const { clock, runs, submitted } = setUp({ ...branched, ...known });
      runs.start(new AbortController().signal);
      await clock.advance(1000);
      await settled();
      expect(submitted).toHaveLength(begun);
    }
  });

  it("leaves what is in use for when it is not any more, and waits for no reader", async () => {
    const { clock, runs, submitted, using } = setUp();
    await using({ command: "restore", backups: new Set([oldest]) });
    runs.start(new AbortController().signal);
    await clock.advance(1000);
    await settled();
    expect(submitted).toMatchObject([{ command: "retention", inUse: { all: false, backups: [oldest] } }]);
    await using();
    expect(submitted).toMatchObject([{}, { command: "retention", inUse: { all: false, backups: [] } }]);
  });

  it("is not begun while all that is due is in use, or may be", async () => {
    const { clock, runs, submitted, using } = setUp();
    await using({ command: "drill", backups: "all" });
    runs.start(new AbortController().signal);
    await clock.advance(1000);
    await settled();
    await using({ command: "drill", backups: new Set([oldest]) }, { command: "verify", backups: new Set([middle]) });
    expect(submitted).toEqual([]);
    await using({ command: "drill", backups: new Set([newest]) });
    expect(submitted).toMatchObject([{ inUse: { backups: [newest] } }]);
  });

  it("comes after a deletion, not in the line behind it", async () => {
    const { clock, runs, submitted, using } = setUp();
    await using({ command: "delete", backups: new Set([oldest]) });
    runs.start(new AbortController().signal);
    await clock.advance(1000);
    await settled();
    expect(submitted).toEqual([]);
    await using();
    expect(submitted).toHaveLength(1);
  });
});
