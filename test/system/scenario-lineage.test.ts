/**
 * L05: another cluster takes the place of a server, with the same name at the same address. Nothing of it is received before
 * somebody says so; then both have their own WAL, both can be restored, and retention leaves the last backup of either.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { initdb } from "../support/postgres-template.ts";
import { segmentsIn } from "../support/repository-judge.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

const segmentSize = 1024 * 1024;
const initial = { checksums: true, walSegmentSize: segmentSize, locale: "C" };
let cluster: Cluster;
let daemon: Daemon;
let shipping: string;
beforeAll(async () => {
  cluster = await createCluster(initial);
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, settings: { wal_shipping: "$SHIPPING" } }],
    settings: { retention: "count:1", retention_interval: 2_000_000, encryption: "aes" },
    start: false,
  });
  shipping = join(daemon.root, "second");
  await mkdir(shipping);
  giveToUnprivileged(shipping);
  await writeFile(daemon.configFile, (await readFile(daemon.configFile, "utf8")).replace("$SHIPPING", shipping));
  await daemon.start();
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const repository = (...path: readonly string[]): string => join(daemon.baseDir, "primary", ...path);
const identifierOf = (): Promise<string> => cluster.value("SELECT system_identifier FROM pg_control_system()");

async function backup(markers: readonly [number, number]): Promise<string> {
  await insertMarkers(cluster, ...markers);
  await cluster.sql("SELECT pg_switch_wal()");
  return String((await ask(daemon, "backup", "primary"))["Backup"]);
}

/** As after initdb, pg_upgrade or the installation of a new machine: all is as it was, but for who it is. */
async function replaceCluster(): Promise<void> {
  await cluster.stop();
  const settings = ["postgresql.conf", "pg_hba.conf"];
  for (const name of settings) await copyFile(join(cluster.dataDir, name), join(cluster.root, name));
  await rename(cluster.dataDir, aside());
  await initdb(cluster.binaries, initial, cluster.dataDir);
  for (const name of settings) await copyFile(join(cluster.root, name), join(cluster.dataDir, name));
  await cluster.start();
  await cluster.sql("CREATE ROLE moneta LOGIN REPLICATION PASSWORD 'moneta''s password'");
  await cluster.sql("GRANT pg_read_all_settings TO moneta");
}

/** Where the cluster lies that is not at the address at the moment. */
const aside = (): string => join(cluster.root, "other");

/** The other cluster is at the address again, as it was left. */
async function swapClusters(): Promise<void> {
  await cluster.stop();
  await rename(cluster.dataDir, join(cluster.root, "swap"));
  await rename(aside(), cluster.dataDir);
  await rename(join(cluster.root, "swap"), aside());
  await cluster.start();
  await waitFor("it is refused", async () => (await problems()).includes("WAL_OTHER_CLUSTER"), { seen: () => daemon.log().slice(-2000) });
}

/** What is archived in the repository is in the second copy too, under the same path, and nothing else of that kind. */
async function shipped(...path: readonly string[]): Promise<void> {
  const archivedIn = async (root: string): Promise<string> =>
    (await readdir(join(root, "primary", ...path)).catch(() => [])).filter((name) => /^[0-9A-F]{24}\.zstd\.aes$/.test(name)).sort().join();
  await waitFor("the second copy has what is archived", async () => {
    const there = await archivedIn(daemon.baseDir);
    return there !== "" && there === (await archivedIn(shipping));
  }, { seen: () => daemon.log().slice(-2000) });
}

/** The markers of the cluster that `restore` makes of a backup. */
async function restored(words: readonly string[], offline: readonly string[] = []): Promise<readonly number[]> {
  const directory = join(daemon.root, "tmp");
  for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
  const { status, stdout, stderr, json } = await daemon.cli([...offline, "restore", "primary", ...words, directory], { format: "raw" });
  expect([status, stdout + stderr]).toEqual([0, expect.any(String)]);
  const copy = await runOnDirectory({ major: 15, dataDir: String(json?.Response["Directory"]) });
  await waitFor("recovery is over", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => copy.log().slice(-2000) });
  const found = await markersIn(copy);
  await copy.destroy();
  return found;
}

const problems = async (): Promise<string[]> =>
  Object.values((await serverStatus(daemon, "primary"))["Problems"] as readonly { Code: string }[]).map(({ Code }) => Code);

