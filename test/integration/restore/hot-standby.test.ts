/** Copies of `hot_standby`: only what changed is written, PostgreSQL starts on them at once, and nothing else is ever touched. */
import { existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refreshStandby, restoreErrors, type RestoreProgress, type StandbyOptions, type StandbyResult } from "../../../src/restore/index.ts";
import { expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createRig, dependencies, promoted, startOn, type Rig } from "./rig.ts";

const mebi = 1024 * 1024;
let source: Cluster;
let rig: Rig;
let root: string;
let overrides: string;
let spaceOid: string;

beforeAll(async () => {
  source = await createCluster({ walSegmentSize: mebi });
  const elsewhere = temporaryDirectory({ unprivileged: true }).path;
  mkdirSync(join(elsewhere, "space"));
  giveToUnprivileged(elsewhere);
  await source.sql(`CREATE TABLESPACE spare LOCATION '${join(elsewhere, "space")}'`);
  await source.sql("CREATE TABLE large AS SELECT g AS id, 0 AS changed, repeat(md5(g::text), 30) AS words FROM generate_series(1, 30000) g");
  await source.sql("CREATE TABLE spaced (id int) TABLESPACE spare");
  await source.sql("INSERT INTO spaced SELECT g FROM generate_series(1, 1000) g");
  // A copy on which a server ran would differ by the hint bits alone.
  await source.sql("VACUUM FREEZE");
  spaceOid = await source.value("SELECT oid FROM pg_tablespace WHERE spcname = 'spare'");
  rig = await createRig(source);
  root = temporaryDirectory({ prefix: "mhs", unprivileged: true }).path;
  overrides = join(root, "overrides");
  mkdirSync(join(overrides, "more"), { recursive: true });
  writeFileSync(join(overrides, "more", "own.conf"), "work_mem = '7MB'\n");
  writeFileSync(join(overrides, "postgresql.conf"), "include 'more/own.conf'\nfsync = off\n");
  giveToUnprivileged(overrides);
});

afterAll(async () => {
  await source.destroy();
});

const data = (): string => join(root, "copies", "primary");
const space = (): string => join(root, "spaces", "spare");
const control = (): string => join(data(), "global", "pg_control");
const state = (directory = data()) => JSON.parse(readFileSync(join(directory, "moneta_standby.json"), "utf8")) as { complete: boolean; label: string; directories: string[] };

function optionsFor(more: Partial<StandbyOptions> = {}): StandbyOptions {
  return {
    ...rig.options(),
    directory: join(root, "copies"),
    overrides,
    tablespaceMap: { each: [{ tablespace: "spare", directory: space() }] },
    ...more,
  };
}

