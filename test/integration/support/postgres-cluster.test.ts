import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { availableMajors } from "../../support/postgres-binaries.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { isAlive } from "../../support/processes.ts";
import { waitFor } from "../../support/wait-for.ts";

test.each(availableMajors())("a cluster of PostgreSQL %i starts, survives a crash, has a standby, and leaves nothing", async (major) => {
  const cluster = await createCluster({ major, settings: { work_mem: "5MB" } });
  expect(await cluster.value("SHOW server_version_num")).toMatch(new RegExp(`^${major}`));
  expect(await cluster.value("SHOW work_mem")).toBe("5MB");
  await cluster.sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)");
  expect(await cluster.sql("SELECT n, NULL FROM t ORDER BY n")).toEqual([["1", ""], ["2", ""]]);
  await cluster.kill9();
  expect(cluster.pid()).toBeUndefined();
  await cluster.start();
  expect(await cluster.value("SELECT count(*) FROM t")).toBe("2");
  const standby = await cluster.createStandby({ slot: "s1" });
  await cluster.sql("INSERT INTO t VALUES (3)");
  await waitFor("the standby has the row", async () => (await standby.value("SELECT count(*) FROM t")) === "3");
  await cluster.stop("fast");
  await standby.promote();
  await standby.sql("INSERT INTO t VALUES (4)");
  const pid = standby.pid();
  await cluster.destroy();
  expect(pid !== undefined && isAlive(pid)).toBe(false);
  expect(existsSync(cluster.root)).toBe(false);
  expect(existsSync(standby.root)).toBe(false);
});

test("options of initdb, access rules and an identity of one's own take effect", async () => {
  const options = { checksums: false, walSegmentSize: 1024 * 1024, hba: ["local all reject_me reject"], ownIdentity: true };
  const one = await createCluster(options);
  const two = await createCluster(options);
  expect(await one.value("SHOW wal_segment_size")).toBe("1MB");
  expect(await one.value("SHOW data_checksums")).toBe("off");
  await one.sql("CREATE ROLE reject_me LOGIN");
  await expect(one.sql("SELECT 1", { user: "reject_me" })).rejects.toThrow(/reject/);
  const identity = "SELECT system_identifier FROM pg_control_system()";
  expect(await one.value(identity)).not.toBe(await two.value(identity));
  expect(existsSync(join(one.dataDir, "PG_VERSION"))).toBe(true);
});

test("a server that cannot start says why", async () => {
  const cluster = await createCluster({ start: false, settings: { max_wal_senders: "many" } });
  await expect(cluster.start()).rejects.toThrow(/max_wal_senders/);
});
