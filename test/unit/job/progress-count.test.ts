/**
 * K04: a 10 GB backup as an operator watches it, from the first piece that the backup counts to the answer of `progress`: the
 * percentage never falls and never says 100 too early, throughput and time left are what they turn out to be. By an injected clock.
 */
import { describe, expect, it } from "vitest";
import { createProgressMeter } from "../../../src/backup/progress-meter.ts";
import { createProgressCount } from "../../../src/job/progress-count.ts";
import { jobProgress } from "../../../src/management/index.ts";
import type { Job } from "../../../src/supervisor/job.ts";
import { jobSummary, type StatusSources } from "../../../src/supervisor/status.ts";

const gigabyte = 1e9;
const begun = Date.UTC(2026, 10, 20);

interface Look {
  readonly atMs: number;
  readonly percentage: number;
  readonly bytesPerSecond: number;
  /** Undefined: nothing is said. */
  readonly leftMs: number | undefined;
}

interface Course {
  /** What hooks and the checkpoint of the server take before the first byte. */
  readonly waitMs: number;
  readonly estimate: number;
  readonly size: number;
  readonly bytesPerSecond: (atMs: number) => number;
}

/** Runs the backup of that course, with a look each second; the end is when the last byte came. */
function watch({ waitMs, estimate, size, bytesPerSecond }: Course): { readonly looks: readonly Look[]; readonly endMs: number } {
  let nowMs = 0;
  const clock = { now: () => begun + nowMs, monotonic: () => nowMs, sleep: () => Promise.resolve() };
  let state = { phase: "", bytesDone: 0, bytesTotal: 0, countedFrom: 0 };
  const tell = createProgressCount(clock, (update) => (state = { ...state, ...update }));
  const job = { id: 5, server: "primary", command: "backup", state: "running", submitted: begun, started: begun } as Job;
  const sources = { now: clock.now, jobState: () => state, blockers: () => [], placeInLine: () => undefined } as unknown as StatusSources;
  const looks: Look[] = [];
  const look = (): void => {
    const { Percentage, BytesPerSecond, Remaining, RemainingKnown } = jobProgress(jobSummary(job, sources)) as Record<string, unknown>;
    const left = RemainingKnown === true ? (Remaining as { value: number }).value * 1000 : undefined;
    looks.push({ atMs: nowMs, percentage: Number(Percentage), bytesPerSecond: Number(BytesPerSecond), leftMs: left });
  };
  tell({ phase: "base backup", bytesDone: 0, bytesTotal: 0 });
  look();
  tell({ phase: "checkpoint", bytesDone: 0, bytesTotal: 0 });
  for (; nowMs < waitMs; nowMs += 1000) look();
  const meter = createProgressMeter(clock, ({ bytesDone, bytesTotal }) => tell({ phase: "base backup", bytesDone, bytesTotal }));
  meter.expect(estimate);
  for (let done = 0; done < size; ) {
    nowMs += 10;
    const piece = Math.min(size - done, Math.round(bytesPerSecond(nowMs) / 100));
    done += piece;
    meter.add(piece);
    if (nowMs % 1000 === 0) look();
  }
  const endMs = nowMs;
  look();
  for (const phase of ["manifest", "copy WAL", "digests"]) {
    // What is counted then are the files, without the heads of the archives.
    tell({ phase, bytesDone: size - 1000, bytesTotal: size - 1000 });
    nowMs += 1000;
    look();
  }
  return { looks, endMs };
}

const steady = (rate: number) => (): number => rate;
const falls = (looks: readonly Look[]): readonly Look[] => looks.filter(({ percentage }, at) => percentage < (looks[at - 1]?.percentage ?? 0));

describe("the progress of a 10 GB backup (K04)", () => {
  it.each<[string, Course]>([
    ["as large as the server said", { waitMs: 0, estimate: 10 * gigabyte, size: 10 * gigabyte, bytesPerSecond: steady(1e8) }],
    ["that grows by half meanwhile", { waitMs: 0, estimate: 10 * gigabyte, size: 15 * gigabyte, bytesPerSecond: steady(1e8) }],
    ["that shrinks meanwhile", { waitMs: 0, estimate: 10 * gigabyte, size: 9 * gigabyte, bytesPerSecond: steady(1e8) }],
    ["of which the server knew nothing", { waitMs: 0, estimate: 0, size: 10 * gigabyte, bytesPerSecond: steady(1e8) }],
    ["that comes in gusts after a long checkpoint", { waitMs: 240_000, estimate: 10 * gigabyte, size: 10 * gigabyte, bytesPerSecond: (at) => (at % 7000 < 3000 ? 3e8 : 1e6) }],
  ])("%s never falls, is never above 100, and 100 only when everything has come", (_what, course) => {
    const { looks, endMs } = watch(course);
    expect(falls(looks)).toEqual([]);
    expect(looks.filter(({ percentage }) => percentage < 0 || percentage > 100)).toEqual([]);
    expect(looks.filter(({ percentage, atMs }) => percentage === 100 && atMs < endMs)).toEqual([]);
    expect(looks.at(-1)?.percentage).toBe(100);
  });

  it.each([0, 240_000])("that waited %s ms at first says after its half when it will end, to a fifth, and how fast it goes", (waitMs) => {
    const { looks, endMs } = watch({ waitMs, estimate: 10 * gigabyte, size: 10 * gigabyte, bytesPerSecond: (at) => (at % 2000 < 1000 ? 0.8e8 : 1.2e8) });
    const later = looks.filter(({ percentage, atMs }) => percentage >= 50 && atMs < endMs - 5000);
    expect(later.length).toBeGreaterThan(30);
    for (const { atMs, leftMs, bytesPerSecond } of later) {
      const really = endMs - atMs;
      // Whole seconds are told.
      expect(Math.abs((leftMs ?? Number.NaN) - really)).toBeLessThanOrEqual(Math.max(500, 0.2 * really));
      expect(bytesPerSecond / 1e8).toBeCloseTo(1, 1);
    }
  });

  it("promises no time while nothing has come, and none once more has come than the server said", () => {
    const { looks, endMs } = watch({ waitMs: 30_000, estimate: 10 * gigabyte, size: 15 * gigabyte, bytesPerSecond: steady(1e8) });
    expect(looks.filter(({ atMs, leftMs }) => atMs < 30_000 && leftMs !== undefined)).toEqual([]);
    const beyond = looks.filter(({ atMs }) => atMs > 131_000 && atMs <= endMs);
    expect(beyond.length).toBeGreaterThan(40);
    expect(beyond.filter(({ leftMs }) => leftMs !== undefined)).toEqual([]);
  });
});
