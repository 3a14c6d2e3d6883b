/**
 * A primary that is killed right after `pg_switch_wal`: the receiver has the record that ends the segment, and few of
 * the zeros behind it. The standby that takes over forks at the next segment, and a way along it leads through one that
 * nobody ever completes by receiving.
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { lsnPlus, parseSegmentName, timelineId } from "../../../src/postgres/index.ts";
import { openWalInventory } from "../../../src/repository/index.ts";
import { insertMarkers } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createRig, rowsOf } from "./rig.ts";

const segmentSize = 16 * 1024 * 1024;

it("the segment that a killed server ended early leads on to the timeline of its successor", async () => {
  const primary = await createCluster();
  const standby = await primary.createStandby();
  const proxy = await createTcpProxy({ path: `${primary.socketDir}/.s.PGSQL.${primary.port}` });
  const through: Cluster = { ...primary, connectionOptions: { host: proxy.host, port: proxy.port, user: primary.connectionOptions.user, database: "postgres" } };
  let rig = await createRig(through);
  await insertMarkers(primary, 1, 2);
  const taken = await rig.backup();
  await insertMarkers(primary, 3, 4);
  await rig.caughtUp();

  const cut = proxy.cutAfter(8192).then(() => proxy.refuse(true));
  const segment = await primary.value("SELECT pg_walfile_name(pg_switch_wal())");
  await cut;
  const { start } = parseSegmentName(segment, segmentSize);
  await waitFor("the standby has replayed the switch", async () => (await standby.value(`SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= ${start + BigInt(segmentSize)}`)) === "t");
  await primary.stop("immediate");
  await rig.stopReceiver();
  const inventory = openWalInventory(rig.storage, "primary", segmentSize);
  const file = (suffix = ""): string => join(rig.storage.absolutePath("primary/wal"), `${segment}${suffix}`);
  const received = statSync(file(".partial")).size;
  expect(received).toBeLessThan(segmentSize / 2);

  await standby.promote();
  const fork = Number(/^1\t([0-9A-F]+)\/([0-9A-F]+)/m.exec(readFileSync(join(standby.dataDir, "pg_wal/00000002.history"), "utf8"))?.slice(1).map((part) => Number.parseInt(part, 16)).reduce((high, low) => high * 0x1_0000_0000 + low));
  expect(fork).toBe(Number(start) + segmentSize);
  // What a checkpoint does sooner or later.
  rmSync(join(standby.dataDir, "pg_wal", segment));
  rig = await createRig(standby, { storage: rig.storage });
  await insertMarkers(standby, 5, 6);
  await standby.sql("CHECKPOINT");
  await rig.caughtUp();
  await rig.stopReceiver();
  expect(await inventory.gaps.list()).toEqual([]);
  expect([existsSync(file()), existsSync(file(".partial"))]).toEqual([true, false]);
  expect(await rowsOf(rig, { backup: taken.label })).toEqual([1, 2, 3, 4, 5, 6]);

  // The same where nobody received anything after it.
  renameSync(file(), file(".partial"));
  const bytes = readFileSync(file(".partial"));
  let end = segmentSize;
  while (bytes[end - 1] === 0) end -= 1;
  end = Math.ceil(end / 8) * 8;
  expect(end).toBeLessThanOrEqual(received);
  truncateSync(file(".partial"), end);
  expect((await inventory.durableEnd(timelineId(1)))?.lsn).toBe(lsnPlus(start, end));
  expect(await rowsOf(rig, { backup: taken.label })).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await rowsOf(rig, { backup: taken.label, copyWal: true })).toEqual([1, 2, 3, 4, 5, 6]);
  expect(statSync(file(".partial")).size).toBe(end);
  // With less than the record, or with a record before it that was changed, nothing proves that this is its end.
  truncateSync(file(".partial"), end - 8);
  await expect(rig.restore({ backup: taken.label })).rejects.toThrow(`WAL segment ${segment} cannot be used (it was never completed)`);

  await proxy.close();
  await standby.destroy();
  await primary.destroy();
});