it("a server that became another cluster is received when it is accepted, and both can be restored (L05)", async () => {
  const old = await identifierOf();
  const first = await backup([1, 2]);
  await insertMarkers(cluster, 3, 3);
  await cluster.sql("SELECT pg_switch_wal()");
  // In a segment that will never be complete.
  await insertMarkers(cluster, 4, 4);

  await replaceCluster();
  const present = await identifierOf();
  await waitFor("it is refused", async () => (await problems()).includes("WAL_OTHER_CLUSTER"), { seen: () => daemon.log().slice(-2000) });
  // Nothing comes any more; the archiver changes only the form of a segment, not its name.
  const walOfOld = await segmentsIn(repository("wal"));
  expect((await daemon.cli(["backup", "primary"])).json?.Outcome).toMatchObject({ Status: false, Code: "WAL_NOT_RECEIVED" });
  expect(await ask(daemon, "lineage", "primary")).toMatchObject({
    Lineages: [{ SystemIdentifier: old, Present: true, NumberOfBackups: 1, Newest: first }],
    Stranger: present,
    Accepted: null,
  });
  const wrong = await daemon.cli(["lineage", "primary", "accept", "4711"]);
  expect([wrong.status, wrong.json?.Outcome]).toMatchObject([60, { Status: false, Code: "WAL_LINEAGE_REFUSED" }]);
  expect(await segmentsIn(repository("wal"))).toEqual(walOfOld);

  expect(await ask(daemon, "lineage", "primary", "accept", present)).toMatchObject({
    Accepted: { From: old, To: present, Returned: false },
    Lineages: [{ SystemIdentifier: present, Present: true, NumberOfBackups: 0 }, { SystemIdentifier: old, Present: false, NumberOfBackups: 1 }],
  });
  await daemon.waitUntilStreaming("primary");
  expect(await segmentsIn(repository("lineages", old, "wal"))).toEqual(walOfOld);
  expect(await problems()).toEqual(["LINEAGE_WITHOUT_BACKUP"]);
  expect((await daemon.cli(["lineage", "primary", "accept"])).json?.Outcome).toMatchObject({ Code: "WAL_LINEAGE_REFUSED" });

  // Not even its last segment, which nothing will complete, stays in clear.
  await waitFor("nothing of it is in clear", async () => (await readdir(repository("lineages", old, "wal"))).every((name) => /\.aes$|\.backup$/.test(name)), {
    seen: () => daemon.log().slice(-2000),
  });
  expect((await readdir(repository("lineages", old, "wal"))).filter((name) => name.endsWith(".partial.zstd.aes"))).toHaveLength(1);
  // The old one is all there is: it is whole, and its WAL is that of its own place, also for restore_command.
  expect(await ask(daemon, "verify", "primary", first)).toMatchObject({ Restorable: true });
  expect(await restored(["newest"])).toEqual([1, 2, 3, 4]);

  const second = await backup([11, 12]);
  expect(await problems()).toEqual([]);
  const walOfNew = await segmentsIn(repository("wal"));
  expect(walOfNew.filter((name) => walOfOld.includes(name))).not.toEqual([]);
  expect(await restored(["newest"])).toEqual([11, 12]);
  expect(await restored(["--copy-wal", first], ["--offline", "-D", daemon.configDir])).toEqual([1, 2, 3, 4]);

  // The second copy keeps them apart as well.
  await shipped("wal");
  await shipped("lineages", old, "wal");

  // The old one is back, and is accepted again: its WAL goes on where it ended, and a backup of it reaches what comes now.
  await swapClusters();
  expect(await ask(daemon, "lineage", "primary", "accept", old)).toMatchObject({ Accepted: { From: present, To: old, Returned: true } });
  await daemon.waitUntilStreaming("primary");
  await insertMarkers(cluster, 5, 5);
  await cluster.sql("SELECT pg_switch_wal()");
  await waitFor("all of it is received", async () => (await cluster.value("SELECT bool_and(flush_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication")) === "t");
  expect(await serverStatus(daemon, "primary")).toMatchObject({ Lineage: old, FormerLineages: 1, Gaps: 0 });
  expect(await restored(["--copy-wal", first])).toEqual([1, 2, 3, 4, 5]);
  expect(await ask(daemon, "verify", "primary", second)).toMatchObject({ Restorable: true });
  await shipped("wal");
  await shipped("lineages", present, "wal");
  await swapClusters();
  expect(await ask(daemon, "lineage", "primary", "accept", present)).toMatchObject({ Accepted: { From: old, To: present, Returned: true } });
  await daemon.waitUntilStreaming("primary");

  // Each cluster keeps what the policy keeps of one; without a backup the WAL of the old one is of no use.
  const third = await backup([13, 13]);
  const { Backups } = (await ask(daemon, "retention", "primary")) as unknown as { Backups: readonly { Backup: string; Action: string }[] };
  expect(Backups.map(({ Backup, Action }) => [Backup, Action])).toEqual([
    [first, "keep"],
    [second, "delete"],
    [third, "keep"],
  ]);
  expect(await ask(daemon, "verify", "primary", first)).toMatchObject({ Restorable: true });
  await daemon.stop();
  await daemon.start();
  await daemon.waitUntilStreaming("primary");
  expect(await serverStatus(daemon, "primary")).toMatchObject({ Lineage: present, FormerLineages: 1, Gaps: 0 });
  await ask(daemon, "delete", "primary", first);
  await ask(daemon, "retention", "primary");
  expect(existsSync(repository("lineages", old))).toBe(false);
  expect(await ask(daemon, "verify", "primary", third)).toMatchObject({ Restorable: true });
}, 600_000);
