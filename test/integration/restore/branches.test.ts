import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { planRestore, type RestoreOptions, type RestorePlan } from "../../../src/restore/index.ts";
import { insertMarkers, type Marker } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { createRig, dependencies, promoted, rowsOf, startOn, type Rig } from "./rig.ts";

/**
 * C10, L02, L03: one server over its restores, each promoted and received from as the same server:
 *
 *     1 ─ 0E ──┬────────┬──── rows 1 to 6
 *              │        └ 10 ──┬── rows 1 to 4, 21 to 23
 *              │               └ 11 ── rows 1 to 4, 31 to 32
 *              └ 0F ── rows 1 to 2, 11 to 12
 */
let rig: Rig;
let now: Cluster;
let trunk: BackupInfo;
const backups: Partial<Record<number, BackupInfo>> = {};
const rows: Partial<Record<number, Marker[]>> = {};

const marker = (timeline: number, index: number): Marker => {
  const found = rows[timeline]?.[index];
  if (found === undefined) throw new Error(`timeline ${timeline} has no row ${index}`);
  return found;
};
const plan = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<RestorePlan> =>
  planRestore(rig.options({ position, ...more }), dependencies());
const timelineOf = async (cluster: Cluster): Promise<number> =>
  Number.parseInt((await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())")).slice(0, 8), 16);

/** PostgreSQL takes the number behind the last one of which it finds a history file. */
async function leapTo(cluster: Cluster, timeline: number): Promise<void> {
  await cluster.stop();
  const taken: string[] = [];
  for (let n = 2; n < timeline; n += 1) taken.push(join(cluster.dataDir, "pg_wal", `${n.toString(16).toUpperCase().padStart(8, "0")}.history`));
  for (const path of [...taken, join(cluster.dataDir, "standby.signal")]) {
    writeFileSync(path, "");
    giveToUnprivileged(path);
  }
  await cluster.configure({ recovery_target_timeline: "current" });
  await cluster.start();
  await cluster.promote();
  for (const path of taken) rmSync(path);
}

/**
 * C11: what a recovery that did not come to its end leaves in a data directory, and what the next backup takes along: segments
 * that lay ready, by the names of those that come next, and a plan. Whoever used them would replay noise.
 */
async function leaveCache(cluster: Cluster): Promise<void> {
  const cache = join(cluster.dataDir, "moneta_wal");
  mkdirSync(cache, { mode: 0o700 });
  const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  for (let n = 0; n < 6; n += 1) {
    const next = (Number.parseInt(name.slice(16), 16) + n).toString(16).toUpperCase().padStart(8, "0");
    writeFileSync(join(cache, name.slice(0, 16) + next), Buffer.alloc(1024 * 1024, 0x5a));
  }
  writeFileSync(join(cache, "asked"), name);
  writeFileSync(join(cluster.dataDir, "moneta_recovery.json"), "{}\n");
  giveToUnprivileged(cluster.dataDir);
}

/** The server is lost, and what a restore brings back takes its place. */
async function replaceBy(position: string, first: number, last: number): Promise<number> {
  await rig.caughtUp();
  const { plan: made } = await rig.restore({ backup: trunk.label, position });
  await rig.stopReceiver();
  await now.stop();
  now = await startOn(made.directory);
  await promoted(now);
  rig = await createRig(now, { storage: rig.storage });
  const timeline = await timelineOf(now);
  rows[timeline] = await insertMarkers(now, first, first);
  await now.sql("SELECT pg_switch_wal()");
  await leaveCache(now);
  backups[timeline] = await rig.backup();
  rows[timeline].push(...(await insertMarkers(now, first + 1, last)));
  await now.sql("SELECT pg_switch_wal()");
  await rig.caughtUp();
  return timeline;
}

const rowsAt = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<number[]> => rowsOf(rig, { position, ...more });

beforeAll(async () => {
  now = await createCluster({ walSegmentSize: 1024 * 1024 });
  await leapTo(now, 0x0e);
  rig = await createRig(now);
  await insertMarkers(now, 1, 1);
  trunk = await rig.backup();
  rows[0x0e] = await insertMarkers(now, 2, 6);
  await now.sql("SELECT pg_switch_wal()");
  const early = await replaceBy(`lsn=${marker(0x0e, 1).lsn},inclusive=off`, 11, 12);
  const later = await replaceBy(`lsn=${marker(0x0e, 3).lsn},inclusive=off,timeline=14`, 21, 23);
  const last = await replaceBy(`lsn=${marker(later, 0).lsn},inclusive=off,timeline=16`, 31, 32);
  expect([early, later, last]).toEqual([0x0f, 0x10, 0x11]);
});

it("a restored server that is promoted is gone on with: its WAL, its history and its backups are those of the same server", async () => {
  expect([0x0f, 0x10, 0x11].map((timeline) => backups[timeline]?.startTimeline)).toEqual([0x0f, 0x10, 0x11]);
  const names = readdirSync(rig.storage.absolutePath("primary/wal"));
  for (const timeline of ["0000000E", "0000000F", "00000010", "00000011"]) {
    expect(names).toContain(`${timeline}.history`);
    expect(names.some((name) => name.startsWith(timeline) && name.length === 24), timeline).toBe(true);
  }
  await insertMarkers(now, 33, 33);
  await rig.caughtUp();
});

it("what an earlier recovery had ready is in no restore of a backup that took it along (C11)", async () => {
  const { plan: made } = await rig.restore({ backup: backups[0x10]?.label ?? "", position: "timeline=16" });
  expect(readdirSync(made.directory)).not.toContain("moneta_wal");
  expect(readFileSync(join(made.directory, "moneta_recovery.json"), "utf8")).toContain(backups[0x10]?.label);
});

it.each([
  [0x0e, [1, 2, 3, 4, 5, 6], [0x0e]],
  [0x0f, [1, 2, 11, 12], [0x0e, 0x0f]],
  [0x10, [1, 2, 3, 4, 21, 22, 23], [0x0e, 0x10]],
  [0x11, [1, 2, 3, 4, 31, 32, 33], [0x0e, 0x10, 0x11]],
])("the end of timeline %i is reached from the backup before all of them", async (timeline, expected, path) => {
  const position = `timeline=${timeline}`;
  expect((await plan(position, { backup: trunk.label })).timelines.map((each) => each.timeline)).toEqual(path);
  expect(await rowsAt(position, { backup: trunk.label })).toEqual(expected);
});

it("a moment on a branch is reached from the newest backup that leads there, and from no other branch's", async () => {
  const labels = async (timeline: number, index: number): Promise<string> =>
    (await plan(`time=${marker(timeline, index).time},timeline=${timeline}`)).backup.label;
  expect(await labels(0x0f, 1)).toBe(backups[0x0f]?.label);
  expect(await labels(0x10, 2)).toBe(backups[0x10]?.label);
  expect(await labels(0x11, 1)).toBe(backups[0x11]?.label);
  expect(await labels(0x0e, 4)).toBe(trunk.label);
  expect(await rowsAt(`lsn=${marker(0x10, 2).lsn},inclusive=off,timeline=16`)).toEqual([1, 2, 3, 4, 21, 22]);
});

it.each([
  [0x0f, 0x0e],
  [0x0f, 0x10],
  [0x0f, 0x11],
  [0x10, 0x0f],
  // Timeline 17 left timeline 16 before this backup was taken.
  [0x10, 0x11],
  [0x11, 0x10],
])("from a backup on timeline %i no way leads to the end of timeline %i", async (from, to) => {
  const label = backups[from]?.label ?? "";
  await expect(plan(`timeline=${to}`, { backup: label })).rejects.toMatchObject({ code: "RESTORE_TARGET_UNREACHABLE", message: expect.stringContaining(`backup ${label}`) as string });
});

it("latest, current and a number: each is the branch that it says, whatever its number", async () => {
  const last = async (position: string, backup: string): Promise<number | undefined> => (await plan(position, { backup })).timelines.at(-1)?.timeline;
  expect(await last("timeline=latest", trunk.label)).toBe(0x11);
  expect(await last("timeline=current", trunk.label)).toBe(0x0e);
  expect(await last("timeline=15", trunk.label)).toBe(0x0f);
  const early = backups[0x0f]?.label ?? "";
  expect([await last("timeline=latest", early), await last("timeline=current", early)]).toEqual([0x0f, 0x0f]);
  await expect(plan("timeline=12", { backup: trunk.label })).rejects.toThrow("no history of timeline 12");
});
