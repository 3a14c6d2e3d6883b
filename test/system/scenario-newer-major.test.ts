/**
 * A major newer than the newest known: it streams and is backed up like that one, and everybody is told so. One that is
 * too old is refused by name, and nothing is begun with it.
 */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { backend } from "../support/backend-messages.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createMessageProxy, type MessageProxy } from "../support/message-proxy.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { runOrFail } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

/** ParameterStatus of server_version. */
const isVersion = (message: Buffer): boolean =>
  message[0] === "S".charCodeAt(0) && message.subarray(5).toString("latin1").startsWith("server_version\0");

requires("postgres-18", "sha256sum").describe("a server that calls itself 19.0", () => {
  let cluster: Cluster;
  let proxy: MessageProxy;
  let ancient: MessageProxy;
  let daemon: Daemon;
  beforeAll(async () => {
    cluster = await createCluster({ major: 18, walSegmentSize: 1024 * 1024 });
    const calling = (version: string): Promise<MessageProxy> =>
      createMessageProxy(
        join(cluster.socketDir, `.s.PGSQL.${cluster.port}`),
        () => (message) => (isVersion(message) ? backend.parameter("server_version", version) : message),
      );
    proxy = await calling("19.0");
    ancient = await calling("12.22");
    daemon = await createDaemon({
      servers: [
        { name: "future", cluster, host: proxy.host, port: proxy.port },
        { name: "ancient", cluster, host: ancient.host, port: ancient.port },
      ],
      settings: { compression: "none" },
    });
    await daemon.waitUntilStreaming("future");
  });
  afterAll(async () => {
    await daemon.destroy();
    await proxy.close();
    await ancient.close();
    await cluster.destroy();
  });

  it("is streamed byte for byte, with a warning", async () => {
    expect(await serverStatus(daemon, "future")).toMatchObject({ MajorVersion: 19, MinorVersion: 0 });
    expect(daemon.log()).toMatch(/WARN.*PostgreSQL 19\.0 is newer than 18/);
    const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
    await cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 100) n");
    await cluster.sql("SELECT pg_switch_wal()");
    const path = join(daemon.baseDir, "future", "wal", name);
    await waitFor("the segment is complete", () => statSync(path).size === 1024 * 1024);
    const received = readFileSync(path);
    const own = readFileSync(join(cluster.dataDir, "pg_wal", name));
    expect(received.equals(own)).toBe(true);
  });

  it("is refused where it calls itself 12.22, in status and by backup, and gets no slot", async () => {
    await waitFor("status names the version", async () =>
      JSON.stringify((await serverStatus(daemon, "ancient"))["Problems"]).includes("PostgreSQL 12.22 is too old"),
    );
    const { status, stderr } = await daemon.cli(["backup", "ancient"], { format: "none" });
    expect([status, stderr]).toEqual([expect.any(Number), expect.stringContaining("PostgreSQL 12.22 is too old")]);
    expect(status).toBeGreaterThan(0);
    expect(await cluster.sql("SELECT slot_name FROM pg_replication_slots")).toEqual([["moneta_future"]]);
    expect(await ask(daemon, "list-backup", "ancient")).toMatchObject({ NumberOfBackups: 0 });
  });

  it("is backed up, with the warning in the answer", async () => {
    const { status, stdout } = await daemon.cli(["backup", "future"], { format: "text" });
    expect([status, stdout]).toEqual([0, expect.stringMatching(/PostgreSQL 19\.0 is newer than 18/)]);
    const backup = await ask(daemon, "info", "future", "newest");
    expect(backup).toMatchObject({ Valid: 1, MajorVersion: 19, MinorVersion: 0 });
    const directory = join(daemon.baseDir, "future", "backup", String(backup["Backup"]));
    await runOrFail(tool("sha256sum"), ["--check", "--strict", "--quiet", "backup.sha256"], { cwd: directory });
    expect(readdirSync(join(directory, "data"))).toEqual(expect.arrayContaining(["PG_VERSION", "global", "base"]));
    expect(readFileSync(join(directory, "data", "global", "pg_control"))).toHaveLength(8192);
  });
});