/** Bytes that this process gave to write calls, whatever it says itself. */
const bytesWritten = (): number => Number(/^wchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

async function refresh(more: Partial<StandbyOptions> = {}): Promise<StandbyResult> {
  return refreshStandby(optionsFor(more), dependencies());
}

async function expectCopyOf(expected: Awaited<ReturnType<typeof logicalDigest>>, directory = data()): Promise<void> {
  const cluster = await startOn(directory);
  await promoted(cluster);
  await expectSameContents(expected, cluster);
  await cluster.stop();
  await cluster.destroy();
}

async function change(id: number): Promise<void> {
  await source.sql(`UPDATE large SET changed = changed + 1 WHERE id = ${id}`);
  await source.sql(`INSERT INTO spaced VALUES (${-id})`);
}

describe("a copy", () => {
  it("is a cluster of the backup, with its tablespaces where they are mapped and the overrides over it", async () => {
    await rig.backup({ compression: "zstd" });
    const made = await refresh();
    expect(made).toMatchObject({ directory: data(), refreshed: true, files: { untouched: 0, same: 0, removed: 0 } });
    expect(made.size).toBeGreaterThan(40 * mebi);
    expect(readlinkSync(join(data(), "pg_tblspc", spaceOid))).toBe(space());
    expect(statSync(data()).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(data(), "postgresql.conf"))).toEqual(readFileSync(join(overrides, "postgresql.conf")));
    const again = await refresh();
    expect(again).toMatchObject({ refreshed: false, written: 0, label: made.label, size: made.size });

    const cluster = await startOn(data());
    await promoted(cluster);
    expect(await cluster.value("SHOW work_mem")).toBe("7MB");
    // No part of the source's timeline is written a second time.
    expect(await cluster.value("SELECT timeline_id FROM pg_control_checkpoint()")).toBe("2");
    await expectSameContents(await logicalDigest(source), cluster);
    await change(15_000);
    await rig.backup({ compression: "zstd" });
    // Whatever the new backup is, a running server is left alone.
    await expect(refresh()).rejects.toThrow(/a PostgreSQL server runs on the hot standby .*\(pid \d+\)/);
    expect(await cluster.value("SELECT count(*) FROM large")).toBe("30000");
    await cluster.stop();
    await cluster.destroy();
  });

  it("becomes that of the next backup by its changed chunks alone, also after a server ran on it (M10)", async () => {
    const before = bytesWritten();
    const done = await refresh();
    const written = bytesWritten() - before;
    expect(done.refreshed).toBe(true);
    expect(done.written).toBeGreaterThan(0);
    expect(done.written).toBeLessThanOrEqual(written);
    // Of 30 MiB of the table one or two chunks; what a server changes at its start; WAL; nothing near the whole.
    expect(written).toBeLessThan(done.size / 3);
    expect(done.files.untouched).toBeGreaterThan(500);
    await expectCopyOf(await logicalDigest(source));
  });

  it("is written less still when no server ran on it", async () => {
    await rig.backup({ compression: "zstd" });
    await refresh();
    await change(20_000);
    await rig.backup({ compression: "zstd" });
    const before = bytesWritten();
    const done = await refresh();
    expect(bytesWritten() - before).toBeLessThan(done.size / 4);
    expect(done.files.changed).toBeLessThan(60);
    expect(done.files.same).toBeLessThan(60);
  });

  it("is right again whatever was done to it, and what has a second name elsewhere stays as it is there", async () => {
    const file = await source.value("SELECT pg_relation_filepath('large')");
    const [flipped, kept] = [join(data(), file), join(root, "kept")];
    const bytes = readFileSync(flipped);
    const times = statSync(flipped);
    bytes[20 * mebi] = (bytes[20 * mebi] ?? 0) ^ 1;
    writeFileSync(flipped, bytes);
    // As a tool would that wants to leave no trace.
    utimesSync(flipped, times.atime, times.mtime);
    const version = join(data(), "base", "1", "PG_VERSION");
    linkSync(version, kept);
    writeFileSync(version, "99\n");
    rmSync(join(data(), "global", "pg_filenode.map"));
    mkdirSync(join(data(), "base", "1", "pg_filenode.map.d"));
    mkdirSync(join(data(), "stray", "deep"), { recursive: true });
    writeFileSync(join(data(), "stray", "deep", "file"), "x");
    // A link must not be followed, neither for writing nor for removing.
    const outside = join(root, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "precious"), "x");
    rmSync(join(data(), "pg_xact"), { recursive: true });
    symlinkSync(outside, join(data(), "pg_xact"));
    symlinkSync(join(outside, "precious"), join(data(), "link"));

    await change(25_000);
    await rig.backup({ compression: "zstd" });
    const done = await refresh();
    expect(done.files.removed).toBeGreaterThanOrEqual(2);
    expect(existsSync(join(data(), "stray"))).toBe(false);
    expect(readFileSync(kept, "utf8")).toBe("99\n");
    expect(readdirSync(outside)).toEqual(["precious"]);
    expect(lstatSync(join(data(), "pg_xact")).isDirectory()).toBe(true);
    await expectCopyOf(await logicalDigest(source));
  });
});

describe("a copy that was not brought to its end", () => {
  /** Ends where a signal would: nothing is tidied up on the way out. */
  async function breakOff(when: (progress: RestoreProgress) => boolean): Promise<void> {
    const stop = new AbortController();
    const progress = (now: RestoreProgress): void => {
      if (when(now)) stop.abort(new Error("killed"));
    };
    await expect(refreshStandby(optionsFor(), { ...dependencies(stop.signal), progress })).rejects.toThrow();
  }

  it.each([
    ["wal", (now: RestoreProgress) => now.phase === "wal"],
    ["sync", (now: RestoreProgress) => now.phase === "settings"],
    ["files", (now: RestoreProgress) => now.phase === "files" && now.bytesDone > 10 * mebi],
  ] as const)("(%s) is nothing that PostgreSQL starts on, and the next run repairs it without trusting any of it", async (phase, when) => {
    await change(1000);
    await rig.backup({ compression: "zstd" });
    await breakOff(when);
    expect(existsSync(control())).toBe(false);
    expect(state().complete).toBe(false);
    // That a server does not start without pg_control is the same wherever it was.
    const tries = phase === "files";
    if (tries) {
      const cluster = await startOn(data(), 15, { start: false });
      expect(await cluster.startExpectingFailure()).toMatch(/could not find the database system|could not open file .*pg_control/);
      await cluster.destroy();
    }
    const done = await refresh();
    expect(done).toMatchObject({ refreshed: true, files: { untouched: 0 } });
    expect(done.files.same).toBeGreaterThan(500);
    expect(state()).toMatchObject({ complete: true, label: done.label });
    if (tries) await expectCopyOf(await logicalDigest(source));
  });
});

