import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { silentLogger } from "../../../src/log/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { lsnParts, parseLsn, segmentStart } from "../../../src/postgres/index.ts";
import { openServerIdentity, openWalInventory } from "../../../src/repository/index.ts";
import { runArchiver } from "../../../src/wal/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import { requires, testOnMajors, tool } from "../../support/requires.ts";
import { waitFor } from "../../support/wait-for.ts";
import { expectNoHole, expectServersBytes, position, receive, systemIdentifier, writeWal } from "./receiving.ts";

const megabyte = 1024 * 1024;

testOnMajors([13, 18], "PostgreSQL %s: every segment is stored byte for byte as the server has it, and its slot follows what is flushed", async (major) => {
  const cluster = await createCluster({ major });
  const receiving = receive(cluster);
  await receiving.reached("streaming");
  for (let round = 0; round < 3; round += 1) await writeWal(cluster);
  await cluster.sql("CREATE TABLE more (a int)");
  const end = await position(cluster);
  await receiving.flushed(end);
  await waitFor("the server knows", async () => (await cluster.value(`SELECT restart_lsn >= pg_current_wal_flush_lsn() FROM pg_replication_slots`)) === "t");
  const compared = await expectServersBytes(receiving.wal, cluster);
  expect(compared.complete).toBeGreaterThanOrEqual(3);
  expect(compared.partial).toBe(1);
  await expectNoHole(receiving.wal);
  expect(await openServerIdentity(receiving.storage, "primary").read()).toEqual({ systemIdentifier: await systemIdentifier(cluster), segmentSize: 16 * megabyte });
  const [row] = await cluster.sql("SELECT application_name, write_lsn = flush_lsn, replay_lsn IS NULL, sync_state FROM pg_stat_replication");
  expect(row).toEqual(["moneta", "t", "t", "async"]);
  expect(receiving.of("segment-complete").map(({ segment, bytes }) => [segment, bytes])).toEqual((await expectNoHole(receiving.wal)).map((name) => [name, 16 * megabyte]));
  expect(receiving.of("gap")).toEqual([]);
  await receiving.stop();
  expect(receiving.state()).toBe("stopped");
  expect(await cluster.value("SELECT count(*) FROM pg_stat_replication")).toBe("0");
  await cluster.destroy();
});

requires("pg_waldump").test("pg_waldump reads all that was received, also through the archiver, up to the last record of a clean stop", async () => {
  const cluster = await createCluster({ walSegmentSize: megabyte });
  const receiving = receive(cluster);
  await receiving.reached("streaming");
  const begin = segmentStart(await position(cluster), megabyte);
  const announced = new Set<() => void>();
  const archiving = new AbortController();
  const archiver = runArchiver(
    { server: "primary", storage: receiving.storage, spec: { compression: "none", encryption: "none" }, hash: "sha256", workers: 1, idleMs: 60_000 },
    {
      clock: systemClock,
      logger: silentLogger,
      signal: archiving.signal,
      onSegment: (listener) => {
        announced.add(listener);
        return () => announced.delete(listener);
      },
      archived: () => undefined,
    },
  ).catch((error: unknown) => error);
  for (let round = 0; round < 4; round += 1) {
    await writeWal(cluster, 2);
    for (const listener of announced) listener();
  }
  // The shutdown waits until its checkpoint is flushed here.
  await cluster.stop("fast");
  await receiving.reached("disconnected");
  await receiving.stop();
  const inventory = openWalInventory(receiving.storage, "primary", megabyte);
  await waitFor("all is archived", async () => {
    for (const listener of announced) listener();
    return (await inventory.unarchived()).length === 0;
  });
  archiving.abort();
  expect(await archiver).toMatchObject({ code: "ABORTED" });

  const control = await runOrFail(join(cluster.binDir, "pg_controldata"), [cluster.dataDir]);
  const checkpoint = /Latest checkpoint location: +(\S+)/.exec(control)?.[1] ?? "";
  const partial = (await receiving.names()).find((name) => name.endsWith(".partial"));
  // The tool reads complete segments only: the last one is padded, as a restore does it.
  const padded = await padPartial(receiving.wal, partial ?? "", megabyte);
  const first = (await expectNoHole(receiving.wal, megabyte))[0] ?? "";
  const dump = await runOrFail(tool("pg_waldump"), ["-p", receiving.wal, first, padded]).catch((error: Error) => error.message);
  const { high, low } = lsnParts(parseLsn(checkpoint));
  const last = dump.split("\n").find((line) => line.includes(`lsn: ${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase().padStart(8, "0")},`));
  expect(last).toContain("CHECKPOINT_SHUTDOWN");
  expect(begin).toBeLessThanOrEqual((await inventory.stretches())[0]?.start ?? begin);
  await cluster.destroy();
});

async function padPartial(wal: string, name: string, segmentSize: number): Promise<string> {
  const bytes = await readFile(join(wal, name));
  const segment = name.slice(0, 24);
  await writeFile(join(wal, segment), Buffer.concat([bytes, Buffer.alloc(segmentSize - bytes.length)]));
  return segment;
}

it.each([1, 64])("segments of %i MB get the right names and hold the server's bytes", async (size) => {
  const segmentSize = size * megabyte;
  const cluster = await createCluster({ walSegmentSize: segmentSize });
  const receiving = receive(cluster);
  await receiving.reached("streaming");
  for (let round = 0; round < 2; round += 1) await writeWal(cluster, 3);
  await cluster.sql("CREATE TABLE more (a int)");
  await receiving.flushed(await position(cluster));
  const { complete, partial } = await expectServersBytes(receiving.wal, cluster);
  expect([complete >= 2, partial]).toEqual([true, 1]);
  const names = await expectNoHole(receiving.wal, segmentSize);
  const [here] = (await cluster.sql("SELECT pg_walfile_name(pg_current_wal_flush_lsn())"))[0] ?? [];
  expect(await receiving.names()).toEqual([...names, `${here ?? ""}.partial`]);
  await cluster.destroy();
});

it("segments of 1 GB get the right names and hold the server's bytes", async () => {
  const segmentSize = 1024 * megabyte;
  const cluster = await createCluster({ walSegmentSize: segmentSize, settings: { max_wal_size: "4GB", min_wal_size: "2GB" } });
  const receiving = receive(cluster);
  await receiving.reached("streaming");
  const first = await cluster.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  await writeWal(cluster, 1);
  await cluster.sql("CREATE TABLE more (a int)");
  await receiving.flushed(await position(cluster));
  expect(await receiving.names()).toEqual([first, `${await cluster.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")}.partial`]);
  await runOrFail("cmp", [join(receiving.wal, first), join(cluster.dataDir, "pg_wal", first)]);
  expect(openWalInventory(receiving.storage, "primary", segmentSize).segmentSize).toBe(segmentSize);
  await cluster.destroy();
});
