/** What the parts that run by themselves do when the configuration is another one than at their start. */
import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createNap, systemClock } from "../../../src/common/index.ts";
import type { LoadedConfiguration } from "../../../src/config/index.ts";
import type { LogRecord, LogSink } from "../../../src/log/index.ts";
import { createReplaceableSink } from "../../../src/log/index.ts";
import type { ScheduledKind, ScheduleRecordsOf } from "../../../src/repository/index.ts";
import { createArchiver } from "../../../src/supervisor/archiver.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import type { Job } from "../../../src/supervisor/job.ts";
import { logPart, openSink } from "../../../src/supervisor/log-part.ts";
import { startScheduler, type ScheduledServer } from "../../../src/supervisor/scheduler.ts";
import { createServerSet } from "../../../src/supervisor/server-set.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { createManualClock, createRecordingLogger, settled } from "./stand-ins.ts";

const hour = 3_600_000;

describe("the archiver", () => {
  it("goes on with another job when what it works with is different, and complains of nothing", () => {
    const { logger, records } = createRecordingLogger();
    const cancelled: number[] = [];
    let started = 0;
    const archiver = createArchiver({
      server: "primary",
      clock: createManualClock(),
      logger,
      submit() {
        started += 1;
        const own = started;
        return { tell: () => undefined, cancel: () => void cancelled.push(own) } as unknown as Job;
      },
    });
    // Without a job the next one has the new settings anyway.
    archiver.renew();
    expect([started, cancelled]).toEqual([0, []]);
    archiver.wake("A");
    archiver.renew();
    archiver.ended({ state: "cancelled", error: supervisorErrors.jobCancelled("renewed") });
    expect([started, cancelled, records]).toEqual([2, [1], []]);
    // One that had ended by itself meanwhile is none to replace.
    archiver.renew();
    archiver.ended({ state: "succeeded", result: { label: null, notes: [], facts: { lastSegment: 1 } } });
    expect([started, cancelled]).toEqual([2, [1, 2]]);
  });
});

describe("the scheduler", () => {
  it("goes by another schedule from then on, has missed nothing of it, and leaves alone what runs", async () => {
    const clock = createManualClock();
    const started: { readonly kind: ScheduledKind; readonly name: string }[] = [];
    const disk = new Map<string, ScheduleRecordsOf>();
    const stop = new AbortController();
    const server = (name: string, backup: string | undefined): ScheduledServer => ({
      name,
      options: { backup, drill: undefined, scheduleTimezone: "UTC", scheduleJitter: 0, scheduleBlackout: [], scheduleMissed: "run" },
      schedules: {},
    });
    const servers = [server("one", undefined)];
    const scheduler = await startScheduler({
      servers,
      records: (name) => ({ read: async () => disk.get(name) ?? {}, write: async (written) => void disk.set(name, written) }),
      clock,
      logger: createRecordingLogger().logger,
      signal: stop.signal,
      obstacle: async () => undefined,
      run: (kind, { name }) => {
        started.push({ kind, name });
        return new Promise(() => undefined);
      },
    });
    const pass = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 15_000) await clock.advance(Math.min(15_000, left));
      await settled();
    };
    await pass(3 * hour);
    expect(started).toEqual([]);
    const [one] = servers;
    if (one === undefined) throw new Error("there is no server");
    (one as { options: ScheduledServer["options"] }).options = { ...one.options, backup: "30 * * * *" };
    servers.push(server("two", "45 * * * *"));
    await scheduler.update();
    await pass(1);
    expect(started).toEqual([]);
    await pass(0.5 * hour);
    expect(started).toEqual([{ kind: "backup", name: "one" }]);
    await pass(0.25 * hour);
    expect(started.map(({ name }) => name)).toEqual(["one", "two"]);
    // It still runs, and the record says so, whatever becomes of its schedule.
    (one as { options: ScheduledServer["options"] }).options = { ...one.options, backup: undefined };
    await scheduler.update();
    await settled();
    expect(disk.get("one")?.backup).toMatchObject({ expression: "", last: { outcome: "running" } });
    await pass(3 * hour);
    expect(started.filter(({ name }) => name === "one")).toHaveLength(1);
    stop.abort();
  });
});

