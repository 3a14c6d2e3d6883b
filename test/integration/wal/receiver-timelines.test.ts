import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { cp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { formatLsn, parseHistory, parseLsn, parseSegmentName, timelineId, type Lsn } from "../../../src/postgres/index.ts";
import { openWalCoverage } from "../../../src/repository/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { run, runOrFail } from "../../support/processes.ts";
import { findTool, requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { waitFor } from "../../support/wait-for.ts";
import { movingAddress } from "./moving-address.ts";
import { expectServersBytes, position, receive, writeWal, type Address, type Receiving } from "./receiving.ts";

const megabyte = 1024 * 1024;
const settings = { wal_keep_size: "2GB", wal_log_hints: true };
const clusters: Cluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0).reverse()) await cluster.destroy();
});

async function pair(): Promise<{ primary: Cluster; standby: Cluster }> {
  const primary = await createCluster({ walSegmentSize: megabyte, settings });
  clusters.push(primary);
  const standby = await primary.createStandby();
  clusters.push(standby);
  await caughtUp(primary, standby);
  return { primary, standby };
}

const caughtUp = (primary: Cluster, standby: Cluster): Promise<unknown> =>
  waitFor("the standby has caught up", async () => (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${formatLsn(await position(primary))}'::pg_lsn`)) === "t");

/** One address for two servers: what replicates is led to the second one, all else to the first. */
async function balancer(queries: Cluster, streams: Cluster): Promise<Address & { close(): void }> {
  const host = temporaryDirectory({ prefix: "mbal" }).path;
  const server = createServer((client) => {
    client.on("error", () => undefined);
    client.once("data", (startup) => {
      const { socketDir, port } = startup.includes("replication") ? streams : queries;
      const upstream = createConnection(`${socketDir}/.s.PGSQL.${port}`);
      upstream.on("error", () => client.destroy());
      upstream.write(startup);
      client.pipe(upstream).pipe(client);
    });
  });
  server.listen(join(host, ".s.PGSQL.5432"));
  await once(server, "listening");
  return { connectionOptions: { host, port: 5432, user: "postgres" }, close: () => server.close() };
}

/** Makes a stopped server follow another one. */
async function follow(cluster: Cluster, primary: Cluster | undefined): Promise<void> {
  const { host, port } = primary?.connectionOptions ?? { host: "/nonexistent", port: 1 };
  const auto = join(cluster.dataDir, "postgresql.auto.conf");
  await writeFile(auto, `primary_conninfo = 'host=${host} port=${port} user=postgres application_name=standby'\n`);
  await writeFile(join(cluster.dataDir, "standby.signal"), "");
  for (const path of [auto, join(cluster.dataDir, "standby.signal")]) giveToUnprivileged(path);
}

const timelineOf = async (cluster: Cluster): Promise<number> => Number(await cluster.value("SELECT timeline_id FROM pg_control_checkpoint()"));

/** pg_waldump reads every record of each timeline from where it begins here to where it ends. */
async function expectReadable(receiving: Receiving, ends: ReadonlyMap<number, Lsn>): Promise<void> {
  const tool = findTool("pg_waldump");
  if (tool === undefined) return;
  const copy = temporaryDirectory({ prefix: "mdump" }).path;
  for (const name of await receiving.names()) {
    await cp(join(receiving.wal, name), join(copy, name));
    if (!name.endsWith(".partial")) continue;
    const bytes = await readFile(join(copy, name));
    await writeFile(join(copy, name.slice(0, 24)), Buffer.concat([bytes, Buffer.alloc(megabyte - bytes.length)]));
  }
  for (const [timeline, end] of ends) {
    const first = (await readdir(copy)).filter((name) => name.startsWith(timeline.toString(16).toUpperCase().padStart(8, "0")) && name.length === 24).sort()[0] ?? "";
    const start = parseSegmentName(first, megabyte).start;
    const done = await run(tool, ["-q", "-p", copy, "-t", String(timeline), "-s", formatLsn(start), "-e", formatLsn(end)]);
    expect([timeline, done.status, done.stderr]).toEqual([timeline, 0, ""]);
  }
}

requires("pg_waldump").test("three switchovers are followed: each timeline to its end, then the next from the start of its segment", async () => {
  const { primary, standby } = await pair();
  const address = movingAddress(primary);
  const receiving = receive(address);
  await receiving.reached("streaming");
  let [now, next] = [primary, standby];
  const ends = new Map<number, Lsn>();
  for (let timeline = 1; timeline <= 3; timeline += 1) {
    await writeWal(now, 2);
    await now.sql(`CREATE TABLE of_timeline_${timeline} (a int)`);
    await receiving.flushed(await position(now));
    await expectServersBytes(receiving.wal, now);
    await caughtUp(now, next);
    await now.stop("fast");
    await next.promote();
    address.leadTo(next);
    await waitFor("the switch is reported", () => receiving.of("timeline-switch").length + receiving.of("started").filter((event) => event.timeline > 1).length > timeline - 1);
    await follow(now, next);
    await now.start();
    [now, next] = [next, now];
    await waitFor("the new timeline is received", () => receiving.of("progress").at(-1)?.timeline === timeline + 1, { seen: () => receiving.log.slice(-6) });
  }
  await writeWal(now, 2);
  await now.sql("CREATE TABLE the_last (a int)");
  const end = await position(now);
  await receiving.flushed(end);
  await receiving.stop();

  const names = await receiving.names();
  for (const timeline of [2, 3, 4]) {
    const name = `0000000${timeline}.history`;
    expect(names).toContain(name);
    const content = await readFile(join(receiving.wal, name), "utf8");
    expect(content).toBe(await readFile(join(now.dataDir, "pg_wal", name), "utf8"));
    // Durable before the first WAL of its timeline: stored before it, in the order of the log.
    const stored = receiving.log.findIndex((line) => line.includes(`stored the history of timeline ${timeline}`));
    const streamed = receiving.log.findIndex((line) => line.includes(`streaming timeline ${timeline} from`));
    expect(stored).toBeLessThan(streamed);
    const { switchLsn } = parseHistory(content, timelineId(timeline)).entries.at(-1) ?? {};
    ends.set(timeline - 1, switchLsn ?? end);
  }
  ends.set(4, end);
  for (const [timeline, switchLsn] of ends) {
    if (timeline === 4) continue;
    const last = await now.value(`SELECT substr(pg_walfile_name('${formatLsn(switchLsn)}'), 9)`);
    const offset = Number(switchLsn % BigInt(megabyte));
    // Its last segment is never called complete, and holds exactly what the timeline had.
    if (offset === 0) continue;
    expect(names).toContain(`0000000${timeline}${last}.partial`);
    expect(names).not.toContain(`0000000${timeline}${last}`);
    expect((await readFile(join(receiving.wal, `0000000${timeline}${last}.partial`))).length).toBe(offset);
    expect(names.some((name) => name.startsWith(`0000000${timeline + 1}${last}`))).toBe(true);
  }
  expect(receiving.of("gap")).toEqual([]);
  expect(receiving.of("dead-branch")).toEqual([]);
  await expectServersBytes(receiving.wal, now);
  await expectReadable(receiving, ends);
});

/** Makes a stopped server a standby that is promoted to this timeline: PostgreSQL takes the number behind the last history file there is. */
async function leapTo(cluster: Cluster, from: number, to: number): Promise<void> {
  const taken: string[] = [];
  for (let n = from + 1; n < to; n += 1) taken.push(join(cluster.dataDir, "pg_wal", `${n.toString(16).toUpperCase().padStart(8, "0")}.history`));
  for (const path of taken) {
    await writeFile(path, "");
    giveToUnprivileged(path);
  }
  await follow(cluster, undefined);
  await cluster.configure({ recovery_target_timeline: "current" });
  await cluster.start();
  await cluster.promote();
  for (const path of taken) await rm(path);
}

it("timelines that came and went while nobody received are made up for in their order, whatever their numbers (L02)", async () => {
  const { primary, standby } = await pair();
  const address = movingAddress(primary);
  const receiving = receive(address);
  await receiving.reached("streaming");
  await writeWal(primary, 1);
  await receiving.flushed(await position(primary));
  await receiving.stop();

  await writeWal(primary, 2);
  await primary.sql("CREATE TABLE the_last_of_1 (a int)");
  await caughtUp(primary, standby);
  await primary.stop("fast");
  await standby.stop("fast");
  await leapTo(standby, 1, 0x0e);
  await writeWal(standby, 2);
  await standby.sql("CREATE TABLE the_last_of_14 (a int)");
  await standby.stop("fast");
  await leapTo(standby, 0x0e, 0x14);
  await writeWal(standby, 2);
  await standby.sql("CREATE TABLE the_last_of_20 (a int)");
  expect(await timelineOf(standby)).toBe(0x14);

  address.leadTo(standby);
  const again = receive(address, { base: receiving.base });
  const end = await position(standby);
  await waitFor("timeline 20 is received", () => again.of("progress").at(-1)?.timeline === 0x14, { seen: () => again.log.slice(-6) });
  await again.flushed(end);
  await again.stop();
  expect(again.of("started").map(({ timeline }) => timeline)).toEqual([1, 0x0e, 0x14]);
  expect([...again.of("gap"), ...again.of("dead-branch")]).toEqual([]);
  const names = await again.names();
  const ends = new Map<number, Lsn>([[0x14, end]]);
  for (const [name, timeline] of [["0000000E.history", 1], ["00000014.history", 0x0e]] as const) {
    const content = await readFile(join(again.wal, name), "utf8");
    expect(content).toBe(await readFile(join(standby.dataDir, "pg_wal", name), "utf8"));
    const { switchLsn = end } = parseHistory(content, timelineId(Number.parseInt(name, 16))).entries.at(-1) ?? {};
    ends.set(timeline, switchLsn);
  }
  for (const timeline of ["00000001", "0000000E", "00000014"]) expect(names.filter((name) => name.startsWith(timeline)).length, timeline).toBeGreaterThan(2);
  await expectServersBytes(again.wal, standby);
  await expectReadable(again, ends);
});

describe("a failover that loses WAL", () => {
  it("leaves a dead branch, and an old primary that comes back is kept apart from the new one (L04)", async () => {
    const { primary, standby } = await pair();
    const address = movingAddress(primary);
    const receiving = receive(address);
    await receiving.reached("streaming");
    await writeWal(primary, 1);
    await primary.sql("CREATE TABLE before_failover (a int)");
    await caughtUp(primary, standby);
    await standby.stop("fast");
    await writeWal(primary, 2);
    await primary.sql("CREATE TABLE lost (a int)");
    const lostEnd = await position(primary);
    await receiving.flushed(lostEnd);
    await primary.kill9();
    await follow(standby, undefined);
    await standby.start();
    await standby.promote();
    address.leadTo(standby);
    await waitFor("the new timeline is received", () => receiving.of("started").at(-1)?.timeline === 2);
    await writeWal(standby, 1);
    await standby.sql("CREATE TABLE kept (a int)");
    await receiving.flushed(await position(standby));
    const history = parseHistory(await readFile(join(receiving.wal, "00000002.history"), "utf8"), timelineId(2));
    const left = history.entries[0]?.switchLsn;
    expect(receiving.of("dead-branch")).toEqual([{ type: "dead-branch", timeline: 1, from: left, to: lostEnd, foreign: false }]);
    expect(receiving.of("gap")).toEqual([]);
    expect(left).toBeLessThan(lostEnd);
    await expectServersBytes(receiving.wal, standby, 2);

    // Split brain: the old primary goes on with the old timeline, and the address leads back to it.
    await primary.start();
    await primary.sql("CREATE TABLE of_the_old_one (a int)");
    const newOnes = (await receiving.names()).filter((name) => name.startsWith("00000002"));
    const kept = await contents(receiving);
    address.leadTo(primary);
    await standby.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'moneta'");
    await waitFor("the old timeline is received", () => receiving.of("started").at(-1)?.timeline === 1);
    await writeWal(primary, 1);
    await primary.sql("CREATE TABLE of_the_old_one_too (a int)");
    await receiving.flushed(await position(primary));
    const alarm = receiving.log.filter((line) => line.startsWith("error:") && line.includes("does not descend from timeline 2"));
    expect(alarm).toHaveLength(1);
    expect(receiving.of("dead-branch").at(-1)).toMatchObject({ timeline: 2 });
    await expectServersBytes(receiving.wal, primary, 1);
    const now = await contents(receiving);
    for (const name of newOnes) expect(kept.get(name)?.equals(now.get(name) ?? Buffer.alloc(0)), name).toBe(true);

    // And to the new one again, where it goes on as if nothing had been.
    address.leadTo(standby);
    await primary.stop("fast");
    await waitFor("the new timeline is received", () => receiving.of("started").at(-1)?.timeline === 2);
    await standby.sql("CREATE TABLE of_the_new_one (a int)");
    await receiving.flushed(await position(standby));
    await expectServersBytes(receiving.wal, standby, 2);
    expect(receiving.of("gap")).toEqual([]);
  });

  requires("pg_rewind").test("and an old primary that is rewound: it is followed again when it takes over, and what it had written apart stays a branch", async () => {
    const { primary, standby } = await pair();
    const address = movingAddress(primary);
    const receiving = receive(address);
    await receiving.reached("streaming");
    await writeWal(primary, 1);
    await caughtUp(primary, standby);
    await standby.stop("fast");
    await writeWal(primary, 1);
    await primary.sql("CREATE TABLE lost (a int)");
    const lostEnd = await position(primary);
    await receiving.flushed(lostEnd);
    await primary.kill9();
    await follow(standby, undefined);
    await standby.start();
    await standby.promote();
    address.leadTo(standby);
    await waitFor("timeline 2 is received", () => receiving.of("started").at(-1)?.timeline === 2);
    await writeWal(standby, 1);
    await receiving.flushed(await position(standby));

    // The old one wrote on for nobody before it was put right.
    await primary.start();
    await writeWal(primary, 2);
    await primary.stop("fast");
    // Without it pg_rewind may take the new primary for one on the old timeline, and do nothing.
    await standby.sql("CHECKPOINT");
    const { host, port } = standby.connectionOptions;
    const source = `host=${host} port=${port} user=postgres dbname=postgres`;
    await runOrFail(tool("pg_rewind"), ["-D", primary.dataDir, "--source-server", source, "--no-sync"], { unprivileged: true });
    await follow(primary, standby);
    await primary.start();
    await writeWal(standby, 1);
    await standby.sql("CREATE TABLE before_the_way_back (a int)");
    await caughtUp(standby, primary);
    await receiving.flushed(await position(standby));
    await standby.stop("fast");
    await primary.promote();
    address.leadTo(primary);
    await waitFor("timeline 3 is received", () => receiving.of("started").at(-1)?.timeline === 3, { seen: () => receiving.log.slice(-6) });
    await writeWal(primary, 1);
    await primary.sql("CREATE TABLE after_the_way_back (a int)");
    const end = await position(primary);
    await receiving.flushed(end);
    const history = parseHistory(await readFile(join(receiving.wal, "00000003.history"), "utf8"), timelineId(3));
    expect(history.entries.map(({ timeline }) => timeline)).toEqual([1, 2]);
    const [left, second] = history.entries.map(({ switchLsn }) => switchLsn);
    expect(receiving.of("dead-branch")).toEqual([{ type: "dead-branch", timeline: 1, from: left, to: lostEnd, foreign: false }]);
    expect(receiving.of("gap")).toEqual([]);
    await expectServersBytes(receiving.wal, standby, 2);
    await expectServersBytes(receiving.wal, primary, 3);
    await expectReadable(receiving, new Map([[1, lostEnd], [2, second ?? end], [3, end]]));
  });

  it("to two standbys at once makes two timelines of one number, of which the second one met is refused", async () => {
    const { primary, standby } = await pair();
    const other = await primary.createStandby();
    clusters.push(other);
    await caughtUp(primary, other);
    await standby.promote();
    await primary.sql("CREATE TABLE the_other_has_this (a int)");
    await caughtUp(primary, other);
    await other.promote();
    expect([await timelineOf(standby), await timelineOf(other)].every((timeline) => timeline <= 2)).toBe(true);
    const address = movingAddress(standby);
    const receiving = receive(address);
    await receiving.reached("streaming");
    await standby.sql("CREATE TABLE a (a int)");
    await receiving.flushed(await position(standby));
    const before = await receiving.names();
    address.leadTo(other);
    await standby.stop("fast");
    await receiving.reached("refused", "WAL_DIVERGED");
    expect(await receiving.names()).toEqual(before);
    expect(receiving.log.at(-1)).toMatch(/timeline 2 comes from timeline 1 at .*, the one whose WAL is stored here from timeline 1 at/);
  });
});

describe("a standby as the server", () => {
  it("is received from, and followed when it is promoted in the middle of the stream", async () => {
    const { primary, standby } = await pair();
    const receiving = receive(standby);
    await receiving.reached("streaming");
    expect(receiving.of("facts").at(-1)?.facts.inRecovery).toBe(true);
    await writeWal(primary, 2);
    await primary.sql("CREATE TABLE t (a int)");
    await receiving.flushed(await position(primary));
    await expectServersBytes(receiving.wal, primary);
    await primary.stop("fast");
    await standby.promote();
    await waitFor("the new timeline is received", () => receiving.of("started").at(-1)?.timeline === 2);
    expect(receiving.of("timeline-switch")).toMatchObject([{ from: 1, to: 2 }]);
    // In the same connection: it was never lost.
    expect(receiving.of("state").some(({ state }) => state === "disconnected")).toBe(false);
    expect(receiving.of("facts").at(-1)?.facts.inRecovery).toBe(false);
    await writeWal(standby, 1);
    await receiving.flushed(await position(standby));
    await expectServersBytes(receiving.wal, standby);
    expect(receiving.of("gap")).toEqual([]);
  });

  it("proves no moment, also where questions are answered by its primary", async () => {
    const { primary, standby } = await pair();
    const balanced = await balancer(primary, standby);
    const receiving = receive(balanced);
    await receiving.reached("streaming");
    expect(receiving.of("facts").at(-1)?.facts.inRecovery).toBe(false);
    for (const table of ["a", "b", "c"]) {
      await primary.sql(`CREATE TABLE ${table} (a int)`);
      await receiving.flushed(await position(primary));
    }
    await receiving.stop();
    balanced.close();
    expect(await openWalCoverage(receiving.storage, "primary").read()).toBeUndefined();
  });

  it("that has not caught up is tried again until it has, and nothing stored is touched", async () => {
    const { primary, standby } = await pair();
    const address = movingAddress(primary);
    const receiving = receive(address);
    await receiving.reached("streaming");
    await standby.stop("fast");
    await writeWal(primary, 1);
    await primary.sql("CREATE TABLE t (a int)");
    const end = await position(primary);
    await receiving.flushed(end);
    await follow(standby, undefined);
    await standby.start();
    address.leadTo(standby);
    await primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication WHERE application_name = 'moneta'");
    await receiving.reached("disconnected", "WAL_SERVER_BEHIND");
    const before = await receiving.names();
    await standby.stop("fast");
    await follow(standby, primary);
    await standby.start();
    await receiving.reached("streaming");
    await primary.sql("CREATE TABLE u (a int)");
    await receiving.flushed(await position(primary));
    expect((await receiving.names()).slice(0, before.length)).toEqual(before);
    await expectServersBytes(receiving.wal, primary);
  });
});

describe("a server that was reset to an older state", () => {
  it.each(["less WAL", "more WAL"])("and has %s now is divergence: nothing is written, both versions are kept", async (which) => {
    const cluster = await createCluster({ walSegmentSize: megabyte });
    clusters.push(cluster);
    const receiving = receive(cluster, { refusedRetryMs: 300 });
    await receiving.reached("streaming");
    await writeWal(cluster, 1);
    await receiving.flushed(await position(cluster));
    await receiving.stop();
    await cluster.stop("fast");
    const older = join(temporaryDirectory({ prefix: "msnap", unprivileged: true }).path, "data");
    await cp(cluster.dataDir, older, { recursive: true });
    await cluster.start();
    const again = receive(cluster, { base: receiving.base, refusedRetryMs: 300 });
    await again.reached("streaming");
    await cluster.sql("CREATE TABLE only_in_the_first_life (a int)");
    await cluster.sql("INSERT INTO filler SELECT g, repeat('a', 200) FROM generate_series(1, 1000) g");
    const end = await position(cluster);
    await again.flushed(end);
    await again.stop();
    await cluster.stop("fast");
    await rm(cluster.dataDir, { recursive: true });
    await cp(older, cluster.dataDir, { recursive: true });
    giveToUnprivileged(cluster.dataDir);
    const stored = await contents(receiving);
    await cluster.start();
    if (which === "more WAL") {
      await cluster.sql("CREATE TABLE only_in_the_second_life (b text, c text)");
      await cluster.sql("INSERT INTO filler SELECT g, repeat('b', 200) FROM generate_series(1, 3000) g");
      expect(await position(cluster)).toBeGreaterThan(end);
    } else {
      expect(await position(cluster)).toBeLessThan(end);
    }
    const third = receive(cluster, { base: receiving.base, refusedRetryMs: 300 });
    await third.reached("refused", "WAL_DIVERGED");
    // It stays refused, and the server's slot where it was.
    const slot = await cluster.value("SELECT restart_lsn FROM pg_replication_slots");
    await third.reached("refused", "WAL_DIVERGED");
    expect(await cluster.value("SELECT restart_lsn FROM pg_replication_slots")).toBe(slot);
    expect(third.log.filter((line) => line.startsWith("error:"))).toHaveLength(1);
    await third.stop();
    const now = await contents(receiving);
    const evidence = [...now.keys()].filter((name) => name.endsWith(".diverged"));
    for (const [name, bytes] of stored) expect(now.get(name)?.equals(bytes), name).toBe(true);
    expect(now.size).toBe(stored.size + evidence.length);
    expect(evidence).toHaveLength(which === "more WAL" ? 1 : 0);
    for (const name of evidence) {
      const theirs = await readFile(join(cluster.dataDir, "pg_wal", name.slice(0, 24)));
      const kept = now.get(name) ?? Buffer.alloc(0);
      expect(kept.equals(theirs.subarray(0, kept.length))).toBe(true);
      expect(kept.equals((stored.get(name.replace(".diverged", "")) ?? kept).subarray(0, kept.length))).toBe(false);
    }
    expect(parseLsn(slot)).toBeLessThanOrEqual(end);
  });
});

async function contents(receiving: Receiving): Promise<Map<string, Buffer>> {
  const names = await receiving.names();
  return new Map(await Promise.all(names.map(async (name): Promise<[string, Buffer]> => [name, await readFile(join(receiving.wal, name))])));
}
