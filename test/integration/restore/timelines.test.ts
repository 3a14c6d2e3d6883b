import { copyFileSync, readdirSync, renameSync, truncateSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { fetchWal, planRestore, recoveryPlanFile, type RestoreOptions, type RestorePlan } from "../../../src/restore/index.ts";
import { insertMarkers, type Marker } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createRig, dependencies, promoted, rowsOf, startOn, type Rig } from "./rig.ts";

/** L02, L03. Timeline 1: rows 1 to 6. Timeline 2 forks after row 4, in the same segment, and has rows 11 to 13. */
let first: Cluster;
let second: Cluster;
let rig: Rig;
let trunk: BackupInfo;
/** Taken on timeline 1 after the fork: from it no way leads to timeline 2. */
let deadEnd: BackupInfo;
let branch: BackupInfo;
let onBranch: Marker[] = [];

const plan = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<RestorePlan> =>
  planRestore(rig.options({ position, ...more }), dependencies());
const walDirectory = (): string => rig.storage.absolutePath("primary/wal");

const rowsAt = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<number[]> => rowsOf(rig, { position, ...more });

beforeAll(async () => {
  first = await createCluster();
  rig = await createRig(first);
  await insertMarkers(first, 1, 2);
  trunk = await rig.backup();
  const [, , five] = await insertMarkers(first, 3, 6);
  await rig.caughtUp();
  // The server is brought back to just before row 5, and goes on as timeline 2 while timeline 1 is still there.
  const { plan: made } = await rig.restore({ position: `lsn=${five?.lsn ?? ""},inclusive=off` });
  await first.sql("SELECT pg_switch_wal()");
  await insertMarkers(first, 7, 7);
  deadEnd = await rig.backup();
  // The backup ends its segment: the zeros of the rest are on their way.
  await rig.caughtUp();
  await rig.stopReceiver();
  await first.stop();
  second = await startOn(made.directory);
  await promoted(second);
  rig = await createRig(second, { storage: rig.storage });
  onBranch = await insertMarkers(second, 11, 12);
  await second.sql("SELECT pg_switch_wal()");
  branch = await rig.backup();
  onBranch.push(...(await insertMarkers(second, 13, 13)));
  await rig.caughtUp();
});