describe("the log", () => {
  const line = (message: string): LogRecord => ({ time: 0, level: "info", scope: [], message, fields: {}, pid: 1 });
  const memory = (): LogSink & { readonly lines: string[] } => {
    const lines: string[] = [];
    return { lines, write: ({ message }) => void lines.push(message), reopen: () => void lines.push("(reopened)"), close: async () => void lines.push("(closed)") };
  };

  it("goes to another destination from one line to the next, and closes the one before", async () => {
    const [first, second] = [memory(), memory()];
    const sink = createReplaceableSink(first);
    sink.write(line("one"));
    sink.replace(second);
    sink.write(line("two"));
    sink.reopen();
    await sink.close();
    expect([first.lines, second.lines]).toEqual([
      ["one", "(closed)"],
      ["two", "(reopened)", "(closed)"],
    ]);
  });

  it("is opened before anything is in force, never emptied while it goes on, and its level follows", async () => {
    const directory = mkdtempSync(join(tmpdir(), "mlog"));
    const path = join(directory, "moneta.log");
    const main = { logType: "file", logPath: path, logMode: "create", logFormat: "text", logLevel: "info", logLinePrefix: "", logRotationAge: 0, logRotationSize: 0 };
    const change = (after: object) => {
      const loaded = (of: object) => ({ configuration: { main: of } }) as unknown as LoadedConfiguration;
      return { before: loaded(main), after: loaded({ ...main, ...after }), difference: { changed: [], needRestart: [], added: [], removed: [] } };
    };
    const sink = createReplaceableSink(openSink(main as never));
    const levels: string[] = [];
    const part = logPart({ sink, background: true, logger: { setLevel: (level: string) => void levels.push(level) } as never });
    sink.write(line("before"));
    (await part.prepare(change({ logLevel: "debug" }))).commit();
    (await part.prepare(change({ logFormat: "json" }))).commit();
    sink.write(line("after"));
    await expect(part.prepare(change({ logPath: join(directory, "no", "moneta.log") }))).rejects.toMatchObject({ code: "LOG_NOT_OPENED" });
    await expect(part.prepare(change({ logType: "console" }))).rejects.toMatchObject({ code: "DAEMON_START" });
    sink.write(line("still"));
    await sink.close();
    const text = readFileSync(path, "utf8").trim().split("\n");
    expect(text[0]).toContain("before");
    expect(text.slice(1).map((each) => (JSON.parse(each) as { message: string }).message)).toEqual(["after", "still"]);
    expect(levels).toEqual(["debug", "info"]);
    rmSync(directory, { recursive: true });
  });
});

describe("the set of servers", () => {
  const server = (name: string, index: number): SupervisedServer => ({ name, index }) as unknown as SupervisedServer;

  it("knows those that are let go until nothing of them runs, and gives their place away only then", () => {
    const set = createServerSet(2);
    const [one, two] = [server("one", set.takeIndex()), server("two", set.takeIndex())];
    expect(set.replace([one, two])).toEqual([]);
    const { servers } = set;
    expect(() => set.takeIndex()).toThrow(expect.objectContaining({ code: "SERVERS_EXHAUSTED" }));
    expect(set.replace([two])).toEqual([one]);
    expect([servers, set.find("one"), set.retiring()]).toEqual([[two], one, [one]]);
    expect(() => set.takeIndex()).toThrow(expect.objectContaining({ code: "SERVERS_EXHAUSTED" }));
    // One that comes back is the same.
    set.replace([one, two]);
    expect([servers, set.retiring()]).toEqual([[one, two], []]);
    set.forget(one);
    expect(set.find("one")).toBe(one);
    set.replace([two]);
    set.forget(one);
    expect(() => set.get("one")).toThrow(expect.objectContaining({ code: "SERVER_UNKNOWN" }));
    const three = server("three", set.takeIndex());
    set.announce(three);
    expect([set.find("three"), servers]).toEqual([three, [two]]);
    set.withdraw(three);
    expect([set.find("three"), set.takeIndex()]).toEqual([undefined, 0]);
  });
});

describe("a nap", () => {
  it("ends early when somebody wants it to, and for good with its signal", async () => {
    const stop = new AbortController();
    const nap = createNap(systemClock, stop.signal);
    const first = nap.sleep(3_600_000);
    nap.wake();
    expect(await first).toBe("woken");
    expect(await nap.sleep(1)).toBe("elapsed");
    const last = nap.sleep(3_600_000);
    stop.abort(new Error("the end"));
    await expect(last).rejects.toThrow();
    await expect(nap.sleep(1)).rejects.toThrow();
  });
});
