/** What is told to the operators, by category, and what is not called over because nobody could look. */
import { describe, expect, it } from "vitest";
import type { CheckReport, CheckResult } from "../../../src/check/index.ts";
import { takeIn } from "../../../src/notify/index.ts";
import type { AlarmSources } from "../../../src/supervisor/alarms.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import { troubleAfter, type JobOutcome } from "../../../src/supervisor/job.ts";
import { alarmsToTell, createFailedJobs } from "../../../src/supervisor/notify-alarms.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { serverWith } from "./server-stand-in.ts";

const problem = { code: "SOMETHING", message: "something is wrong", hint: "Do something." };
const sourcesWith = (space: object = {}, more: object = {}): AlarmSources =>
  ({
    entries: () => [],
    space: { problems: () => [], forecasts: () => true, ...space },
    main: () => ({ baseDir: "/b" }),
    now: () => 10_000,
    ...more,
  }) as unknown as AlarmSources;
const nobody = createFailedJobs([]);
const report = (...results: readonly Partial<CheckResult>[]): CheckReport => ({ results: results.map((result) => ({ message: "m", ignored: false, ...result })) }) as unknown as CheckReport;
const checksWith = (last: CheckReport | undefined): { last: () => CheckReport | undefined } => ({ last: () => last });
const look = (server: SupervisedServer, last: CheckReport | undefined = report(), sources = sourcesWith()) => alarmsToTell([server], sources, checksWith(last), nobody);

describe("what is wrong", () => {
  it.each([
    ["segments that are not archived", serverWith({}, { archivingProblem: problem }), report(), sourcesWith(), "failed"],
    ["retention that failed", serverWith({}, { retentionProblem: problem }), report(), sourcesWith(), "failed"],
    ["a gap", serverWith({ gaps: 1 }), report(), sourcesWith(), "gap"],
    ["a window that a gap cuts", serverWith(), report({ code: "WINDOW", status: "warning" }), sourcesWith(), "gap"],
    ["backups that were not read back", serverWith(), report(), sourcesWith({}, { verification: () => [problem] }), "unverified"],
    ["a file system that fills up", serverWith(), report(), sourcesWith({ problems: () => [problem] }), "time_to_full"],
    ["a full disk", serverWith(), report({ code: "DISK_SPACE", status: "critical" }), sourcesWith(), "time_to_full"],
    ["the server's own pg_wal", serverWith(), report({ code: "PRIMARY_WAL_SPACE", status: "warning" }), sourcesWith(), "time_to_full"],
    ["much WAL for the slot", serverWith({}, { findings: [{ ...problem, code: "SLOT_WAL" }] }), report(), sourcesWith(), "time_to_full"],
    ["a receiver that is held up", serverWith({}, { problem }), report(), sourcesWith(), "stream"],
    ["a key that does not open", serverWith(), report({ code: "ENCRYPTION_KEY", status: "critical" }), sourcesWith(), "other"],
  ] as const)("%s is told in its category", (_what, server, last, sources, category) => {
    expect(look(server, last, sources).alarms.map((alarm) => [alarm.server, alarm.category])).toEqual([["primary", category]]);
  });

  it("is not told where the configuration ignores it, or a check is good", () => {
    expect(look(serverWith(), report({ code: "DISK_SPACE", status: "warning", ignored: true }, { code: "CLOCK", status: "ok" }, { code: "WAL_LAG", status: "critical" })).alarms).toEqual([]);
  });
});

