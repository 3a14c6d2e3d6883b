import { existsSync } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { startMarkerLoop } from "../../support/marker-table.ts";
import { startProcess } from "../../support/processes.ts";
import { requires, tool } from "../../support/requires.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { expectNoHole, expectServersBytes, position, receive, systemIdentifier, writeWal, type Receiving } from "./receiving.ts";

const megabyte = 1024 * 1024;
let cluster: Cluster;

beforeAll(async () => {
  // Nothing that was received shall go before it is compared, and small segments make many of them.
  cluster = await createCluster({ walSegmentSize: megabyte, settings: { wal_keep_size: "2GB", log_line_prefix: "%m [%p] %a " } });
});
afterAll(async () => {
  await cluster.destroy();
});

/** All that the server has flushed is here, and all of it is the server's. */
async function expectAll(receiving: Receiving): Promise<void> {
  await receiving.flushed(await position(cluster));
  const { complete } = await expectServersBytes(receiving.wal, cluster);
  expect(complete).toBe((await expectNoHole(receiving.wal, megabyte)).length);
  expect(receiving.of("gap")).toEqual([]);
}

describe("with waits of a day", () => {
  const day = 86_400_000;
  const patient = { firstRetryMs: day, longestRetryMs: day };

  it("a server that was stopped and comes back is found within seconds", async () => {
    const receiving = receive(cluster, { slot: "returning", ...patient });
    await receiving.reached("streaming");
    await cluster.stop("fast");
    await receiving.reached("disconnected", "SERVER_UNREACHABLE");
    await cluster.start();
    await receiving.reached("streaming");
    await receiving.stop();
  });

  it("what an operator repaired is tried again when somebody asks", async () => {
    await cluster.sql("CREATE ROLE repaired LOGIN NOREPLICATION; GRANT pg_read_all_settings TO repaired");
    const listeners = new Set<() => void>();
    const receiving = receive(cluster, {
      slot: "repaired",
      ...patient,
      connect: { user: "repaired" },
      onWake: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    });
    await receiving.reached("disconnected", "SERVER_ERROR");
    expect(receiving.of("state").at(-1)?.retryInMs).toBeGreaterThan(day / 2);
    await cluster.sql("ALTER ROLE repaired REPLICATION");
    await waitFor("somebody can ask", () => listeners.size === 1);
    for (const wake of [...listeners]) wake();
    await receiving.reached("streaming");
    await receiving.stop();
    expect(listeners.size).toBe(0);
  });
});

describe("a restart of the server under load", () => {
  it("in every way leaves no hole, and the receiver comes back by itself (B05)", async () => {
    const receiving = receive(cluster, { slot: "restarts" });
    await receiving.reached("streaming");
    const load = await startMarkerLoop(cluster);
    for (const way of ["fast", "immediate", "crash", "crash", "fast"] as const) {
      await writeWal(cluster, 1);
      await load.more(40);
      if (way === "crash") {
        await cluster.kill9();
        await cluster.start();
      } else {
        await cluster.restart(way);
      }
      await receiving.reached("disconnected");
      await receiving.reached("streaming");
      // What was there was read again and compared before anything was acknowledged.
      const states = receiving.of("state").map(({ state }) => state);
      expect(states.slice(states.lastIndexOf("connecting"))).toContain("comparing");
    }
    await load.more(40);
    await load.stop();
    expect(receiving.of("state").find(({ state }) => state === "disconnected")?.retryInMs).toBeLessThanOrEqual(200);
    await expectAll(receiving);
    expect((await expectNoHole(receiving.wal, megabyte)).length).toBeGreaterThan(5);
  });

  it("that is fast waits for its last record to be flushed here", async () => {
    const receiving = receive(cluster, { slot: "last" });
    await receiving.reached("streaming");
    await writeWal(cluster, 2);
    await cluster.stop("fast");
    await receiving.reached("disconnected", "SERVER_STOPPED");
    const flushed = receiving.of("progress").at(-1)?.flush ?? 0n;
    await cluster.start();
    // The first record after a shutdown checkpoint begins where that one ended, on a page of its own or not.
    const redo = await cluster.value("SELECT redo_lsn FROM pg_control_checkpoint()");
    expect(await cluster.value(`SELECT '${redo}'::pg_lsn < '0/0'::pg_lsn + ${flushed}`)).toBe("t");
    await receiving.reached("streaming");
    await expectAll(receiving);
  });
});

