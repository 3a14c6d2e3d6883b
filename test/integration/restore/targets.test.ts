import { beforeAll, describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RestoreOptions } from "../../../src/restore/index.ts";
import { expectSameContents, logicalDigest, type LogicalDigest } from "../../support/compare-clusters.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { checkIndexes, createRig, paused, promoted, startOn, type Rig } from "./rig.ts";

let source: Cluster;
let rig: Rig;
let atTheEnd: LogicalDigest;
/** Row 7 of the markers: where its commit record begins, its transaction, when it was committed. */
const seven = { lsn: "", xid: "", time: "" };

/** Marker row 7 in a transaction that tells where its commit record begins, which the next record then is. */
async function insertSeven(): Promise<void> {
  const client = await source.connect();
  await client.query("BEGIN");
  await client.query("INSERT INTO marker SELECT 7, clock_timestamp(), '0/0', '', ''");
  const { rows } = await client.query<{ lsn: string; xid: string }>(
    "SELECT pg_current_wal_insert_lsn()::text AS lsn, (txid_current() % 4294967296)::text AS xid",
  );
  await client.query("COMMIT");
  await client.end();
  seven.lsn = rows[0]?.lsn ?? "";
  seven.xid = rows[0]?.xid ?? "";
  seven.time = await source.value(
    `SELECT to_char(pg_xact_commit_timestamp('${seven.xid}'::xid) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`,
  );
}

beforeAll(async () => {
  source = await createCluster({ settings: { track_commit_timestamp: "on", wal_level: "logical" } });
  rig = await createRig(source);
  await source.sql("CREATE TABLE kept AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g");
  await source.sql("ALTER SYSTEM SET primary_conninfo = 'host=elsewhere password=hidden-secret'");
  await insertMarkers(source, 1, 3);
  await rig.backup({ compression: "zstd" });
  await insertMarkers(source, 4, 6);
  await insertSeven();
  await source.sql("SELECT pg_create_restore_point('half, way')");
  await insertMarkers(source, 8, 9);
  await source.sql("SELECT pg_switch_wal()");
  await insertMarkers(source, 10, 10);
  await rig.caughtUp();
  await rig.archive();
  atTheEnd = await logicalDigest(source);
});

async function restored(position: string | null, more: Partial<RestoreOptions> = {}): Promise<Cluster> {
  const { plan } = await rig.restore({ position, ...more });
  expect(plan.problems).toEqual([]);
  const names = ["postgresql.auto.conf", "postgresql.conf", ...(plan.wal.copied ? [] : ["moneta_recovery.json"])];
  const written = names.map((name) => readFileSync(join(plan.directory, name), "latin1"));
  expect(written.join()).not.toMatch(/hidden-secret|password=/);
  return startOn(plan.directory);
}

const throughSix = [1, 2, 3, 4, 5, 6];
const throughSeven = [...throughSix, 7];

/** Position, and the rows that are there then. */
const targets: [name: string, position: () => string, rows: number[]][] = [
  ["a position in the WAL", () => `lsn=${seven.lsn}`, throughSeven],
  ["just before a position in the WAL", () => `lsn=${seven.lsn},inclusive=off`, throughSix],
  ["a transaction", () => `xid=${seven.xid}`, throughSeven],
  ["just before a transaction", () => `xid=${seven.xid},inclusive=off`, throughSix],
  ["the time of a commit", () => `time=${seven.time}+00`, throughSeven],
  ["just before the time of a commit", () => `time=${seven.time},inclusive=off`, throughSix],
  ["a restore point", () => "name='half, way'", throughSeven],
  ["the moment of consistency", () => "immediate", [1, 2, 3]],
];

describe("a restored primary", () => {
  it.each(targets)("opens for business at %s", async (_name, position, rows) => {
    const cluster = await restored(position());
    await promoted(cluster);
    expect(await markersIn(cluster)).toEqual(rows);
    await cluster.sql("INSERT INTO marker SELECT 99, now(), '0/0', '', ''");
    expect(await cluster.value("SELECT timeline_id FROM pg_control_checkpoint()")).toMatch(/^[12]$/);
    await cluster.destroy();
  });

  it.each(targets.filter((_, index) => [0, 2, 5, 6, 7].includes(index)))("pauses at %s when it is told to", async (_name, position, rows) => {
    const cluster = await restored(`${position()},action=pause`);
    await paused(cluster);
    expect(await markersIn(cluster)).toEqual(rows);
    await cluster.destroy();
  });

  it("shuts down at the target when it is told to", async () => {
    const { plan } = await rig.restore({ position: `lsn=${seven.lsn},action=shutdown` });
    const cluster = await startOn(plan.directory, 15, { start: false });
    expect(await cluster.startExpectingFailure()).toMatch(/shutdown at recovery target/);
    await cluster.destroy();
  });

  it("has everything to the end of the archive without a position, the unfinished segment included", async () => {
    const cluster = await restored(null);
    await promoted(cluster);
    await expectSameContents(atTheEnd, cluster);
    await checkIndexes(cluster);
    await cluster.destroy();
  });

  it("has it also when its WAL was copied, and needs no repository then", async () => {
    const { plan } = await rig.restore({ copyWal: true });
    expect(plan.wal).toMatchObject({ copied: true, bytes: plan.wal.segments * 16 * 1024 * 1024 });
    expect(readFileSync(join(plan.directory, "postgresql.auto.conf"), "utf8")).not.toContain("wal-get");
    const cluster = await startOn(plan.directory);
    await promoted(cluster);
    await expectSameContents(atTheEnd, cluster);
    await cluster.destroy();
  });

  it("ends where it was asked to also when its WAL was copied", async () => {
    const cluster = await restored(`xid=${seven.xid}`, { copyWal: true });
    await promoted(cluster);
    expect(await markersIn(cluster)).toEqual(throughSeven);
    await cluster.destroy();
  });
});

describe("a restored replica", () => {
  /** Nobody answers there: all WAL comes from the repository. */
  const replica = { host: "/nowhere", port: 1, user: "postgres" };

  it.each(targets.filter((_, index) => [0, 3, 4, 6, 7].includes(index)))("stops at %s and can be read", async (_name, position, rows) => {
    const cluster = await restored(`${position()},replica`, { replica });
    await paused(cluster);
    expect(await cluster.value("SELECT pg_is_in_recovery()")).toBe("t");
    expect(await markersIn(cluster)).toEqual(rows);
    await cluster.destroy();
  });

  it("follows its primary from the end of the archive on, through no slot of ours (M10)", async () => {
    const { host: socket, port } = source.connectionOptions;
    const cluster = await restored("replica", { replica: { host: socket, port, user: "postgres" } });
    await insertMarkers(source, 11, 12);
    await expect.poll(() => markersIn(cluster), { timeout: 60_000 }).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(await cluster.value("SELECT count(*) FROM pg_stat_wal_receiver")).toBe("1");
    expect(await source.sql("SELECT slot_name FROM pg_replication_slots")).toEqual([["moneta"]]);
    await cluster.destroy();
  });
});
