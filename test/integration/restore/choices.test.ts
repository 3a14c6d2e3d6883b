import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { formatLsn } from "../../../src/postgres/index.ts";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { planRestore, type RestoreOptions, type RestorePlan } from "../../../src/restore/index.ts";
import { insertMarkers, markersIn, type Marker } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { createRig, dependencies, promoted, startOn, type Rig } from "./rig.ts";

let source: Cluster;
let rig: Rig;
let older: BackupInfo;
let newer: BackupInfo;
/** Rows 1 to 3 before the first backup, 4 to 6 between the two, 7 to 9 after the second. */
let markers: Marker[] = [];
/** Berlin's time of day, as the users of this server write it. */
let afterSix = "";

const at = (n: number): Marker => markers[n - 1] ?? { n: 0, time: "", lsn: "", xid: "" };
const plan = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<RestorePlan> =>
  planRestore(rig.options({ position, ...more }), dependencies());

beforeAll(async () => {
  source = await createCluster({ walSegmentSize: 1024 * 1024, settings: { timezone: "Europe/Berlin" } });
  rig = await createRig(source);
  markers = await insertMarkers(source, 1, 3);
  older = await rig.backup();
  markers.push(...(await insertMarkers(source, 4, 6)));
  await source.sql("SELECT pg_create_restore_point('between')");
  await source.sql("SELECT pg_create_restore_point('twice')");
  afterSix = await source.value("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US')");
  await source.sql("SELECT pg_switch_wal()");
  await insertMarkers(source, 20, 20, "x".repeat(100));
  await source.sql("SELECT pg_switch_wal()");
  newer = await rig.backup();
  await source.sql("SELECT pg_create_restore_point('twice')");
  markers.push(...(await insertMarkers(source, 7, 9)));
  await rig.caughtUp();
});

describe("the newest backup that can reach the target is chosen, and said", () => {
  const reasons = /^the newest backup that can reach the target/;

  it.each(["oldest", "newest", "latest"])("for a position in the WAL, whatever is asked for: %s", async (backup) => {
    const before = await plan(`lsn=${at(5).lsn}`, { backup });
    expect(before.backup.label).toBe(older.label);
    expect(before.choice).toMatch(/lies before the end of backup \d+/);
    const after = await plan(`lsn=${at(8).lsn}`, { backup });
    expect(after.backup.label).toBe(newer.label);
    expect(after.choice).toMatch(reasons);
    expect(after.problems).toEqual([]);
  });

  it("for a time, in the time zone of the source when none is given", async () => {
    const between = await plan(`time=${afterSix}`);
    expect(between.backup.label).toBe(older.label);
    expect(between.target).toMatch(/^at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00$/);
    expect(between.target).toBe((await plan(`time=${afterSix} Europe/Berlin`)).target);
    expect((await plan(`time=${at(9).time}`)).backup.label).toBe(newer.label);
  });

  it("for a transaction and a restore point, by what the WAL says", async () => {
    expect((await plan(`xid=${at(5).xid}`)).backup.label).toBe(older.label);
    expect((await plan(`xid=${at(9).xid}`)).backup.label).toBe(newer.label);
    expect((await plan("name=between")).backup.label).toBe(older.label);
    expect((await plan("name=twice")).backup.label).toBe(newer.label);
    await expect(plan("name=never made")).rejects.toThrow(/the restore point "never made" is not in the WAL from backup/);
    await expect(plan(`xid=${at(2).xid}`)).rejects.toThrow(/transaction \d+ is not in the WAL from backup/);
  });

  it("and by a rule, which is said, where there is too much WAL to search", async () => {
    const searchBytes = 0;
    const byXid = await plan(`xid=${at(5).xid}`, { searchBytes });
    expect(byXid.backup.label).toBe(older.label);
    expect(byXid.choice).toBe("the newest backup that was begun before the transaction had its number");
    expect(byXid.notes.join()).toMatch(/too much WAL to search it for transaction \d+: recovery ends with an error/);
    expect((await plan(`xid=${at(9).xid}`, { searchBytes })).backup.label).toBe(newer.label);
    await expect(plan("xid=3", { searchBytes })).rejects.toThrow(/no backup of primary can reach the target/);
    const byName = await plan("name=between", { searchBytes });
    expect(byName.backup.label).toBe(older.label);
    expect(byName.choice).toBe("the oldest backup");
    const named = await plan("name=between", { backup: newer.label, searchBytes });
    expect(named.notes.join()).toMatch(/was not searched for the restore point "between"/);
  });

  it("and without a target it is the one that was asked for", async () => {
    expect((await plan(null, { backup: "oldest" })).backup.label).toBe(older.label);
    expect((await plan(null, { backup: "newest" })).backup.label).toBe(newer.label);
    expect((await plan("immediate", { backup: "latest" })).backup.label).toBe(newer.label);
    expect((await plan(null, { backup: older.label })).choice).toBeNull();
  });
});