describe("a link", () => {
  it("that is cut again and again, anywhere, leaves no hole", async () => {
    const seed = Date.now() % 100_000;
    console.log(`cuts: seed ${seed}`);
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const receiving = receive({ connectionOptions: { host: proxy.host, port: proxy.port, user: "postgres" } }, { slot: "cuts" });
    await receiving.reached("streaming");
    for (let round = 0; round < 8; round += 1) {
      const cut = proxy.cutAfter(((seed * (round + 1) * 7919) % (3 * megabyte)) + 1);
      await writeWal(cluster, 4);
      await cut;
      await receiving.reached("disconnected");
      await receiving.reached("streaming");
    }
    await expectAll(receiving);
    await receiving.stop();
    await proxy.close();
  });

  it("that is half open is given up, an idle one is not (H06)", async () => {
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const receiving = receive(
      { connectionOptions: { host: proxy.host, port: proxy.port, user: "postgres" } },
      { slot: "halfopen", connect: { idleTimeoutMs: 1_500, connectTimeoutMs: 1_000 } },
    );
    await receiving.reached("streaming");
    // An idle server answers when it is asked, however long nothing happens.
    await waitFor("it was asked for a sign of life", () => receiving.of("progress").length > 4);
    expect(receiving.state()).toBe("streaming");
    proxy.faults.silent = true;
    await receiving.reached("disconnected", "SERVER_SILENT");
    proxy.faults.silent = false;
    await writeWal(cluster, 1);
    await receiving.reached("streaming");
    await expectAll(receiving);
    await receiving.stop();
    await proxy.close();
  });

  it("that is half open does not hold up a stop", async () => {
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const receiving = receive({ connectionOptions: { host: proxy.host, port: proxy.port, user: "postgres" } }, { slot: "stopping" });
    await receiving.reached("streaming");
    proxy.faults.silent = true;
    await receiving.stop();
    expect(receiving.state()).toBe("stopped");
    await proxy.close();
  });

  it("that leads to another cluster is refused before a byte is written (B11)", async () => {
    const other = await createCluster({ ownIdentity: true, walSegmentSize: megabyte });
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const receiving = receive({ connectionOptions: { host: proxy.host, port: proxy.port, user: "postgres" } }, { slot: "identity" });
    await receiving.reached("streaming");
    await writeWal(cluster, 1);
    await expectAll(receiving);
    await receiving.stop();
    await proxy.close();
    const before = await contents(receiving);

    const stranger = receive(other, { slot: "identity", base: receiving.base });
    await stranger.reached("refused", "WAL_OTHER_CLUSTER");
    const text = stranger.log.find((line) => line.startsWith("error:")) ?? "";
    expect(text).toContain(await systemIdentifier(other));
    expect(text).toContain(await systemIdentifier(cluster));
    await stranger.stop();
    expect(await contents(receiving)).toEqual(before);
    // Nothing was made on the other server either.
    expect(await other.value("SELECT count(*) FROM pg_replication_slots")).toBe("0");
    await other.destroy();
  });

  it("that leads nowhere leaves nothing behind", async () => {
    const receiving = receive({ connectionOptions: { ...cluster.connectionOptions, host: "/nonexistent" } }, { slot: "nowhere" });
    await receiving.reached("disconnected", "SERVER_UNREACHABLE");
    await receiving.stop();
    expect(existsSync(receiving.wal)).toBe(false);
  });
});

requires("pg_receivewal").test("WAL that pg_receivewal stored, its last segment filled with zeros, is compared and gone on with", async () => {
  const base = temporaryDirectory({ prefix: "madopt" }).path;
  const wal = join(base, "primary", "wal");
  await mkdir(wal, { recursive: true });
  await cluster.sql("SELECT pg_create_physical_replication_slot('adopted', true)");
  const { host, port, user } = cluster.connectionOptions;
  const other = await startProcess(tool("pg_receivewal"), ["-D", wal, "-h", host, "-p", String(port), "-U", user, "-S", "adopted", "--synchronous"]);
  await writeWal(cluster, 2);
  await cluster.sql("CREATE TABLE by_the_other_program (a int)");
  const end = await position(cluster);
  await waitFor("it has received that", async () => (await cluster.value(`SELECT restart_lsn >= '0/0'::pg_lsn + ${end} FROM pg_replication_slots WHERE slot_name = 'adopted'`)) === "t", {
    seen: () => other.stderr(),
  });
  other.kill("SIGKILL");
  await other.finished;
  const found = await readdir(wal);
  const partial = found.find((name) => name.endsWith(".partial")) ?? "";
  expect((await stat(join(wal, partial))).size).toBe(megabyte);

  const receiving = receive(cluster, { slot: "adopted", base });
  await receiving.reached("comparing");
  await receiving.reached("streaming");
  // Never lower than what the other program had reported.
  expect(await cluster.value(`SELECT restart_lsn >= '0/0'::pg_lsn + ${end} FROM pg_replication_slots WHERE slot_name = 'adopted'`)).toBe("t");
  await writeWal(cluster, 2);
  await receiving.flushed(await position(cluster));
  await expectAll(receiving);
  expect(await receiving.names()).toEqual(expect.arrayContaining(found.map((name) => name.slice(0, 24))));
});

async function contents(receiving: Receiving): Promise<[string, number][]> {
  const entries = await receiving.names();
  return await Promise.all(entries.map(async (name): Promise<[string, number]> => [name, (await receiving.storage.stat(`primary/wal/${name}`))?.size ?? -1]));
}