describe("a directory that is not to be touched", () => {
  it("is one that holds anything else, or another copy, or crashed", async () => {
    const strange = join(root, "strange");
    mkdirSync(join(strange, "primary"), { recursive: true });
    writeFileSync(join(strange, "primary", "precious"), "x");
    await expect(refresh({ directory: strange })).rejects.toThrow(/is not empty and no copy of Moneta's \(precious/);
    expect(readdirSync(join(strange, "primary"))).toEqual(["precious"]);

    writeFileSync(join(data(), "postmaster.pid"), "2147483646\n");
    const crashed: unknown = await refresh().catch((error: unknown) => error);
    expect(restoreErrors.standbyInUse.is(crashed)).toBe(true);
    expect(String(crashed)).toMatch(/a server crashed on it, or runs on another machine/);
    rmSync(join(data(), "postmaster.pid"));
    expect(existsSync(control())).toBe(true);

    renameSync(data(), join(root, "copies", "other"));
    await expect(refresh({ server: "other" })).rejects.toThrow(/is the copy of another server, primary/);
    renameSync(join(root, "copies", "other"), data());
    const said = readFileSync(join(data(), "moneta_standby.json"), "utf8");
    writeFileSync(join(data(), "moneta_standby.json"), said.replace(/"repository": "[^"]*"/, '"repository": "another"'));
    await expect(refresh({ repositoryId: "one" })).rejects.toThrow(/is the copy of server primary of another repository/);
    writeFileSync(join(data(), "moneta_standby.json"), said);
    await expect(refresh({ directory: join(rig.storage.root, "primary") })).rejects.toThrow(/lies in the repository/);
    await expect(refresh({ directory: data() })).rejects.toThrow(/lies in the data directory/);
    await expect(refresh({ overrides: join(root, "nowhere") })).rejects.toThrow(/overrides ".*nowhere" cannot be read: ENOENT/);
    expect(existsSync(control())).toBe(true);
  });

  it("is the tablespace of another copy, and one's own is removed when it lies elsewhere now", async () => {
    const second = { directory: join(root, "second") };
    await expect(refresh(second)).rejects.toThrow(/cannot have a tablespace in ".*spare", which is not empty/);
    expect(existsSync(second.directory)).toBe(false);
    const moved = { tablespaceMap: { each: [{ tablespace: spaceOid, directory: join(root, "moved") }, { tablespace: "dropped", directory: join(root, "dropped") }] } };
    const done = await refresh(moved);
    expect(done.notes.join()).toMatch(/hot_standby_tablespaces names "dropped"/);
    expect(existsSync(space())).toBe(false);
    expect(readlinkSync(join(data(), "pg_tblspc", spaceOid))).toBe(join(root, "moved"));
    expect(state().directories).toEqual([data(), join(root, "moved")]);
    const beside = await refresh({ ...second, tablespaceMap: undefined });
    expect(existsSync(`${beside.directory}-tblspc_spare`)).toBe(true);
    await expectCopyOf(await logicalDigest(source), beside.directory);
  });
});

it("follows its primary where the overrides ask for it (M10)", async () => {
  writeFileSync(join(overrides, "standby.signal"), "");
  const { host, port, user } = source.connectionOptions;
  const following = { directory: join(root, "following"), tablespaceMap: undefined, replica: { host, port, user } };
  const { directory, label } = await refresh(following);
  const replica = await startOn(directory);
  await change(7);
  const lsn = await source.value("SELECT pg_current_wal_lsn()");
  await waitFor("the copy has followed", async () => (await replica.value(`SELECT pg_last_wal_replay_lsn() >= '${lsn}'`)) === "t", { seen: () => replica.log().slice(-2000) });
  expect(await replica.value("SELECT count(*) FROM spaced WHERE id = -7")).toBe("1");
  expect(await replica.value("SELECT pg_is_in_recovery()")).toBe("t");
  await replica.stop();
  await replica.destroy();
  expect((await refresh(following)).label).toBe(label);
});