describe("a target that cannot be reached is refused with the range that can", () => {
  it("when it lies before all backups", async () => {
    await expect(plan(`lsn=${at(2).lsn}`)).rejects.toThrow(/lies before the end of backup/);
    await expect(plan(`time=${at(2).time}`)).rejects.toThrow(/lies before the end of the backup; a time between .* and .* can be reached from backup/);
    await expect(plan("time=2001-01-01 00:00:00+00")).rejects.toThrow(new RegExp(`can be reached from backup ${older.label}`));
  });

  it("when it lies before the backup that was named", async () => {
    const { problems } = await plan(`lsn=${at(5).lsn}`, { backup: newer.label });
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`lies before the end of the backup; a target between ${formatLsn(newer.endLsn)} and \\S+ can be reached`)) as string,
    ]);
    const time = await plan(`time=${at(5).time}`, { backup: newer.label });
    expect(time.problems[0]).toMatch(/lies before the end of the backup; a time between/);
    const xid = await plan(`xid=${at(5).xid}`, { backup: newer.label });
    expect(xid.problems[0]).toMatch(/is not in the WAL from backup/);
  });

  it("when it lies in the future", async () => {
    await expect(plan("time=2199-01-01 00:00:00+00")).rejects.toThrow(/lies after everything that is known of the server; a time between .* and .* can be reached/);
    await expect(plan("lsn=FF/0")).rejects.toThrow(/the WAL in the repository ends at/);
  });

  it("when nothing of it is known", async () => {
    await expect(plan("lsn=0/1,timeline=7", { backup: newer.label })).rejects.toThrow(/the repository has no history of timeline 7/);
    await expect(plan(null, { backup: "20010101000000" })).rejects.toThrow(/has no backup 20010101000000/);
  });

  it("and nothing is written", async () => {
    const options = rig.options({ position: `lsn=${at(5).lsn}`, backup: newer.label });
    await expect(rig.restore(options)).rejects.toThrow(/lies before the end of the backup/);
    expect(readdirSync(options.directory)).toEqual([]);
  });
});

describe("a target that no record lies beyond", () => {
  it("is met by the end of the archive when the stream is proven up to it, and refused when it is not", async () => {
    const now = await source.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')");
    await rig.covered();
    await rig.caughtUp();
    const byTime = await plan(`time=${now}+00`);
    expect(byTime.problems).toEqual([]);
    expect(byTime.notes.join()).toMatch(/no transaction ended after .* and the stream is proven up to then/);
    expect(new Map(byTime.settings).get("recovery_target_time")).toBe("");
    const restored = await rig.restore({ position: `time=${now}+00` });
    const cluster = await startOn(restored.plan.directory);
    await promoted(cluster);
    expect(await markersIn(cluster)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 20]);
    await cluster.destroy();
    const coverage = rig.storage.absolutePath("primary/wal_coverage.json");
    // The receiver lives and may write it again before the plan has looked.
    let refusal = "";
    for (let attempt = 0; refusal === "" && attempt < 10; attempt += 1) {
      renameSync(coverage, `${coverage}.aside`);
      refusal = await plan(`time=${now}+00`).then(() => "", String);
      renameSync(`${coverage}.aside`, coverage);
    }
    expect(refusal).toMatch(/lies after everything that is known of the server/);
  });
});

