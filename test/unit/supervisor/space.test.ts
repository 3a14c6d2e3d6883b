import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSpaceMonitor, type RoomReport, type SpaceMonitor } from "../../../src/supervisor/space.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

const interval = 30_000;
const megabyte = 1024 ** 2;

describe("the file systems that are watched", () => {
  let stop: AbortController;
  let clock: ReturnType<typeof createManualClock>;
  let log: ReturnType<typeof createRecordingLogger>;
  let room: { total: number; free: number; inodes: number; freeInodes: number };
  let answers: Map<string, Promise<RoomReport>>;
  beforeEach(() => {
    stop = new AbortController();
    clock = createManualClock();
    log = createRecordingLogger();
    room = { total: 1000 * megabyte, free: 900 * megabyte, inodes: 1000, freeInodes: 900 };
    answers = new Map();
  });
  afterEach(() => stop.abort());

  const monitor = (...paths: string[]): SpaceMonitor =>
    createSpaceMonitor(() => paths, {
      clock,
      intervalMs: interval,
      signal: stop.signal,
      logger: log.logger,
      ask: (path) => answers.get(path) ?? Promise.resolve({ device: path.startsWith("/other") ? 2 : 1, room: { ...room } }),
    });
  /** `step` is what happens between two looks. */
  const pass = async (looks: number, step: () => void): Promise<void> => {
    for (let look = 0; look < looks; look += 1) {
      step();
      await clock.advance(interval);
    }
  };
  const lines = (level: string): string[] => log.records.filter((record) => record.level === level).map(({ message }) => message);

  it("are forecast in status and in the log, once an hour or when half of the time is left, and it is said when it is over", async () => {
    const space = monitor("/b", "/b/primary", "/other/w");
    await space.refresh();
    const grow = (): void => {
      room.free -= megabyte;
    };
    await pass(20, grow);
    // 880 MB at 2 MB a minute: not believed yet.
    expect(space.problems(["/b"])).toEqual([]);
    expect([space.forecasts("/b"), space.forecasts("/nowhere")]).toEqual([false, false]);
    await pass(60, grow);
    const [problem, ...more] = space.problems(["/b", "/b/primary"]);
    expect([problem?.code, more]).toEqual(["SPACE_FORECAST", []]);
    expect(problem?.message).toBe('the file system of "/b" is full in 6 h 50 min at the present rate (120 MB an hour, 820 MB are free)');
    expect(space.fullInMs("/b/primary")).toBeCloseTo(410 * 60_000, -2);
    const warned = lines("warn").length;
    expect(warned).toBeGreaterThan(0);
    await pass(10, grow);
    expect(lines("warn")).toHaveLength(warned);
    await pass(120, grow);
    expect(lines("warn").length).toBeGreaterThan(warned);
    await pass(300, () => undefined);
    expect(space.problems(["/b"])).toEqual([]);
    expect(space.forecasts("/b")).toBe(true);
    expect(lines("info").at(-1)).toContain("does not fill up any more");
  });

  it("can run out of inodes before they are full", async () => {
    const space = monitor("/b");
    await pass(40, () => {
      room.freeInodes -= 10;
      room.free -= 1000;
    });
    expect(space.forecasts("/b")).toBe(false);
    expect(space.problems(["/b"])[0]?.message).toMatch(/^the file system of "\/b" has no inodes left in 2. min .* \(1200 an hour, 5[0-9]0 are free\)$/);
  });

  it("may hang without holding up the others, which is a problem of those who use them", async () => {
    let answer: (report: RoomReport) => void = () => undefined;
    answers.set("/hung", new Promise((resolve) => (answer = resolve)));
    const space = monitor("/hung", "/b");
    await pass(3, () => undefined);
    expect(space.of("/b").free).toBe(900 * megabyte);
    room.free = 950 * megabyte;
    await clock.advance(interval);
    expect(space.of("/b").free).toBe(950 * megabyte);
    expect(space.problems(["/b"])).toEqual([]);
    expect(space.problems(["/b", "/hung"]).map(({ code }) => code)).toEqual(["STORAGE_SILENT"]);
    expect(lines("error")).toEqual(['the file system of "/hung" does not answer']);
    answers.clear();
    answer({ device: 3, room });
    await pass(2, () => undefined);
    expect(space.problems(["/hung"])).toEqual([]);
  });

  it("are asked for real by default, also for a directory that is made later", async () => {
    const { path } = temporaryDirectory();
    const space = createSpaceMonitor(() => [path, join(path, "not", "yet")], { clock, intervalMs: interval, signal: stop.signal, logger: log.logger });
    await space.refresh();
    expect(space.of(path).total).toBeGreaterThan(0);
    expect(space.of(join(path, "not", "yet")).total).toBe(space.of(path).total);
  });
});
