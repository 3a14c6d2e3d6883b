import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { testOnMajors } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { createRig, promoted, startOn } from "./rig.ts";

const started: Cluster[] = [];

async function create(...args: Parameters<typeof createCluster>): Promise<Cluster> {
  const cluster = await createCluster(...args);
  started.push(cluster);
  return cluster;
}

afterEach(async () => {
  for (const cluster of started.splice(0)) await cluster.destroy();
});

/** A directory that servers may write to. */
function outside(): string {
  const { path } = temporaryDirectory({ unprivileged: true });
  return path;
}

describe("a restored server does not touch the world of its source", () => {
  testOnMajors([13, 18], "it archives nothing, waits for no standby, and uses no slot (%s)", async (major) => {
    const archive = outside();
    const source = await create({ major, settings: { archive_mode: "always", archive_command: `cp %p ${archive}/%f`, hot_standby: "on" } });
    const rig = await createRig(source);
    // Not active on the source, but in the files that the backup takes along.
    await source.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await source.sql("ALTER SYSTEM SET primary_slot_name = 'theirs'");
    await source.sql("ALTER SYSTEM SET archive_cleanup_command = 'rm -rf /precious'");
    await source.sql("ALTER SYSTEM SET recovery_target_xid = '3'");
    await source.sql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'");
    await insertMarkers(source, 1, 2);
    await rig.backup();
    await insertMarkers(source, 3, 4);
    await rig.caughtUp();
    const { plan } = await rig.restore();
    expect(plan.notes.join()).toMatch(/taken out of postgresql.auto.conf: .*recovery_target_xid/);
    const before = readdirSync(archive).length;
    const restored = await startOn(plan.directory, major);
    await promoted(restored);
    // A commit that waited for a standby of the source would never return.
    await restored.sql("INSERT INTO marker SELECT 99, now(), '0/0', '', ''");
    expect(await markersIn(restored)).toEqual([1, 2, 3, 4, 99]);
    await restored.sql("SELECT pg_switch_wal()");
    expect(await restored.value("SHOW archive_mode")).toBe("off");
    expect(await restored.value("SHOW synchronous_standby_names")).toBe("");
    expect(await restored.value("SHOW primary_slot_name")).toBe("");
    await restored.destroy();
    const wrote = readdirSync(archive).slice(before).filter((name) => name.startsWith("00000002"));
    expect(wrote).toEqual([]);
  });

  it("and gives the source's settings back when the marked block is taken out", async () => {
    const source = await create({ settings: { archive_mode: "on", archive_command: "true" } });
    const rig = await createRig(source);
    await rig.backup();
    await rig.caughtUp();
    const { plan } = await rig.restore();
    const path = join(plan.directory, "postgresql.auto.conf");
    const text = readFileSync(path, "utf8");
    expect(text).toMatch(/take out the whole block and restart to have the settings of the source back/);
    writeFileSync(path, text.replace(/# --- begin of moneta restore ---[^]*# --- end of moneta restore ---\n/, ""));
    const conf = readFileSync(join(plan.directory, "postgresql.conf"), "utf8");
    expect(conf).toMatch(/^archive_command = 'true'$/m);
  });
});

it("starts where the source kept its configuration outside of the data directory", async () => {
  const source = await create({ settings: { max_connections: 137, max_prepared_transactions: 3, max_locks_per_transaction: 99 }, start: false });
  const configuration = outside();
  // As Debian does: nothing of it lies in the data directory, and it leads to more files elsewhere.
  mkdirSync(join(configuration, "conf.d"));
  for (const name of ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"]) {
    cpSync(join(source.dataDir, name), join(configuration, name));
    rmSync(join(source.dataDir, name));
  }
  const conf = join(configuration, "postgresql.conf");
  writeFileSync(conf, `${readFileSync(conf, "utf8")}\nhba_file = '${configuration}/pg_hba.conf'\nident_file = '${configuration}/pg_ident.conf'\n`);
  giveToUnprivileged(configuration);
  // What the server reads first leads there.
  writeFileSync(join(source.dataDir, "postgresql.conf"), `include '${conf}'\n`);
  giveToUnprivileged(join(source.dataDir, "postgresql.conf"));
  await source.start();
  const rig = await createRig(source);
  await insertMarkers(source, 1, 2);
  const backup = await rig.backup();
  await rig.caughtUp();
  const hba = `local all all trust\nhost all all 127.0.0.1/32 trust\n`;

  const { plan } = await rig.restore({ backup: backup.label });
  expect(plan.notes.join()).toMatch(/taken out of postgresql.conf: include .*which lies outside/);
  expect(plan.notes.join()).toMatch(/max_connections = 137, max_prepared_transactions = 3, max_locks_per_transaction = 99/);
  expect(plan.notes.join()).toMatch(/kept pg_hba.conf outside/);
  const written = readFileSync(join(plan.directory, "pg_hba.conf"), "utf8");
  expect(written).toMatch(/^local all all peer$/m);
  writeFileSync(join(plan.directory, "pg_hba.conf"), hba);
  const restored = await startOn(plan.directory);
  await promoted(restored);
  expect(await markersIn(restored)).toEqual([1, 2]);
  expect(await restored.value("SHOW hba_file")).toBe(join(plan.directory, "pg_hba.conf"));
  expect(await restored.value("SHOW max_connections")).toBe("137");
  await restored.destroy();
});

testOnMajors([13, 15], "restores a backup that a standby of %s gave", async (major) => {
  const primary = await create({ major });
  await insertMarkers(primary, 1, 2);
  const standby = await primary.createStandby();
  // The receiver and the backup are the standby's; its WAL is the primary's.
  await primary.sql("CHECKPOINT");
  const rig = await createRig(standby);
  await insertMarkers(primary, 3, 3);
  await primary.sql("SELECT pg_switch_wal()");
  await primary.sql("CHECKPOINT");
  const checkpoint = await primary.value("SELECT pg_current_wal_flush_lsn()");
  await expect.poll(() => standby.value(`SELECT pg_last_wal_replay_lsn() >= '${checkpoint}'::pg_lsn`), { timeout: 60_000 }).toBe("t");
  // The backup begins at this restart point, which the receiver has seen.
  await standby.sql("CHECKPOINT");
  const info = await rig.backup();
  await insertMarkers(primary, 4, 5);
  const end = await primary.value("SELECT pg_switch_wal()");
  await expect.poll(() => standby.value(`SELECT pg_last_wal_receive_lsn() >= '${end}'::pg_lsn`), { timeout: 60_000 }).toBe("t");
  await expect.poll(async () => (await rig.restore({ backup: info.label, position: `lsn=${end}` }).then((r) => r.plan, () => undefined))?.problems, { timeout: 60_000 }).toEqual([]);
  const { plan } = await rig.restore({ backup: info.label });
  expect(existsSync(join(plan.directory, "standby.signal"))).toBe(false);
  const restored = await startOn(plan.directory, major);
  await promoted(restored);
  expect(await markersIn(restored)).toEqual([1, 2, 3, 4, 5]);
  await restored.destroy();
});

it("M01: puts fifty tablespaces beside the cluster, or where they are mapped by name, by OID and all to one place, and leaves the source's alone", async () => {
  const source = await create();
  const place = outside();
  const rig = await createRig(source);
  for (let number = 1; number <= 50; number += 1) {
    // One beside the data directory, one with spaces and quotes, one that stays empty.
    const directory = number === 1 ? join(source.root, "beside") : join(place, number === 2 ? "with  spaces and \"quotes\"" : `ts${number}`);
    mkdirSync(directory);
    giveToUnprivileged(directory);
    await source.sql(`CREATE TABLESPACE "space ${number}" LOCATION '${directory.replaceAll("'", "''")}'`);
    if (number !== 3) await source.sql(`CREATE TABLE t${number} TABLESPACE "space ${number}" AS SELECT ${number} AS n, g FROM generate_series(1, 50) g`);
  }
  await rig.backup({ compression: "zstd" });
  await source.sql("INSERT INTO t2 SELECT 2, 51");
  await rig.caughtUp();
  const expected = await logicalDigest(source);
  const { plan } = await rig.restore();
  expect(plan.tablespaces).toHaveLength(50);
  for (const { oid, directory } of plan.tablespaces) {
    expect(readlinkSync(join(plan.directory, "pg_tblspc", String(oid)))).toBe(directory);
    expect(directory.startsWith(`${plan.directory}-tblspc_space%20`)).toBe(true);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  }
  // PostgreSQL would make the links after this map at its first start.
  expect(statSync(join(plan.directory, "tablespace_map")).size).toBe(0);
  const restored = await startOn(plan.directory);
  for (const { directory } of plan.tablespaces) giveToUnprivileged(directory);
  await promoted(restored);
  await expectSameContents(expected, restored);
  await restored.sql("UPDATE t2 SET g = 0");
  for (const { oid, directory } of plan.tablespaces) {
    expect(readlinkSync(join(plan.directory, "pg_tblspc", String(oid)))).toBe(directory);
  }
  expect(await source.value("SELECT sum(g) FROM t2")).toBe("1326");
  await restored.destroy();

  // The one with quotes by name, the one beside the data directory by OID, the empty one and all others to one place.
  const elsewhere = outside();
  const oids = new Map((await source.sql("SELECT spcname, oid::text FROM pg_tablespace")).map(([name, oid]) => [String(name), String(oid)]));
  const byName = join(elsewhere, "by 'name'");
  const byOid = join(elsewhere, "by-oid");
  const all = join(elsewhere, "all");
  const each = [
    { tablespace: "space 2", directory: byName },
    { tablespace: oids.get("space 1") ?? "", directory: byOid },
  ];
  const mapped = (await rig.restore({ directory: outside(), tablespaceMap: { each, all } })).plan;
  const linkOf = (name: string): string => readlinkSync(join(mapped.directory, "pg_tblspc", oids.get(name) ?? ""));
  expect([linkOf("space 2"), linkOf("space 1")]).toEqual([byName, byOid]);
  const others = mapped.tablespaces.filter(({ directory }) => directory !== byName && directory !== byOid);
  expect(others).toHaveLength(48);
  expect(others.filter(({ directory }) => !directory.startsWith(`${all}/`))).toEqual([]);
  // Nothing lies anywhere else.
  expect(readdirSync(elsewhere).sort()).toEqual(["all", "by 'name'", "by-oid"]);
  for (const { directory } of mapped.tablespaces) giveToUnprivileged(directory);
  giveToUnprivileged(all);
  const moved = await startOn(mapped.directory);
  await promoted(moved);
  await expectSameContents(expected, moved);
  await moved.destroy();
});

testOnMajors([16], "keeps a tablespace in place in place (%s)", async (major) => {
  const source = await create({ major, settings: { allow_in_place_tablespaces: "on" } });
  const rig = await createRig(source);
  await source.sql("CREATE TABLESPACE inside LOCATION ''");
  await source.sql("CREATE TABLE t TABLESPACE inside AS SELECT g FROM generate_series(1, 100) g");
  await rig.backup();
  await rig.caughtUp();
  const expected = await logicalDigest(source);
  const { plan } = await rig.restore();
  expect(plan.tablespaces[0]?.directory).toMatch(/pg_tblspc\/\d+$/);
  const restored = await startOn(plan.directory, major);
  await promoted(restored);
  await expectSameContents(expected, restored);
  await restored.destroy();
});
