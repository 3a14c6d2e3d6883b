import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openLocalStorage, type LocalStorage } from "../../../src/storage/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { startProcess } from "../../support/processes.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { faultyDisk, systemError, type FaultyDisk } from "../../unit/wal/segment.ts";
import { expectNoHole, expectServersBytes, position, receive, writeWal } from "./receiving.ts";

const megabyte = 1024 * 1024;
let cluster: Cluster;
let disk: FaultyDisk;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: megabyte, settings: { wal_keep_size: "1GB" } });
});
afterAll(async () => {
  await cluster.destroy();
});
beforeEach(() => {
  disk = faultyDisk();
});
afterEach(async () => {
  await waitFor("the slot is free", async () => (await cluster.value("SELECT count(*) FROM pg_replication_slots WHERE active")) === "0");
  await cluster.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
});

/** A repository whose free space is what the test says. */
function roomy(room: { free: number }): LocalStorage & { readonly base: string } {
  const base = temporaryDirectory({ prefix: "mroom" }).path;
  const storage = openLocalStorage(base);
  return { ...storage, base, freeSpace: () => Promise.resolve({ total: 1e12, free: room.free }) };
}

const flushOnServer = (): Promise<string> => cluster.value("SELECT flush_lsn FROM pg_stat_replication");

