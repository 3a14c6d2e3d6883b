/** When which backup is read back: pure times, and a schedule that begins, makes room and goes on. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import type { JobRequest } from "../../../src/ipc/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import type { BackupInfo, CatalogEntry, Verification } from "../../../src/repository/index.ts";
import { supervisorErrors } from "../../../src/supervisor/errors.ts";
import type { Job, JobOutcome } from "../../../src/supervisor/job.ts";
import { createVerificationSchedule, damagedBackups, nextVerification } from "../../../src/supervisor/verification-schedule.ts";
import { verifyErrors } from "../../../src/verify/index.ts";
import { sample } from "../repository/sample-backup.ts";

const day = 86_400_000;
const verified = (began: number, outcome: Verification["outcome"] = "good", reason: string | null = null): Verification => ({
  began,
  ended: began + 1000,
  outcome,
  files: 1,
  bytes: 1,
  findings: outcome === "good" ? 0 : 1,
  reason,
});

function entry(label: string, endTime: number, more: Partial<CatalogEntry> = {}): CatalogEntry {
  return { label, state: "valid", info: sample({ label, storedBytes: 1_000_000 }, { endTime }), ...more };
}

describe("the next backup to be read", () => {
  const plan = { periodMs: 8 * day, rateBytes: 0 };
  it("is the one whose bytes were known to be whole the longest ago, a quarter of the period early", () => {
    const entries = [entry("20261101000000", day, { verification: verified(9 * day) }), entry("20261102000000", 5 * day)];
    expect(nextVerification(entries, plan)).toEqual({ label: "20261102000000", due: 11 * day });
  });
  it("is begun so early that all that there is can be read at the rate", () => {
    const entries = [entry("20261101000000", 0), entry("20261102000000", 0)];
    expect(nextVerification(entries, { periodMs: 8 * day, rateBytes: 1 })?.due).toBe(0);
    expect(nextVerification(entries, { periodMs: 8 * day, rateBytes: 10 })?.due).toBe(6 * day - 200_000_000);
  });
  it("is none that cannot be used", () => {
    const entries = [
      entry("20261101000000", 0, { state: "invalid" }),
      { label: "20261102000000", state: "damaged" as const },
    ];
    expect(nextVerification(entries, plan)).toBeUndefined();
  });
  it("may be one that pgmoneta took, also an incremental one; of its end only the label and the seconds are known", () => {
    const began = Date.UTC(2026, 10, 3);
    const info: BackupInfo = { ...sample({ label: "20261103000000", type: "incremental", parent: "20261102000000" }), own: undefined };
    const foreign: CatalogEntry = { label: info.label, state: "valid", info: { ...info, elapsed: { ...info.elapsed, total: 7.5 } } };
    expect(nextVerification([foreign], plan)).toEqual({ label: info.label, due: began + 7500 + 6 * day });
    expect(nextVerification([{ ...foreign, verification: verified(began + day) }], plan)?.due).toBe(began + 7 * day);
  });
  it("is first of all the one that was begun already", () => {
    const entries = [entry("20261101000000", 0), entry("20261102000000", 5 * day, { halfVerified: true })];
    expect(nextVerification(entries, plan)).toEqual({ label: "20261102000000", due: 0 });
  });
});

describe("status", () => {
  it("names what was found, and whether it can be restored", () => {
    const entries = [
      entry("20261101000000", 0, { verification: verified(1, "bad", "data/x (changed): why") }),
      entry("20261102000000", 0, { verification: verified(1, "remarks", "data/y (surplus): what") }),
      entry("20261103000000", 0, { verification: verified(1) }),
    ];
    expect(damagedBackups(entries).map(({ code, message }) => [code, message])).toEqual([
      ["VERIFY_FOUND_DAMAGE", "backup 20261101000000 cannot be restored any more and is not offered: data/x (changed): why"],
      ["VERIFY_FOUND_DAMAGE", "backup 20261102000000 can be restored, but something was found: data/y (surplus): what"],
    ]);
  });
});

/** A catalog and jobs that are told how each verification ends. @param others due a little later, each verified when it was asked for */
function world(outcomes: readonly JobOutcome[], others: readonly string[] = []) {
  const stop = new AbortController();
  const submitted: JobRequest[] = [];
  const now = Date.now();
  let entries: readonly CatalogEntry[] = [entry("20261101000000", now - 10 * day), ...others.map((label) => entry(label, now - 9 * day))];
  const waits: number[] = [];
  const schedule = createVerificationSchedule({
    plan: () => ({ periodMs: 8 * day, rateBytes: others.length > 0 ? 0 : 5 }),
    servers: () => ["primary"],
    signal: stop.signal,
    logger: silentLogger,
    clock: {
      ...systemClock,
      now: () => now,
      async sleep(ms, signal) {
        // Others look whether somebody waits for a verification to end.
        if (ms !== 1000) waits.push(ms);
        if (waits.length > 3) stop.abort();
        return systemClock.sleep(0, signal);
      },
    },
    catalog: {
      entries: () => entries,
      async refresh() {
        const asked = new Set(submitted.map((request) => "backup" in request && request.backup));
        if (others.length > 0) entries = entries.map((each) => (asked.has(each.label) && others.includes(each.label) ? entry(each.label, 0, { verification: verified(now) }) : each));
        else if (submitted.length >= outcomes.length) entries = [entry("20261101000000", 0, { verification: verified(now) })];
        return entries;
      },
    },
    jobs: {
      stopping: false,
      active: () => [],
      blockers: () => [],
      submit(server, request) {
        const outcome = outcomes[submitted.length];
        submitted.push(request);
        if (outcome === undefined) throw new Error("one verification too many");
        return { server, done: Promise.resolve(outcome) } as Job;
      },
    },
  });
  const over = new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
  return { schedule, submitted, waits, over, now };
}