describe("WAL that is missing or damaged", () => {
  const walFile = (name: string): string => `${rig.storage.absolutePath("primary/wal")}/${name}`;
  /** The complete segments after the newer backup began, oldest first. */
  const complete = (): string[] => readdirSync(walFile("")).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();

  it("is named before anything is written, and targets before it can still be reached", async () => {
    await source.sql("SELECT pg_switch_wal()");
    await insertMarkers(source, 30, 30);
    await source.sql("SELECT pg_switch_wal()");
    await insertMarkers(source, 31, 31);
    await rig.caughtUp();
    const missing = complete().at(-1) ?? "";
    renameSync(walFile(missing), `${walFile(missing)}-away`);
    const options = rig.options({});
    await expect(rig.restore(options)).rejects.toThrow(new RegExp(`WAL segment ${missing} cannot be used \\(it is not in the repository\\)`));
    expect(readdirSync(options.directory)).toEqual([]);
    expect((await plan(`lsn=${at(8).lsn}`)).problems).toEqual([]);
    expect((await plan(`time=${at(9).time}`)).problems).toEqual([]);
    await expect(plan("time=2199-01-01 00:00:00+00")).rejects.toThrow(new RegExp(missing));
    renameSync(`${walFile(missing)}-away`, walFile(missing));
    expect((await plan(null)).problems).toEqual([]);
  });

  it("is refused at the end of the archive when it was acknowledged and lies in a copy that the disk failed to sync", async () => {
    await rig.caughtUp();
    const partial = readdirSync(walFile("")).find((name) => name.endsWith(".partial")) ?? "";
    const copy = walFile(`${partial}.unsynced`);
    writeFileSync(copy, Buffer.alloc(1024 * 1024, 1));
    const options = rig.options({});
    await expect(rig.restore(options)).rejects.toThrow(/WAL was acknowledged up to .* but the disk failed to sync ".*unsynced" .* name it: lsn=/);
    expect(readdirSync(options.directory)).toEqual([]);
    const named = await plan(`lsn=${at(8).lsn}`);
    expect([named.problems, named.notes.join()]).toEqual([[], expect.stringContaining("it is not part of this restore")]);
    // What was stored meanwhile reaches as far.
    writeFileSync(copy, Buffer.alloc(8, 1));
    expect((await plan(null)).problems).toEqual([]);
    rmSync(copy);
  });

  it("is seen in a segment that is not archived yet, where no digest tells", async () => {
    const name = complete().at(-1) ?? "";
    const path = walFile(name);
    const whole = readFileSync(path);
    const bytes = Buffer.from(whole);
    const row = bytes.indexOf("marker");
    bytes[row > 0 ? row : 100] = (bytes[row > 0 ? row : 100] ?? 0) ^ 1;
    bytes[70] = (bytes[70] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const { problems } = await plan(null);
    expect(problems).toEqual([expect.stringMatching(new RegExp(`WAL segment ${name} cannot be used \\(damaged at`)) as string]);
    expect((await plan(`lsn=${at(8).lsn}`)).problems).toEqual([]);
    writeFileSync(path, whole);
    expect((await plan(null)).problems).toEqual([]);
  });
});

it("a dry run lists what would be done, and writes nothing", async () => {
  const options = rig.options({ position: `lsn=${at(8).lsn}` });
  const { problems, wal, bytes, freeBytes, files, timelines, estimatedSeconds, settings } = await planRestore(options, dependencies());
  expect(problems).toEqual([]);
  expect(wal).toMatchObject({ from: expect.stringMatching(/^0\//) as string, copied: false, bytes: 0 });
  expect(wal.segments).toBeGreaterThan(1);
  expect(bytes).toBeGreaterThan(10_000_000);
  expect(freeBytes).toBeGreaterThan(0);
  expect(files).toBeGreaterThan(500);
  expect(timelines).toEqual([{ timeline: 1, until: null }]);
  expect(estimatedSeconds).toBeGreaterThan(0);
  expect(new Map(settings).get("recovery_target_lsn")).toBe(at(8).lsn);
  const whole = await planRestore(options, dependencies());
  expect(JSON.parse(JSON.stringify(whole))).toEqual(whole);
  expect(existsSync(options.directory) ? readdirSync(options.directory) : []).toEqual([]);
  rmSync(options.directory, { recursive: true });
  expect((await planRestore(options, dependencies())).problems).toEqual([]);
  expect(existsSync(options.directory)).toBe(false);
});

it("a position at the very end of the archive is met by it", async () => {
  await rig.stopReceiver();
  const end = (await plan(null)).wal.to;
  const { notes, problems, settings } = await plan(`lsn=${end}`);
  expect(problems).toEqual([]);
  expect(notes.join()).toMatch(/no WAL record begins at or after/);
  expect(new Map(settings).get("recovery_target_lsn")).toBe("");
});