it("the newest timeline that descends from the backup is followed, and its path is shown", async () => {
  const { timelines, settings, problems } = await plan(null, { backup: trunk.label });
  expect(problems).toEqual([]);
  expect(timelines).toEqual([
    { timeline: 1, until: expect.stringMatching(/^0\//) as string },
    { timeline: 2, until: null },
  ]);
  expect(new Map(settings).get("recovery_target_timeline")).toBe("2");
  expect(await rowsAt(null, { backup: trunk.label })).toEqual([1, 2, 3, 4, 11, 12, 13]);
});

it("another timeline is followed when it is asked for, however much lies on the newer one", async () => {
  expect(await rowsAt("timeline=1", { backup: trunk.label })).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect((await plan("timeline=current", { backup: trunk.label })).timelines).toEqual([{ timeline: 1, until: null }]);
});

it("with a position on the newer timeline the newest backup that leads there is chosen", async () => {
  const at = await plan(`lsn=${onBranch[0]?.lsn ?? ""}`);
  expect(at.backup.label).toBe(trunk.label);
  expect((await plan(`lsn=${onBranch[2]?.lsn ?? ""}`)).backup.label).toBe(branch.label);
  expect(await rowsAt(`time=${onBranch[1]?.time ?? ""},timeline=2`)).toEqual([1, 2, 3, 4, 11]);
});

it("a branch that left before the backup ended is refused", async () => {
  await expect(plan("timeline=2", { backup: deadEnd.label })).rejects.toThrow(/timeline 2 left timeline 1 at \S+, before backup \d+ ended/);
  await expect(plan("timeline=9", { backup: trunk.label })).rejects.toThrow(/no history of timeline 9/);
  const own = await plan(null, { backup: deadEnd.label });
  expect(own.problems).toEqual([]);
  expect(own.timelines).toEqual([{ timeline: 1, until: null }]);
});

it("a replica gets PostgreSQL's latest, but not where that would lead it along a foreign branch", async () => {
  const replica = { host: "/nowhere", port: 1, user: "postgres" };
  const timelineOf = async (label: string): Promise<string | undefined> =>
    new Map((await plan("replica", { backup: label, replica })).settings).get("recovery_target_timeline");
  expect(await timelineOf(trunk.label)).toBe("latest");
  expect(await timelineOf(deadEnd.label)).toBe("1");
});

it("the segment of the fork comes from the child: without it recovery fails and does not take the parent's", async () => {
  const names = readdirSync(walDirectory()).filter((name) => /^00000002[0-9A-F]{16}$/.test(name)).sort();
  const [fork = ""] = names;
  const parents = `00000001${fork.slice(8)}`;
  expect(readdirSync(walDirectory())).toContain(parents);
  const { plan: made } = await rig.restore({ backup: trunk.label });
  const destination = `${temporaryDirectory().path}/segment`;
  const request = { plan: `${made.directory}/${recoveryPlanFile}`, destination };
  expect(await fetchWal({ ...request, name: parents })).toBe("absent");
  expect(await fetchWal({ ...request, name: fork })).toBe("delivered");
  renameSync(`${walDirectory()}/${fork}`, `${walDirectory()}/away`);
  await expect(fetchWal({ ...request, name: fork })).rejects.toMatchObject({ code: "RESTORE_WAL_MISSING", exit: 126 });
  await expect(rig.restore({ backup: trunk.label })).rejects.toThrow(new RegExp(`WAL segment ${fork} cannot be used`));
  renameSync(`${walDirectory()}/away`, `${walDirectory()}/${fork}`);
});

it("a history file that the recovery needs is not absent when it is lost", async () => {
  const { plan: made } = await rig.restore({ backup: trunk.label });
  const destination = `${temporaryDirectory().path}/history`;
  const request = { plan: `${made.directory}/${recoveryPlanFile}`, destination };
  expect(await fetchWal({ ...request, name: "00000002.history" })).toBe("delivered");
  // Asked for before the end of the WAL it would mean that recovery is about to end too early.
  expect(await fetchWal({ ...request, name: made.wal.lastSegment })).toBe("delivered");
  expect(await fetchWal({ ...request, name: "00000003.history" })).toBe("absent");
  renameSync(`${walDirectory()}/00000002.history`, `${walDirectory()}/away`);
  await expect(fetchWal({ ...request, name: "00000002.history" })).rejects.toMatchObject({ exit: 126 });
  renameSync(`${walDirectory()}/away`, `${walDirectory()}/00000002.history`);
  // Where a backup ends no later timeline has begun: one whose history cannot be read has no part in it.
  copyFileSync(`${walDirectory()}/00000002.history`, `${walDirectory()}/away`);
  truncateSync(`${walDirectory()}/00000002.history`, 3);
  expect((await plan("immediate", { backup: trunk.label })).problems).toEqual([]);
  await expect(plan(null, { backup: trunk.label })).rejects.toThrow(/00000002\.history" is not what was stored/);
  renameSync(`${walDirectory()}/away`, `${walDirectory()}/00000002.history`);
});

it("a branch that was given up is not restored because the newest backup lies on it", async () => {
  await rig.stopReceiver();
  const { plan: made } = await rig.restore({ backup: trunk.label, position: "timeline=1" });
  await second.stop();
  const third = await startOn(made.directory);
  await promoted(third);
  rig = await createRig(third, { storage: rig.storage });
  await insertMarkers(third, 21, 21);
  await rig.caughtUp();
  await waitFor("timeline 3 is received", () => readdirSync(walDirectory()).some((name) => name.startsWith("000000030")));
  const both = /WAL of timeline 3, which does not go on from backup \d+: .* say which one is meant: timeline=3 or timeline=2/;
  await expect(rig.restore({ backup: "latest" })).rejects.toThrow(both);
  const named = await plan(null, { backup: branch.label });
  expect([named.problems, named.notes.join()]).toEqual([[], expect.stringMatching(both) as string]);
  expect((await plan("immediate", { backup: "latest" })).notes.join()).toMatch(both);
  const lost = await plan("timeline=2", { backup: "latest" });
  expect([lost.backup.label, lost.problems]).toEqual([branch.label, []]);
  // A later backup on the branch of the given one leads to the same end, an earlier one to the living branch.
  const living = await plan("timeline=latest");
  expect(living.timelines.at(-1)).toEqual({ timeline: 3, until: null });
  expect((await plan(`xid=${await third.value("SELECT xmin::text FROM marker WHERE n = 21")}`)).timelines.at(-1)?.timeline).toBe(3);
  expect(await rowsAt("timeline=3")).toEqual([1, 2, 3, 4, 5, 6, 7, 21]);
});