describe("a schedule", () => {
  const good: JobOutcome = { state: "succeeded", result: { label: "20261101000000", notes: [], facts: {} } };
  it("begins what is due, with its rate, and then waits", async () => {
    const { schedule, submitted, waits, over, now } = world([good]);
    expect(schedule.problems("primary")).toMatchObject([{ code: "VERIFICATION_OVERDUE" }]);
    schedule.start();
    await over;
    expect(submitted).toEqual([
      { command: "verify", backup: "20261101000000", all: false, schedule: { rateBytes: 5, since: now - 8 * day } },
    ]);
    expect(Math.min(...waits)).toBeGreaterThan(1000);
    expect(schedule.problems("primary")).toEqual([]);
  });
  it("tries again later when one did not come to its end, and says so", async () => {
    const failed: JobOutcome = { state: "failed", error: verifyErrors.incomplete("EIO") };
    const { schedule, submitted, waits, over } = world([failed]);
    schedule.start();
    await over;
    expect(submitted).toHaveLength(1);
    expect(waits[0]).toBeGreaterThan(1000);
    expect(schedule.problems("primary")).toMatchObject([{ code: "VERIFY_INCOMPLETE", message: expect.stringContaining("EIO") as string }]);
  });
  it("goes on with the other backups of the server when one cannot be read, and still says which", async () => {
    const [first, second, third] = ["20261101000000", "20261102000000", "20261103000000"] as const;
    const failed: JobOutcome = { state: "failed", error: verifyErrors.incomplete(`one file of backup ${first}: EIO`) };
    const { schedule, submitted, over } = world([failed, good, good], [second, third]);
    schedule.start();
    await over;
    expect(submitted.map((request) => "backup" in request && request.backup)).toEqual([first, second, third]);
    expect(schedule.problems("primary")).toMatchObject([{ code: "VERIFICATION_OVERDUE", message: expect.stringMatching(`${first} was not read back .*EIO`) as string }]);
  });
  it("begins none of a server for a while when somebody cancelled one", async () => {
    const cancelled: JobOutcome = { state: "cancelled", error: supervisorErrors.jobCancelled("an operator") };
    const { schedule, submitted, waits, over } = world([cancelled], ["20261102000000"]);
    schedule.start();
    await over;
    expect(submitted).toHaveLength(1);
    expect(Math.min(...waits)).toBeGreaterThan(1_000_000);
  });
});