describe("what nobody could look at is not over:", () => {
  const full = report({ code: "PRIMARY_WAL_SPACE", status: "warning" });
  const told = takeIn([], look(serverWith(), full), 0, { delayMs: 0, notOverBefore: 0 }).known;
  const over = (server: SupervisedServer, last: CheckReport | undefined, known = told, sources = sourcesWith()): number =>
    takeIn(known, alarmsToTell([server], sources, checksWith(last), nobody), 1000, { delayMs: 0, notOverBefore: 0 }).recovered.length;

  it("the pg_wal of a server that is down since, that was not asked since the start, or whose growth is not known yet", () => {
    expect(told).toHaveLength(1);
    expect(over(serverWith(), report({ code: "PRIMARY_WAL_SPACE", status: "skipped", unseen: true }))).toBe(0);
    expect(over(serverWith(), undefined)).toBe(0);
    expect(over(serverWith(), report({ code: "PRIMARY_WAL_SPACE", status: "unknown" }))).toBe(0);
    expect(over(serverWith(), report({ code: "PRIMARY_WAL_SPACE", status: "ok" }))).toBe(1);
    expect(over(serverWith(), report({ code: "PRIMARY_WAL_SPACE", status: "skipped", unseen: true, ignored: true }))).toBe(1);
    expect(over(serverWith({}, { name: "another" }), undefined)).toBe(1);
  });

  it("what the receiver found, until it streams again and finds it no more", () => {
    const found = takeIn([], look(serverWith({}, { findings: [{ ...problem, code: "SLOT_WAL" }] })), 0, { delayMs: 0, notOverBefore: 0 }).known;
    expect(over(serverWith({ receiver: "disconnected" }), report(), found)).toBe(0);
    expect(over(serverWith({}, { receiver: { child: { state: "backoff" } } }), report(), found)).toBe(0);
    expect(over(serverWith(), report(), found)).toBe(1);
  });

  it("that nothing is received, while the next attempt has not failed yet; out of service it is somebody's wish", () => {
    const held = takeIn([], look(serverWith({}, { problem })), 0, { delayMs: 0, notOverBefore: 0 }).known;
    expect(held).toHaveLength(1);
    expect(over(serverWith({ receiver: "connecting" }), report(), held)).toBe(0);
    expect(over(serverWith({ receiver: "connecting" }, { online: false }), report(), held)).toBe(1);
    expect(over(serverWith(), report(), held)).toBe(1);
  });

  it("a file system that was about to be full, while it was not watched for long enough after a start", () => {
    const filling = { ...problem, code: supervisorErrors.spaceForecast.spec.code };
    const known = takeIn([], look(serverWith(), report(), sourcesWith({ problems: () => [filling] })), 0, { delayMs: 0, notOverBefore: 0 }).known;
    expect(over(serverWith(), report(), known, sourcesWith({ forecasts: () => false }))).toBe(0);
    expect(over(serverWith(), report(), known)).toBe(1);
  });
});

it("a job that was cancelled is no end of what was wrong before it", () => {
  const [before, after] = [supervisorErrors.jobDied("before"), supervisorErrors.jobDied("after")];
  const ended = (state: JobOutcome["state"]): JobOutcome => ({ state, error: after, result: { label: null, notes: [], facts: {} } });
  expect([troubleAfter(ended("cancelled"), before), troubleAfter(ended("failed"), before), troubleAfter(ended("died"), undefined), troubleAfter(ended("succeeded"), before)]).toEqual([before, after, after, undefined]);
});

it("a backup that failed is told until one succeeds, what has no second try once, and what was cancelled not at all", () => {
  const failed = createFailedJobs([]);
  const outcome = { state: "failed", error: supervisorErrors.jobDied("it died") } as const;
  expect(failed.ended("primary", "backup", outcome)).toBeUndefined();
  expect(failed.of("primary")).toMatchObject([{ category: "failed", message: "the backup failed: it died" }]);
  expect(createFailedJobs(failed.of("primary")).of("primary")).toHaveLength(1);
  expect(failed.of("another")).toEqual([]);
  failed.ended("primary", "backup", { state: "succeeded" } as never);
  expect(failed.of("primary")).toEqual([]);
  expect(failed.ended("primary", "restore", outcome)).toMatchObject({ category: "failed" });
  expect(failed.ended("primary", "restore", { state: "cancelled", error: supervisorErrors.jobDied("x") } as never)).toBeUndefined();
  expect(failed.of("primary")).toEqual([]);
});
