/**
 * H05, A07: everything over one bad link, by a role whose settings are hostile. `MONETA_LINK_BITS=1000000` is the long form:
 * 1 Mbit/s, 200 ms, and a reset every 30 s, under which no base backup can come to its end; the short one has more
 * bandwidth, less delay and a reset at a chosen byte.
 */
import { expect, it } from "vitest";
import { openWalInventory } from "../../../src/repository/index.ts";
import { countFromEnvironment } from "../../support/long-run.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { waitFor } from "../../support/wait-for.ts";
import { expectNoHole, expectServersBytes } from "../wal/receiving.ts";
import { checkIndexes, createRig, promoted, startOn } from "./rig.ts";

const bits = countFromEnvironment("MONETA_LINK_BITS", 100_000_000);
const long = bits < 10_000_000;
const megabyte = 1024 * 1024;
const resetEveryMs = 30_000;

/** What the server's log says when one of the functions below is called: it is there also when nothing could be written. */
const called = "a hostile function was called";

/** Whatever is set for the role holds for the sessions of the tests as little as for replication. */
async function hostileRole(cluster: Cluster): Promise<void> {
  await cluster.sql("CREATE ROLE lowly LOGIN REPLICATION; GRANT pg_read_all_settings TO lowly");
  await cluster.sql("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; CREATE TABLE evil.called (what text); GRANT INSERT ON evil.called TO PUBLIC");
  for (const [signature, type, value] of [
    ["pg_is_in_recovery()", "boolean", "true"],
    ["pg_current_wal_flush_lsn()", "pg_lsn", "'0/0'"],
    ["pg_switch_wal()", "pg_lsn", "'0/0'"],
    ["pg_tablespace_location(oid)", "text", "'/evil'"],
  ] as const) {
    await cluster.sql(`CREATE FUNCTION evil.${signature} RETURNS ${type} LANGUAGE plpgsql AS $$ BEGIN RAISE LOG '${called}'; INSERT INTO evil.called VALUES ('called'); RETURN ${value}; END $$`);
  }
  for (const setting of ["search_path = evil, pg_catalog", "default_transaction_read_only = on", "datestyle = 'German'", "client_encoding = 'SQL_ASCII'", "TimeZone = 'Asia/Tokyo'"]) {
    await cluster.sql(`ALTER ROLE lowly SET ${setting}`);
  }
}

it("a slow link with delays, stalls and resets costs time and a backup, and not a byte of WAL; a hostile role nothing (H05, A07)", async () => {
  const cluster = await createCluster({ walSegmentSize: megabyte, settings: { wal_keep_size: "1GB" } });
  await hostileRole(cluster);
  await insertMarkers(cluster, 1, 3);
  const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
  proxy.faults.delayMs = long ? 200 : 5;
  proxy.faults.bytesPerSecond = bits / 8;
  const through: Cluster = { ...cluster, connectionOptions: { host: proxy.host, port: proxy.port, user: "lowly", database: "postgres" } };
  const rig = await createRig(through);

  const rows: number[] = [];
  let next = 4;
  const more = async (count: number): Promise<void> => {
    await insertMarkers(cluster, next, next + count - 1, "x".repeat(long ? 200 : 4000));
    for (const last = next + count; next < last; next += 1) rows.push(next);
  };

  const resets = long ? setInterval(() => proxy.cut(), resetEveryMs) : undefined;
  resets?.unref();
  const cut = long ? undefined : proxy.cutAfter(5 * megabyte);
  await expect(rig.backup()).rejects.toMatchObject({ code: "SERVER_CONNECTION_LOST", message: expect.stringContaining("connection") as string });
  await cut;
  expect((await rig.storage.list("primary/backup")).map(({ name }) => name)).toEqual([]);

  // A receiver needs no quiet link, only one that lets more through between two resets than it has to compare again.
  await more(100);
  if (long) await rig.caughtUp();
  clearInterval(resets);

  const backup = rig.backup();
  for (let stall = 0; stall < 2; stall += 1) {
    await more(20);
    proxy.faults.silent = true;
    await more(50);
    proxy.faults.silent = false;
  }
  const taken = await backup;
  for (let reset = 0; reset < 5; reset += 1) {
    const before = proxy.accepted();
    await more(100);
    proxy.cut();
    await waitFor("it connects again", () => proxy.accepted() > before);
  }
  await rig.caughtUp();

  const wal = rig.storage.absolutePath("primary/wal");
  const { complete } = await expectServersBytes(wal, cluster);
  expect(complete).toBe((await expectNoHole(wal, megabyte)).length);
  expect(await openWalInventory(rig.storage, "primary", megabyte).gaps.list()).toEqual([]);
  expect(await cluster.sql("SELECT * FROM evil.called")).toEqual([]);
  expect(cluster.log()).not.toContain(called);
  // The trap is one: whoever trusts the settings of the role falls into it.
  const trusting = await cluster.connect({ user: "lowly" });
  await trusting.query("SELECT pg_is_in_recovery()").catch(() => undefined);
  await trusting.end();
  await waitFor("the trap is sprung", () => cluster.log().includes(called));
  await rig.stopReceiver();
  await proxy.close();

  const { plan } = await rig.restore({ backup: taken.label });
  const restored = await startOn(plan.directory);
  await promoted(restored);
  const found = new Set(await markersIn(restored));
  expect(rows.filter((n) => !found.has(n))).toEqual([]);
  await restored.destroy();
  await cluster.destroy();
}, 900_000);

it("a standby whose replay stands still is backed up, and everything that its primary had sent comes back (A09)", async () => {
  const primary = await createCluster({ walSegmentSize: megabyte });
  await insertMarkers(primary, 1, 2);
  const standby = await primary.createStandby();
  await waitFor("the standby has caught up", async () => (await standby.value("SELECT count(*) FROM pg_class WHERE relname = 'marker'")) === "1");
  await standby.sql("SELECT pg_wal_replay_pause()");
  const markers = await insertMarkers(primary, 3, 4);
  const rig = await createRig(standby);
  const taken = await rig.backup();
  expect(await standby.value("SELECT pg_is_wal_replay_paused()")).toBe("t");
  markers.push(...(await insertMarkers(primary, 5, 5)));
  const sent = await primary.value("SELECT pg_current_wal_flush_lsn()");
  await waitFor("all is received", async () => (await standby.value(`SELECT flush_lsn >= '${sent}' FROM pg_stat_replication`)) === "t");
  await rig.stopReceiver();
  const { plan } = await rig.restore({ backup: taken.label });
  const restored = await startOn(plan.directory);
  await promoted(restored);
  expect(await markersIn(restored)).toEqual([1, 2, 3, 4, 5]);
  await checkIndexes(restored);
  await restored.destroy();
  await primary.destroy();
});
