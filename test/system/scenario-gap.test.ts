/**
 * B06: the slot was dropped, and the server removed WAL that nobody had received. The gap is found and told, with what to do
 * about it; what lies before it can be restored, what lies behind it only from a backup that was taken after it.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: 0, min_wal_size: "2MB", max_wal_size: "4MB" } });
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const lsnNow = (): Promise<string> => cluster.value("SELECT pg_current_wal_insert_lsn()");

it("a gap is told with what to do, and harms only what lies behind it (B06)", async () => {
  await insertMarkers(cluster, 1, 2);
  const first = String((await ask(daemon, "backup", "primary"))["Backup"]);
  await insertMarkers(cluster, 3, 3);
  const before = await lsnNow();
  await cluster.sql("SELECT pg_switch_wal()");
  await waitFor("all of it is received", async () => (await cluster.value("SELECT bool_and(flush_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication")) === "t");

  await ask(daemon, "mode", "primary", "offline");
  await cluster.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
  const lost = await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  await waitFor("the server has removed WAL", async () => {
    await cluster.sql("CREATE TABLE IF NOT EXISTS filler (n int)");
    await cluster.sql("INSERT INTO filler VALUES (1)");
    await cluster.sql("SELECT pg_switch_wal()");
    await cluster.sql("CHECKPOINT");
    return (await cluster.value(`SELECT count(*) FROM pg_ls_waldir() WHERE name = '${lost}'`)) === "0";
  });
  await ask(daemon, "mode", "primary", "online");
  await daemon.waitUntilStreaming("primary");

  const problems = Object.values((await serverStatus(daemon, "primary"))["Problems"] as Record<string, { Code: string; Hint: string }>);
  expect(problems).toEqual([expect.objectContaining({ Code: "WAL_GAP", Hint: expect.stringContaining("take a backup") as string })]);
  expect((await daemon.cli(["status"], { format: "text" })).stdout).toContain("take a backup");
  expect(daemon.log()).toMatch(/WAL of timeline 1 from .* to .* is missing: .*; take a new full backup/);

  await insertMarkers(cluster, 4, 4);
  const behind = await lsnNow();
  await cluster.sql("SELECT pg_switch_wal()");
  const place = join(daemon.root, "tmp");
  const refused = await daemon.cli(["restore", "--dry-run", "primary", "newest", `lsn=${behind}`, place], { format: "text" });
  expect(refused.status).not.toBe(0);
  expect(refused.stdout + refused.stderr).toMatch(/WAL goes on only to .*, and begins again at/);
  const { Directory } = await ask(daemon, "restore", "primary", "newest", `lsn=${before}`, place);
  const copy = await runOnDirectory({ major: 15, dataDir: String(Directory) });
  await waitFor("recovery is over", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
  expect(await markersIn(copy)).toEqual([1, 2, 3]);
  await copy.destroy();
  await rm(String(Directory), { recursive: true, force: true });

  const second = String((await ask(daemon, "backup", "primary"))["Backup"]);
  await insertMarkers(cluster, 5, 5);
  const after = await lsnNow();
  await cluster.sql("SELECT pg_switch_wal()");
  await waitFor("all of it is received", async () => (await cluster.value("SELECT bool_and(flush_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication")) === "t");
  expect(await ask(daemon, "restore", "--dry-run", "primary", "newest", `lsn=${after}`, place)).toMatchObject({ Backup: second });
  expect(await ask(daemon, "restore", "--dry-run", "primary", "newest", `lsn=${before}`, place)).toMatchObject({ Backup: first });
});
