/**
 * H05, H06: real packets between the daemon, in a network namespace of its own, and the server: all of them dropped
 * without a word, as by a firewall that forgot the connection, which leaves both sides half open; and one of twenty lost.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createPacketLink, needsForPacketLink, withoutNetwork, type PacketLink } from "../support/packet-link.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { compareWithServer } from "../support/repository-judge.ts";
import { requires } from "../support/requires.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeWal } from "../integration/wal/receiving.ts";
import { ask, serverStatus } from "../system/daemon-observation.ts";

requires("root", "unshare", "nsenter", "ip", "tc", ...needsForPacketLink()).describe("a network that loses", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let link: PacketLink;
  beforeAll(async () => {
    cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "1GB", wal_sender_timeout: "4s" } });
    link = await createPacketLink(`${cluster.socketDir}/.s.PGSQL.${cluster.port}`);
    daemon = await createDaemon({
      servers: [{ name: "primary", cluster, host: link.host, port: link.port }],
      // Raw segments keep their names, so that they can be compared at any moment.
      settings: { compression: "none", receiver_timeout: 3, connect_timeout: 3, receiver_status_interval: 1 },
      launcher: () => withoutNetwork,
    });
    link.plugInto(daemon.pid() ?? 0);
    await daemon.waitUntilStreaming("primary");
  });
  afterAll(async () => {
    await daemon.destroy();
    await link.close();
    await cluster.destroy();
  });

  const walsenders = (): Promise<string> => cluster.value("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'moneta_primary'");
  const received = async (): Promise<void> => {
    const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("all WAL is received", async () => (await cluster.value(`SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '${end}'`)) === "1", {
      seen: () => daemon.log().slice(-2000),
    });
  };
  const expectServersWal = async (): Promise<void> => {
    const { complete, differences } = await compareWithServer(join(daemon.baseDir, "primary", "wal"), join(cluster.dataDir, "pg_wal"));
    expect(differences).toEqual([]);
    expect(complete).toBeGreaterThan(3);
    expect(await serverStatus(daemon, "primary")).toMatchObject({ Gaps: 0 });
  };

  it("everything leaves both sides half open: each notices by itself, and when packets pass again nothing is missing", async () => {
    await writeWal(cluster, 2);
    await received();
    const before = link.lost();
    link.lose(1);
    await writeWal(cluster, 2);
    await waitFor("the daemon has noticed", async () => !(await serverStatus(daemon, "primary")).WalStreaming, { seen: () => daemon.log().slice(-2000) });
    expect(daemon.log()).toContain("code=SERVER_SILENT");
    await waitFor("the server has noticed", async () => (await walsenders()) === "0");
    expect(cluster.log()).toContain("terminating walsender process due to replication timeout");
    expect(link.lost()).toBeGreaterThan(before);
    // Questions are answered, and a backup is refused and not hung on.
    expect((await daemon.cli(["backup", "primary"], { format: "raw" })).status).not.toBe(0);
    link.lose(0);
    await daemon.waitUntilStreaming("primary");
    await writeWal(cluster, 2);
    await received();
    await expectServersWal();
  });

  it("one packet of twenty costs time and nothing else: WAL, a backup and its restore are whole", async () => {
    const before = link.lost();
    link.lose(0.05);
    const rows = await insertMarkers(cluster, 1, 200, "x".repeat(2000));
    const backup = await ask(daemon, "backup", "primary");
    expect(backup).toMatchObject({ Valid: 1 });
    rows.push(...(await insertMarkers(cluster, 201, 400, "x".repeat(2000))));
    await writeWal(cluster, 3);
    await received();
    expect(link.lost() - before).toBeGreaterThan(20);
    await expectServersWal();
    const place = join(daemon.root, "restored");
    mkdirSync(place);
    giveToUnprivileged(place);
    const restored = await ask(daemon, "restore", "primary", "newest", place);
    const copy = await runOnDirectory({ major: 15, dataDir: String(restored["Directory"]) });
    await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => copy.log().slice(-2000) });
    expect(await markersIn(copy)).toEqual(rows.map(({ n }) => n));
    await copy.destroy();
  });
});
