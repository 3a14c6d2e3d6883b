import { readFile, readdir, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { connect, createPhysicalSlot, startWalStream } from "../../../src/replication/index.ts";
import { createLogger } from "../../../src/log/index.ts";
import { formatLsn, lsnPlus, parseLsn, parseSegmentName, segmentStart, timelineId, type Lsn } from "../../../src/postgres/index.ts";
import { openWalInventory } from "../../../src/repository/index.ts";
import { completeAlone } from "../../../src/wal/complete-alone.ts";
import { createCluster, type Cluster, type ClusterOptions } from "../../support/postgres-cluster.ts";
import { signalPid } from "../../support/processes.ts";
import { testOnMajors } from "../../support/requires.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { waitFor } from "../../support/wait-for.ts";
import { movingAddress } from "./moving-address.ts";
import { expectServersBytes, position, receive, writeWal, type Receiving } from "./receiving.ts";

const megabyte = 1024 * 1024;
const clusters: Cluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0).reverse()) await cluster.destroy();
});

/** A server with segments of 1 MB that keeps few of them. */
async function forgetful(options: ClusterOptions = {}): Promise<Cluster> {
  const settings = { max_slot_wal_keep_size: "2MB", min_wal_size: "2MB", max_wal_size: "500MB", wal_keep_size: 0, checkpoint_timeout: "1h", ...options.settings };
  const cluster = await createCluster({ ...options, walSegmentSize: megabyte, settings });
  clusters.push(cluster);
  return cluster;
}

/** Where the records of a segment end that `pg_switch_wal` ended: at a multiple of 8, before nothing but zeros. */
function endOfSwitch(bytes: Buffer): number {
  let end = bytes.length;
  while (bytes[end - 1] === 0) end -= 1;
  return Math.ceil(end / 8) * 8;
}

const slotStatus = (cluster: Cluster): Promise<string> => cluster.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'moneta'");

/** Writes until the server has removed the WAL that the slot stands for. */
async function loseSlot(cluster: Cluster): Promise<void> {
  await waitFor("the slot has lost its WAL", async () => {
    await writeWal(cluster, 4);
    await cluster.sql("CHECKPOINT");
    return (await slotStatus(cluster)) === "lost";
  });
  // Some segments are left: the gap must not reach further than to the first of them.
  for (let n = 0; n < 5; n += 1) await writeWal(cluster, 1);
}

/** Start of the oldest segment that the server has. */
async function oldest(cluster: Cluster, timeline = 1): Promise<Lsn> {
  const digits = timeline.toString(16).toUpperCase().padStart(8, "0");
  const names = (await readdir(join(cluster.dataDir, "pg_wal"))).filter((name) => /^[0-9A-F]{24}$/.test(name) && name.startsWith(digits)).sort();
  return parseSegmentName(names[0] ?? "", megabyte).start;
}

const gapsOf = async (receiving: Receiving): Promise<[number, string, string][]> =>
  (await openWalInventory(receiving.storage, "primary", megabyte).gaps.list()).map(({ timeline, from, to }) => [timeline, formatLsn(from), formatLsn(to)]);

/** Received for a while, then away until the server has forgotten what comes next. Returns where it ended. */
async function receivedBefore(cluster: Cluster): Promise<{ base: string; end: Lsn }> {
  const receiving = receive(cluster);
  await receiving.reached("streaming");
  await writeWal(cluster, 1);
  await cluster.sql("CREATE TABLE here (a int)");
  const end = await position(cluster);
  await receiving.flushed(end);
  await receiving.stop();
  return { base: receiving.base, end: receiving.of("progress").at(-1)?.flush ?? end };
}