describe("a full disk", () => {
  it.each(["write", "datasync"] as const)("at a %s pauses: the server is answered with the flush position as it was, and receiving goes on by itself", async (call) => {
    const room = { free: 0 };
    const storage = roomy(room);
    const receiving = receive(cluster, { base: storage.base, storage, calls: disk, statusIntervalMs: 100 });
    await receiving.reached("streaming");
    await writeWal(cluster, 1);
    await receiving.flushed(await position(cluster));
    disk.fail = (each) => (each === call ? systemError("ENOSPC") : undefined);
    await writeWal(cluster, 3);
    await receiving.reached("paused", "WAL_DISK_FULL");
    expect(receiving.log.filter((line) => line.startsWith("error:"))).toHaveLength(1);

    const flushed = await flushOnServer();
    const heard = "SELECT reply_time FROM pg_stat_replication";
    const at = await cluster.value(heard);
    await waitFor("the server is answered again and again", async () => (await cluster.value(`SELECT (${heard}) > '${at}'::timestamptz + '300 ms'::interval`)) === "t");
    expect(await flushOnServer()).toBe(flushed);
    expect(receiving.state()).toBe("paused");

    disk.fail = () => undefined;
    room.free = 2 * megabyte;
    await receiving.reached("streaming");
    await receiving.flushed(await position(cluster));
    await expectServersBytes(receiving.wal, cluster);
    expect((await receiving.names()).filter((name) => name.endsWith(".unsynced"))).toEqual([]);
    expect(await cluster.value(`SELECT flush_lsn >= '${flushed}' FROM pg_stat_replication`)).toBe("t");
    expect(receiving.of("gap")).toEqual([]);
    await receiving.stop();
  });

  it("that does not show in the free space is said once, and tried ever more slowly", async () => {
    const storage = roomy({ free: 1e12 });
    const receiving = receive(cluster, { base: storage.base, storage, calls: disk });
    await receiving.reached("streaming");
    disk.fail = (each) => (each === "write" ? systemError("EDQUOT") : undefined);
    await writeWal(cluster, 1);
    for (let pause = 0; pause < 4; pause += 1) await receiving.reached("paused", "WAL_DISK_FULL");
    expect(receiving.log.filter((line) => line.startsWith("error:"))).toHaveLength(1);
    disk.fail = () => undefined;
    await receiving.flushed(await position(cluster));
    await expectServersBytes(receiving.wal, cluster);
    await receiving.stop();
  });

  it("makes the slot keep WAL on the server, as an absence does: told while there is time to act, and over when it was received (H09)", async () => {
    await cluster.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'");
    await cluster.sql("ALTER SYSTEM SET wal_keep_size = 0");
    await cluster.reload();
    const room = { free: 0 };
    const storage = roomy(room);
    const wakers = new Set<() => void>();
    const onWake = (listener: () => void): (() => void) => (wakers.add(listener), () => wakers.delete(listener));
    const receiving = receive(cluster, { base: storage.base, storage, calls: disk, onWake });
    await receiving.reached("streaming");
    const lacks = (): string[] => (receiving.of("lacks").at(-1)?.lacks ?? []).map(({ code }) => code);
    expect(lacks()).toEqual([]);
    disk.fail = (each) => (each === "write" ? systemError("ENOSPC") : undefined);
    for (let n = 0; n < 10; n += 1) await writeWal(cluster, 1);
    await receiving.reached("paused", "WAL_DISK_FULL");
    await waitFor("what the slot keeps is told", () => lacks().includes("SLOT_WAL"));
    expect(receiving.state()).toBe("paused");
    const told = receiving.log.filter((line) => /warn: the server keeps \S+ MB of WAL for replication slot "moneta".*: after \S+ [kM]?B more it removes/.test(line));
    expect(told).toHaveLength(1);
    disk.fail = () => undefined;
    room.free = 2 * megabyte;
    await receiving.reached("streaming");
    await receiving.flushed(await position(cluster));
    await waitFor("it is over", () => {
      for (const wake of wakers) wake();
      return lacks().length === 0;
    });
    await expectServersBytes(receiving.wal, cluster);
    expect(receiving.of("gap")).toEqual([]);
    await receiving.stop();

    // Nobody receives for a while: whoever comes back says at once how little time there was left, and catches up.
    for (let n = 0; n < 10; n += 1) await writeWal(cluster, 1);
    const back = receive(cluster, { base: storage.base, storage, onWake });
    await back.reached("streaming");
    expect(back.of("lacks").flatMap(({ lacks: all }) => all.map(({ code }) => code))).toContain("SLOT_WAL");
    expect(back.log.filter((line) => /warn: the server keeps \S+ MB of WAL for replication slot "moneta".*: after \S+ [kM]?B more it removes/.test(line))).toHaveLength(1);
    await back.flushed(await position(cluster));
    await waitFor("it is over", () => {
      for (const wake of wakers) wake();
      return back.of("lacks").at(-1)?.lacks.every(({ code }) => code !== "SLOT_WAL") === true;
    });
    await expectServersBytes(back.wal, cluster);
    expect(back.of("gap")).toEqual([]);
    await back.stop();
    await cluster.sql("ALTER SYSTEM RESET ALL");
    await cluster.reload();
  });

  it("does not hold up a stop", async () => {
    const storage = roomy({ free: 0 });
    const receiving = receive(cluster, { base: storage.base, storage, calls: disk, longestRetryMs: 600_000 });
    await receiving.reached("streaming");
    disk.fail = (each) => (each === "write" ? systemError("ENOSPC") : undefined);
    await writeWal(cluster, 1);
    await receiving.reached("paused");
    await receiving.stop();
    expect(receiving.state()).toBe("stopped");
    await waitFor("the server knows", async () => (await cluster.value("SELECT count(*) FROM pg_stat_replication")) === "0");
  });

  const mayMount = ((): boolean => {
    try {
      execFileSync("unshare", ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  })();

  requires("unshare", ...(mayMount ? [] : ["user namespaces"])).test("that is a real one is survived, and receiving goes on when something is removed from it", async () => {
    const base = temporaryDirectory({ prefix: "mfull" }).path;
    const program = join(import.meta.dirname, "../../fixtures/.built/wal/receiver-program.js");
    const { port, user } = cluster.connectionOptions;
    const command = 'mount -t tmpfs -o size=12m none "$1" && head -c 6291456 /dev/zero > "$1/ballast" && exec "$2" "$3" "$4"';
    // In a user namespace root may not enter the directory of the server's socket.
    const argument = JSON.stringify({ base, host: "127.0.0.1", port, user, slot: "moneta" });
    const receiver = await startProcess("unshare", ["-Urm", "sh", "-c", command, "sh", base, process.execPath, program, argument]);
    const said = (): string => receiver.stdout() + receiver.stderr();
    const says = (text: string, times = 1): Promise<boolean> =>
      waitFor(`the receiver says "${text}" ${times} times`, () => said().split(text).length > times, { seen: () => said().slice(-500) });
    await says("state streaming");
    for (let n = 0; n < 8; n += 1) await writeWal(cluster, 1);
    await says("state paused WAL_DISK_FULL");
    // Its file system is its own; from outside it is reached through the process.
    const inside = join(`/proc/${receiver.pid}/root`, base);
    rmSync(join(inside, "ballast"));
    const end = await position(cluster);
    await waitFor("all is received", async () => (await cluster.value(`SELECT coalesce(flush_lsn, '0/0') >= '0/0'::pg_lsn + ${end} FROM pg_stat_replication`)) === "t", { seen: () => said().slice(-500) });
    for (const name of readdirSync(join(inside, "primary/wal"))) {
      const ours = readFileSync(join(inside, "primary/wal", name));
      const theirs = readFileSync(join(cluster.dataDir, "pg_wal", name.slice(0, 24)));
      expect(ours.equals(theirs.subarray(0, ours.length)), name).toBe(true);
      if (name.length === 24) expect(statSync(join(inside, "primary/wal", name)).size).toBe(megabyte);
    }
    receiver.kill("SIGTERM");
    expect((await receiver.finished).status).toBe(0);
  });
});

describe("a disk that refuses a sync", () => {
  it("costs the segment a second reception, and the server is never told less than before", async () => {
    const storage = roomy({ free: 1e12 });
    const receiving = receive(cluster, { base: storage.base, storage, calls: disk });
    await receiving.reached("streaming");
    // At the beginning of a segment, so that what follows belongs to the same one, of which a part is acknowledged.
    await writeWal(cluster, 1);
    await cluster.sql("CREATE TABLE acknowledged (a int)");
    await receiving.flushed(await position(cluster));
    const before = await cluster.value("SELECT restart_lsn FROM pg_replication_slots");
    let failures = 0;
    disk.fail = (call) => (call === "datasync" && failures++ === 0 ? systemError("EIO") : undefined);
    await cluster.sql("INSERT INTO filler SELECT g, repeat('y', 100) FROM generate_series(1, 1000) g");
    await receiving.reached("disconnected", "WAL_SYNC_FAILED");
    expect((await receiving.names()).filter((name) => name.endsWith(".unsynced"))).toHaveLength(1);
    await receiving.reached("streaming");
    expect(await cluster.value(`SELECT restart_lsn >= '${before}' FROM pg_replication_slots`)).toBe("t");
    await receiving.flushed(await position(cluster));
    expect(await cluster.value(`SELECT restart_lsn >= '${before}' FROM pg_replication_slots`)).toBe("t");
    await writeWal(cluster, 1);
    await receiving.flushed(await position(cluster));
    expect((await receiving.names()).filter((name) => name.endsWith(".unsynced"))).toEqual([]);
    await expectServersBytes(receiving.wal, cluster);
    await expectNoHole(receiving.wal, megabyte);
    expect(receiving.of("gap")).toEqual([]);
    await receiving.stop();
  });

  it("is told also when the receiver is about to end: nobody else would say it", async () => {
    const storage = roomy({ free: 1e12 });
    const receiving = receive(cluster, { base: storage.base, storage, calls: disk });
    await receiving.reached("streaming");
    await writeWal(cluster, 1);
    await receiving.flushed(await position(cluster));
    let stopped: Promise<void> | undefined;
    disk.fail = (call) => {
      // Between what is received and its sync.
      if (call === "write") stopped ??= receiving.stop();
      return call === "datasync" && stopped !== undefined ? systemError("EIO") : undefined;
    };
    await cluster.sql("INSERT INTO filler SELECT g, repeat('z', 100) FROM generate_series(1, 100) g");
    await waitFor("it is stopped", () => stopped !== undefined);
    await stopped;
    expect(receiving.state()).toBe("stopped");
    expect(receiving.log.filter((line) => line.startsWith("error:"))).toEqual([expect.stringContaining("could not be synced")]);
  });
});