describe("WAL that the server has removed", () => {
  testOnMajors([13, 15, 17, 18], "PostgreSQL %s: is a gap, as small as can be, and the slot that lost it is made anew", async (major) => {
    const cluster = await forgetful({ major });
    const { base, end } = await receivedBefore(cluster);
    await loseSlot(cluster);
    const receiving = receive(cluster, { base });
    await waitFor("it streams behind the gap", () => receiving.of("gap").length === 1 && receiving.state() === "streaming", { seen: () => receiving.log });
    const from = await oldest(cluster);
    expect(receiving.of("gap")).toMatchObject([{ timeline: 1, from: end, to: from, reason: expect.stringContaining("removed") as string }]);
    expect(await gapsOf(receiving)).toEqual([[1, formatLsn(end), formatLsn(from)]]);
    expect(receiving.log.filter((line) => line.startsWith("error:") && line.includes("take a new full backup"))).toHaveLength(1);
    await waitFor("the slot keeps WAL again", async () => ["reserved", "extended"].includes(await slotStatus(cluster)));
    await cluster.sql("CREATE TABLE behind (a int)");
    await receiving.flushed(await position(cluster));
    await expectServersBytes(receiving.wal, cluster);
    await receiving.stop();
    // Known is known.
    const again = receive(cluster, { base });
    await again.reached("streaming");
    await cluster.sql("CREATE TABLE still (a int)");
    await again.flushed(await position(cluster));
    expect(again.of("gap")).toEqual([]);
    expect(await gapsOf(again)).toHaveLength(1);
  });

  testOnMajors([15, 17, 18], "PostgreSQL %s: and a slot that may not be made anew: the statements are named, and WAL is received as soon as PostgreSQL allows it", async (major) => {
    const cluster = await forgetful({ major });
    const { base, end } = await receivedBefore(cluster);
    await loseSlot(cluster);
    const receiving = receive(cluster, { base, createSlot: false });
    const statement = /pg_drop_replication_slot.*pg_create_physical_replication_slot/;
    if (major === 18) {
      await receiving.reached("disconnected", "WAL_PREREQUISITE_MISSING");
      expect(receiving.log.at(-1)).toMatch(statement);
      expect(receiving.of("gap")).toEqual([]);
      await waitFor("the slot is free", async () => (await cluster.value("SELECT active FROM pg_replication_slots")) === "f");
      await cluster.sql("SELECT pg_drop_replication_slot('moneta')");
      await cluster.sql("SELECT pg_create_physical_replication_slot('moneta', true)");
    }
    await waitFor("it streams behind the gap", () => receiving.of("gap").length === 1 && receiving.state() === "streaming", { seen: () => receiving.log });
    expect(receiving.log.join("\n")).toMatch(statement);
    // Up to 15 the slot keeps WAL again; 17 streams through it and keeps nothing, which must be told.
    expect(receiving.of("started").at(-1)?.slotKeepsWal).toBe(major !== 17);
    if (major === 15) await waitFor("the slot keeps WAL again", async () => (await slotStatus(cluster)) !== "lost");
    // As long as it is used PostgreSQL words it otherwise.
    if (major === 17) expect(await slotStatus(cluster)).toBe("unreserved");
    expect(receiving.of("gap")[0]?.from).toBe(end);
    await cluster.sql("CREATE TABLE behind (a int)");
    await receiving.flushed(await position(cluster));
    await expectServersBytes(receiving.wal, cluster);
  });

  it.each(["filled", "ended by pg_switch_wal", "ended by pg_switch_wal without its zeros"])("and that a killed receiver had in full, %s, gets its name by what its records say, and is no gap", async (how) => {
    const cluster = await forgetful();
    const before = receive(cluster);
    await before.reached("streaming");
    await writeWal(cluster, 3);
    await cluster.sql("CREATE TABLE here (a int)");
    await cluster.sql("SELECT pg_switch_wal()");
    await cluster.sql("CREATE TABLE there (a int)");
    await before.flushed(await position(cluster));
    await before.stop();
    const path = (name: string): string => join(before.wal, name);
    const files = (await before.names()).filter((name) => /^[0-9A-F]{24}/.test(name)).sort();
    const zeroAtEnd = async (name: string): Promise<boolean> => (await readFile(path(name))).at(-1) === 0;
    let complete = "";
    for (const name of files) if (name.length === 24 && (await zeroAtEnd(name)) === (how !== "filled")) complete = name;
    const { start } = parseSegmentName(complete, megabyte);
    const end = lsnPlus(start, megabyte);
    // As if it had been killed between the last sync and the rename.
    for (const name of files) if (name > complete) await rm(path(name));
    await rename(path(complete), path(`${complete}.partial`));
    const bytes = await readFile(path(`${complete}.partial`));
    const filled = how.endsWith("without its zeros") ? endOfSwitch(bytes) : megabyte;
    await truncate(path(`${complete}.partial`), filled);
    // Zeros that nobody has received are not acknowledged, whatever they are known to be.
    expect((await openWalInventory(before.storage, "primary", megabyte).durableEnd(timelineId(1)))?.lsn).toBe(lsnPlus(start, filled));
    await loseSlot(cluster);

    const receiving = receive(cluster, { base: before.base });
    await waitFor("it streams behind the gap", () => receiving.of("gap").length === 1 && receiving.state() === "streaming", { seen: () => receiving.log });
    expect(receiving.of("gap")).toMatchObject([{ timeline: 1, from: end, to: await oldest(cluster) }]);
    expect(receiving.of("segment-complete")[0]).toEqual({ type: "segment-complete", segment: complete, bytes: megabyte });
    expect(await receiving.names()).not.toContain(`${complete}.partial`);
    expect((await readFile(path(complete))).equals(bytes)).toBe(true);
    await receiving.stop();

    // One whose records do not lead to its end stays what it is.
    await rename(path(complete), path(`${complete}.partial`));
    const silent = createLogger([], "info", () => undefined);
    for (const length of filled < megabyte ? [filled - 1, filled - 8, filled - 24] : []) {
      await writeFile(path(`${complete}.partial`), bytes.subarray(0, length));
      const short = { timeline: timelineId(1), start, existingEnd: lsnPlus(start, length), durable: lsnPlus(start, length) };
      expect(completeAlone(short, { directory: before.wal, segmentSize: megabyte, logger: silent, onComplete: () => undefined })).toBe(false);
      expect((await readFile(path(`${complete}.partial`))).equals(bytes.subarray(0, length))).toBe(true);
    }
    bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
    bytes[60] = (bytes[60] ?? 0) ^ 1;
    await writeFile(path(`${complete}.partial`), bytes);
    const log: string[] = [];
    const logger = createLogger([], "info", ({ message }) => void log.push(message));
    const found = { timeline: timelineId(1), start, existingEnd: end, durable: end };
    expect(completeAlone(found, { directory: before.wal, segmentSize: megabyte, logger, onComplete: () => log.push("completed") })).toBe(false);
    expect(log).toEqual([expect.stringContaining("but is damaged at") as string]);
    expect((await readFile(path(`${complete}.partial`))).equals(bytes)).toBe(true);
  });

  it("over a promotion is a gap on each timeline, and the new one is followed from the oldest segment that is left", async () => {
    const primary = await forgetful();
    const standby = await primary.createStandby({ settings: { max_slot_wal_keep_size: -1 } });
    clusters.push(standby);
    const { base, end } = await receivedBefore(primary);
    await primary.sql("SELECT pg_drop_replication_slot('moneta')");
    await writeWal(primary, 3);
    await waitFor("the standby has it", async () => (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${formatLsn(await position(primary))}'::pg_lsn`)) === "t");
    await primary.stop("fast");
    await standby.promote();
    const left = parseLsn((await standby.sql("SELECT timeline_id, redo_lsn FROM pg_control_checkpoint()"))[0]?.[1] ?? "0/0");
    await waitFor("the server has forgotten the switch", async () => {
      await writeWal(standby, 3);
      await standby.sql("CHECKPOINT");
      return (await oldest(standby, 2)) > left;
    });
    const address = movingAddress(standby);
    const receiving = receive(address, { base });
    await waitFor("it streams behind the gap", () => receiving.of("gap").length === 2 && receiving.state() === "streaming", { seen: () => receiving.log });
    const gaps = receiving.of("gap");
    expect(gaps).toMatchObject([
      { timeline: 1, from: end },
      { timeline: 2, to: await oldest(standby, 2) },
    ]);
    expect(gaps[0]?.to).toBe(gaps[1]?.from);
    await standby.sql("CREATE TABLE behind (a int)");
    await receiving.flushed(await position(standby));
    await expectServersBytes(receiving.wal, standby, 2);
  });

  it("is skipped without a gap when nothing was received before", async () => {
    const cluster = await forgetful();
    await cluster.sql("SELECT pg_create_physical_replication_slot('moneta', true)");
    await loseSlot(cluster);
    const receiving = receive(cluster);
    await receiving.reached("streaming");
    await cluster.sql("CREATE TABLE t (a int)");
    await receiving.flushed(await position(cluster));
    expect(receiving.of("gap")).toEqual([]);
    expect(segmentStart(receiving.of("started")[0]?.start ?? parseLsn("0/1"), megabyte)).toBe(receiving.of("started")[0]?.start);
  });

  it("here, by somebody else's hand, is found at the next start", async () => {
    const cluster = await forgetful();
    const { base } = await receivedBefore(cluster);
    const first = receive(cluster, { base });
    await first.reached("streaming");
    for (let n = 0; n < 3; n += 1) await writeWal(cluster, 1);
    await first.flushed(await position(cluster));
    await first.stop();
    const complete = (await first.names()).filter((name) => name.length === 24);
    const removed = complete[1] ?? "";
    await first.storage.removeFile(`primary/wal/${removed}`);
    const second = receive(cluster, { base });
    await second.reached("streaming");
    const { start } = parseSegmentName(removed, megabyte);
    expect(await gapsOf(second)).toEqual([[1, formatLsn(start), formatLsn((start + BigInt(megabyte)) as Lsn)]]);
  });
});

describe("the slot", () => {
  it("that vanishes in the middle of the stream is made anew, and nothing is missing", async () => {
    const cluster = await forgetful({ settings: { wal_keep_size: "1GB", max_slot_wal_keep_size: -1 } });
    const receiving = receive(cluster);
    await receiving.reached("streaming");
    await dropUnderway(cluster);
    await receiving.reached("disconnected");
    await receiving.reached("streaming");
    await writeWal(cluster, 2);
    await receiving.flushed(await position(cluster));
    expect(receiving.log.filter((line) => line.includes("created the replication slot"))).toHaveLength(2);
    expect(receiving.of("gap")).toEqual([]);
    await expectServersBytes(receiving.wal, cluster);
  });

  it("that vanishes and may not be made is asked for with its statement, until it is there", async () => {
    const cluster = await forgetful({ settings: { wal_keep_size: "1GB", max_slot_wal_keep_size: -1 } });
    await cluster.sql("SELECT pg_create_physical_replication_slot('moneta', true)");
    const receiving = receive(cluster, { createSlot: false });
    await receiving.reached("streaming");
    await dropUnderway(cluster);
    await receiving.reached("disconnected", "WAL_PREREQUISITE_MISSING");
    expect(receiving.log.at(-1)).toContain("SELECT pg_catalog.pg_create_physical_replication_slot('moneta', true);");
    await writeWal(cluster, 1);
    await cluster.sql("SELECT pg_create_physical_replication_slot('moneta', true)");
    await receiving.reached("streaming");
    await receiving.flushed(await position(cluster));
    expect(receiving.of("gap")).toEqual([]);
  });

  it("that somebody else uses is waited for, and he is left alone", async () => {
    const cluster = await forgetful({ settings: { wal_keep_size: "1GB" } });
    const { host, port, user } = cluster.connectionOptions;
    const options = { host, port, user, replication: true, applicationName: "moneta", tls: { mode: "disable" }, connectTimeoutMs: 30_000, keepAlive: true, noDelay: true } as const;
    const other = await connect(options);
    await createPhysicalSlot(other, "moneta");
    const start = segmentStart(await position(cluster), megabyte);
    const nothing = (): void => undefined;
    startWalStream(other, { slot: "moneta", timeline: timelineId(1), start }, { onData: nothing, onKeepalive: nothing, onTimelineEnd: nothing, onClosed: nothing });
    await waitFor("he has it", async () => (await cluster.value("SELECT active FROM pg_replication_slots")) === "t");
    const receiving = receive(cluster);
    await receiving.reached("disconnected", "SLOT_ACTIVE");
    await receiving.reached("disconnected", "SLOT_ACTIVE");
    expect(other.isClosed).toBe(false);
    expect(await cluster.value("SELECT active_pid FROM pg_replication_slots")).toBe(String(other.processId));
    await other.terminate();
    await receiving.reached("streaming");
  });

  it("that our killed predecessor still holds is freed by the record of its process", async () => {
    const cluster = await forgetful({ settings: { wal_keep_size: "1GB" } });
    await cluster.sql("CREATE ROLE lowly LOGIN REPLICATION");
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const address = { connectionOptions: { host: proxy.host, port: proxy.port, user: "lowly" } };
    const first = receive(address);
    await first.reached("streaming");
    const pid = Number(await cluster.value("SELECT active_pid FROM pg_replication_slots"));
    // A walsender that hears nothing from a link that is half open, for as long as wal_sender_timeout.
    signalPid(pid, "SIGSTOP");
    try {
      proxy.cut();
      await first.stop();
      const second = receive(address, { base: first.base });
      await second.reached("disconnected", "SLOT_ACTIVE");
      await waitFor("it was told to end", () => second.log.some((line) => line.includes(`ended our earlier connection ${pid}`)), { seen: () => second.log });
      signalPid(pid, "SIGCONT");
      await second.reached("streaming");
      await cluster.sql("CREATE TABLE t (a int)");
      await second.flushed(await position(cluster));
      await second.stop();
    } finally {
      signalPid(pid, "SIGCONT");
      await proxy.close();
    }
  });

  testOnMajors([13, 15], "PostgreSQL %s: is used also by a role that may not look at it by SQL", async (major) => {
    const cluster = await forgetful({ major, settings: { wal_keep_size: "1GB", max_slot_wal_keep_size: -1 } });
    await cluster.sql("CREATE ROLE lowly LOGIN REPLICATION; REVOKE CONNECT ON DATABASE postgres FROM public");
    const { host, port } = cluster.connectionOptions;
    const address = { connectionOptions: { host, port, user: "lowly" } };
    const first = receive(address);
    await first.reached("streaming");
    await writeWal(cluster, 1);
    await first.flushed(await position(cluster));
    await first.stop();
    const second = receive(address, { base: first.base });
    await second.reached("streaming");
    await writeWal(cluster, 1);
    await second.flushed(await position(cluster));
    await expectServersBytes(second.wal, cluster);
    expect(second.of("gap")).toEqual([]);
    expect(second.log.filter((line) => line.includes("no SQL connection"))).toHaveLength(1);
  });
});

/** Ends the walsender and drops its slot before it can be used again. */
async function dropUnderway(cluster: Cluster): Promise<void> {
  await cluster.sql(`DO $$ BEGIN
    LOOP
      PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active;
      BEGIN
        PERFORM pg_drop_replication_slot('moneta');
        EXIT;
      EXCEPTION WHEN object_in_use THEN NULL;
      END;
    END LOOP;
  END $$`);
}
