import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { historyFileName, lsn, nextSegmentStart, parseHistory, parseLsn, segmentName, segmentStart, timelineId } from "../../../src/postgres/index.ts";
import type { Lsn } from "../../../src/postgres/index.ts";
import { connect, createPhysicalSlot, dropSlot, identifySystem, readReplicationSlot, showParameter, startWalStream, timelineHistory } from "../../../src/replication/index.ts";
import type { Connection, TimelineEnd, WalStream, WalStreamHandler, WalStreamOptions } from "../../../src/replication/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { ALL_MAJORS } from "../../support/postgres-binaries.ts";
import { requires, testOnMajors } from "../../support/requires.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectOptions } from "./real.ts";

interface Recording {
  readonly stream: WalStream;
  /** All WAL so far. */
  bytes(): Buffer;
  received(): number;
  messages(): number;
  batches(): number;
  keepalives(): number;
  /** What ended the stream. */
  readonly ended: Promise<TimelineEnd | Error | undefined>;
}

/** Streams and keeps everything, as no receiver should. */
function record(connection: Connection, options: WalStreamOptions, extra: Partial<WalStreamHandler> = {}): Recording {
  const pieces: Buffer[] = [];
  const counts = { received: 0, messages: 0, batches: 0, keepalives: 0 };
  let finish: (end: TimelineEnd | Error | undefined) => void;
  const ended = new Promise<TimelineEnd | Error | undefined>((resolve) => {
    finish = resolve;
  });
  const stream = startWalStream(connection, options, {
    onData(_at, piece) {
      pieces.push(Buffer.from(piece));
      counts.received += piece.length;
    },
    onMessageEnd: () => void counts.messages++,
    onBatchEnd: () => void counts.batches++,
    onKeepalive: () => void counts.keepalives++,
    onTimelineEnd: (end) => {
      finish(end);
    },
    onClosed: (error) => {
      finish(error);
    },
    ...extra,
  });
  return {
    stream,
    bytes: () => Buffer.concat(pieces),
    received: () => counts.received,
    messages: () => counts.messages,
    batches: () => counts.batches,
    keepalives: () => counts.keepalives,
    ended,
  };
}

const write = (cluster: Cluster, rows: number): Promise<unknown> =>
  cluster.sql(`CREATE TABLE IF NOT EXISTS t (a int, b text); INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, ${rows}) g`);

const position = async (cluster: Cluster): Promise<Lsn> => parseLsn(await cluster.value("SELECT pg_current_wal_flush_lsn()"));

const megabyte = 1024 * 1024;

testOnMajors(
  ALL_MAJORS,
  "the stream of PostgreSQL %s is byte for byte the server's own WAL files",
  async (major) => {
    const segmentSize = major === 15 ? megabyte : 16 * megabyte;
    const cluster = await createCluster({ major, walSegmentSize: segmentSize });
    const connection = await connect(connectOptions(cluster));
    const identity = await identifySystem(connection);
    expect(identity).toMatchObject({ timeline: 1, database: null });
    expect(identity.systemIdentifier).toBe(await cluster.value("SELECT system_identifier FROM pg_control_system()"));
    expect(await showParameter(connection, "wal_segment_size")).toBe(`${segmentSize / megabyte}MB`);
    expect(await createPhysicalSlot(connection, "keep")).toBe("created");
    expect(await createPhysicalSlot(connection, "keep")).toBe("exists");

    const start = segmentStart(identity.xlogpos, segmentSize);
    const recording = record(connection, { slot: "keep", timeline: identity.timeline, start });
    await write(cluster, 40_000);
    await cluster.sql("SELECT pg_switch_wal()");
    const end = nextSegmentStart(await position(cluster), segmentSize);
    await waitFor("the WAL up to the switch has come", () => start + BigInt(recording.received()) >= end - BigInt(segmentSize));
    // The slot follows what is reported as flushed, and nothing else.
    const flushed = lsn(start + BigInt(recording.received()));
    recording.stream.sendStatus({ write: flushed, flush: flushed, apply: lsn(0) }, true);
    await waitFor("the server has taken note", async () => (await cluster.value("SELECT flush_lsn >= '0/1' AND replay_lsn IS NULL FROM pg_stat_replication")) === "t");
    await waitFor("the server has answered", () => recording.keepalives() > 0);
    recording.stream.stop();
    expect(await recording.ended).toBeUndefined();

    const bytes = recording.bytes();
    let compared = 0;
    for (let at = 0; at + segmentSize <= bytes.length; at += segmentSize) {
      const name = segmentName(identity.timeline, lsn(start + BigInt(at)), segmentSize);
      const own = readFileSync(join(cluster.dataDir, "pg_wal", name));
      expect(bytes.subarray(at, at + segmentSize).equals(own), name).toBe(true);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
    expect(recording.batches()).toBeGreaterThan(0);
    expect(recording.messages()).toBeGreaterThan(recording.batches() / 2);

    // The connection is free again.
    if (major >= 15) expect(await readReplicationSlot(connection, "keep")).toMatchObject({ type: "physical", restartTimeline: 1 });
    else await expect(readReplicationSlot(connection, "keep")).rejects.toMatchObject({ code: "BASE_BACKUP_OPTION_UNSUPPORTED" });
    expect(parseLsn(await cluster.value("SELECT restart_lsn FROM pg_replication_slots"))).toBe(flushed);
    await dropSlot(connection, "keep");
    await connection.terminate();
    await cluster.destroy();
  },
);

testOnMajors(
  [13, 15, 18],
  "a timeline that PostgreSQL %s has left ends with where the next one begins",
  async (major) => {
    const primary = await createCluster({ major });
    const standby = await primary.createStandby();
    await write(primary, 1000);
    const written = await position(primary);
    await waitFor("the standby has it", async () => parseLsn(await standby.value("SELECT pg_last_wal_replay_lsn()")) >= written);
    await standby.promote();
    await write(standby, 1000);
    const connection = await connect(connectOptions(standby));
    const identity = await identifySystem(connection);
    expect(identity.timeline).toBe(2);

    const { fileName, content } = await timelineHistory(connection, timelineId(2));
    expect(fileName).toBe(historyFileName(timelineId(2)));
    expect(content.equals(readFileSync(join(standby.dataDir, "pg_wal", fileName)))).toBe(true);
    const [fork] = parseHistory(content.toString("utf8"), timelineId(2)).entries;
    if (fork === undefined) throw new Error("no fork in the history");

    const start = segmentStart(fork.switchLsn, 16 * megabyte);
    const old = record(connection, { timeline: timelineId(1), start });
    expect(await old.ended).toEqual({ nextTimeline: 2, switchLsn: fork.switchLsn });
    expect(start + BigInt(old.received())).toBe(fork.switchLsn);
    expect(old.batches()).toBeGreaterThan(0);

    // At the very end there is nothing left to stream: the answer comes without a stream.
    const again = record(connection, { timeline: timelineId(1), start: fork.switchLsn });
    expect(await again.ended).toEqual({ nextTimeline: 2, switchLsn: fork.switchLsn });
    expect(again.received()).toBe(0);

    // Beyond it the server says that our position is not in its history.
    const beyond = record(connection, { timeline: timelineId(1), start: lsn(fork.switchLsn + 8n) });
    expect(await beyond.ended).toMatchObject({ code: "SERVER_ERROR" });

    const next = record(connection, { timeline: timelineId(2), start });
    const target = await position(standby);
    await waitFor("the new timeline has come", () => start + BigInt(next.received()) >= target);
    // Up to the fork both timelines have the same WAL.
    expect(next.bytes().subarray(0, old.received()).equals(old.bytes())).toBe(true);
    next.stream.stop();
    expect(await next.ended).toBeUndefined();
    await connection.terminate();
  },
);

requires("postgres-15").describe("on PostgreSQL 15", () => {
  async function streaming(cluster: Cluster, extra: Partial<WalStreamHandler> = {}): Promise<{ connection: Connection; recording: Recording; from: Lsn }> {
    const connection = await connect(connectOptions(cluster));
    const { timeline, xlogpos } = await identifySystem(connection);
    let begin = (): void => undefined;
    const started = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const recording = record(connection, { timeline, start: xlogpos }, { onStarted: begin, ...extra });
    await started;
    return { connection, recording, from: xlogpos };
  }

  test("it is a synchronous standby: a commit waits until its WAL is reported as flushed", async () => {
    const cluster = await createCluster();
    await write(cluster, 1);
    const { connection, recording } = await streaming(cluster);
    await cluster.configure({ synchronous_standby_names: "moneta_test", synchronous_commit: "on" });
    await cluster.reload();
    // A standby that never reported a flush position is no candidate (SyncRepGetCandidateStandbys).
    const before = lsn((await position(cluster)) - 8n);
    recording.stream.sendStatus({ write: before, flush: before, apply: lsn(0) });
    await waitFor("it is the synchronous standby", async () => (await cluster.value("SELECT sync_state FROM pg_stat_replication")) === "sync");
    let committed = false;
    const commit = write(cluster, 1).then(() => {
      committed = true;
    });
    await waitFor("the commit waits for us", async () => (await cluster.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")) === "1");
    expect(committed).toBe(false);
    const flushed = await position(cluster);
    // Short by less than a record is not enough, whatever is reported as written.
    recording.stream.sendStatus({ write: flushed, flush: lsn(flushed - 64n), apply: lsn(0) }, true);
    await waitFor("the report has arrived", async () => (await cluster.value("SELECT write_lsn > flush_lsn FROM pg_stat_replication")) === "t");
    expect(committed).toBe(false);
    await waitFor("all WAL has come", async () => parseLsn(await cluster.value("SELECT sent_lsn FROM pg_stat_replication")) >= flushed);
    recording.stream.sendStatus({ write: flushed, flush: flushed, apply: lsn(0) });
    await commit;
    await connection.terminate();
    await cluster.destroy();
  });

  test("a consumer that holds the socket holds the server, and misses nothing", async () => {
    const cluster = await createCluster({ settings: { max_wal_size: "1GB" } });
    const { connection, recording } = await streaming(cluster);
    const start = parseLsn(await cluster.value("SELECT sent_lsn FROM pg_stat_replication"));
    recording.stream.pause();
    await write(cluster, 400_000);
    const target = await position(cluster);
    const sent = async (): Promise<Lsn> => parseLsn(await cluster.value("SELECT sent_lsn FROM pg_stat_replication"));
    // The system's buffers are full when the server's position stands still below the end.
    let last = await sent();
    await waitFor("the server is held", async () => {
      const now = await sent();
      const still = now === last && now > start;
      last = now;
      return still;
    }, { everyMs: 200 });
    expect(last).toBeLessThan(target);
    const whileHeld = recording.received();
    expect(whileHeld).toBeLessThan(8 * megabyte);
    recording.stream.resume();
    await waitFor("everything has come", () => start + BigInt(recording.received()) >= target);
    const file = segmentName(timelineId(1), start, 16 * megabyte);
    const from = Number(start - segmentStart(start, 16 * megabyte));
    const own = readFileSync(join(cluster.dataDir, "pg_wal", file)).subarray(from);
    expect(recording.bytes().subarray(0, own.length).equals(own)).toBe(true);
    await connection.terminate();
    await cluster.destroy();
  });

  test("the ways in which a server refuses or ends a stream are told apart", async () => {
    const cluster = await createCluster({ settings: { max_wal_size: "32MB", min_wal_size: "32MB" } });

    // A slot that somebody else uses.
    const other = await connect(connectOptions(cluster));
    const { timeline, xlogpos } = await identifySystem(other);
    await createPhysicalSlot(other, "busy");
    const first = record(other, { slot: "busy", timeline, start: xlogpos });
    await waitFor("the slot is in use", async () => (await cluster.value("SELECT active FROM pg_replication_slots")) === "t");
    const second = await connect(connectOptions(cluster));
    expect(await record(second, { slot: "busy", timeline, start: xlogpos }).ended).toMatchObject({
      code: "SLOT_ACTIVE",
      retryable: true,
      details: { sqlstate: "55006" },
    });
    expect(await record(second, { slot: "absent", timeline, start: xlogpos }).ended).toMatchObject({ details: { sqlstate: "42704" } });
    first.stream.stop();
    await first.ended;
    await dropSlot(other, "busy");

    // WAL that is no longer there.
    for (let i = 0; i < 3; i++) await cluster.sql("SELECT pg_switch_wal(); CHECKPOINT; CREATE TABLE IF NOT EXISTS x (a int); INSERT INTO x VALUES (1)");
    await waitFor("the first segment is gone", async () => {
      const [name] = await cluster.sql(`SELECT pg_walfile_name('${"0/1000000"}')`);
      const listed = await cluster.sql("SELECT name FROM pg_ls_waldir()");
      return !listed.flat().includes(name?.[0] ?? "");
    });
    expect(await record(second, { timeline, start: lsn(0x100_0000) }).ended).toMatchObject({ code: "SERVER_WAL_REMOVED", details: { sqlstate: "58P01" } });
    // An error in a stream does not end the connection.
    expect(await identifySystem(second)).toMatchObject({ timeline: 1 });
    await second.terminate();

    // Somebody ends the backend.
    const third = await streaming(cluster);
    await cluster.sql(`SELECT pg_terminate_backend(${third.connection.processId})`);
    expect(await third.recording.ended).toMatchObject({ code: "SERVER_UNAVAILABLE", details: { sqlstate: "57P01" } });

    // The server shuts down, which waits until exactly what was sent is reported as flushed (WalSndDone).
    const { connection, recording, from } = await streaming(cluster);
    const fast = cluster.stop("fast");
    const report = setInterval(() => {
      const all = lsn(from + BigInt(recording.received()));
      recording.stream.sendStatus({ write: all, flush: all, apply: lsn(0) });
    }, 50);
    expect(await recording.ended).toMatchObject({ code: expect.stringMatching(/^SERVER_(STOPPED|UNAVAILABLE)$/) as unknown });
    clearInterval(report);
    await fast;

    // And when its power fails.
    await cluster.start();
    const last = await streaming(cluster);
    await cluster.kill9();
    expect(await last.recording.ended).toMatchObject({ code: "SERVER_CONNECTION_LOST" });
    connection.destroy();
    await cluster.destroy();
  });

  test("a server that starts up is not ready yet, and says so", async () => {
    const cluster = await createCluster();
    await cluster.sql("SELECT 1");
    await cluster.stop();
    await expect(connect(connectOptions(cluster))).rejects.toMatchObject({ code: "SERVER_UNREACHABLE", retryable: true });
    await cluster.destroy();
  });

  test("a link that went silent is noticed, although the server would never have spoken", async () => {
    const cluster = await createCluster();
    const proxy = await createTcpProxy({ host: "127.0.0.1", port: cluster.port });
    const connection = await connect(connectOptions(cluster, { host: proxy.host, port: proxy.port, idleTimeoutMs: 800 }));
    const { timeline, xlogpos } = await identifySystem(connection);
    const recording = record(connection, { timeline, start: xlogpos });
    // The idle server is asked again and again, and answers: nothing is given up.
    await waitFor("three signs of life have come", () => recording.keepalives() >= 3);
    expect(connection.isClosed).toBe(false);
    proxy.faults.silent = true;
    expect(await recording.ended).toMatchObject({ code: "SERVER_SILENT", retryable: true });
    expect(connection.isClosed).toBe(true);
    proxy.faults.silent = false;
    await proxy.close();
    await cluster.destroy();
  });
});

requires("postgres-15").test("names of settings and slots cannot break out of their quotes", async () => {
  const cluster = await createCluster({ settings: { "moneta.my_setting": "it's" } });
  const connection = await connect(connectOptions(cluster));
  expect(await showParameter(connection, "moneta.my_setting")).toBe("it's");
  await expect(showParameter(connection, "x; SHOW y")).rejects.toMatchObject({ details: { sqlstate: "42704" } });
  expect(await readReplicationSlot(connection, "no such; slot")).toBeUndefined();
  await expect(createPhysicalSlot(connection, "Odd name")).rejects.toMatchObject({ details: { sqlstate: "42602" } });
  // The walsender's grammar has no doubled quotes in names; no slot can have one in its name either.
  await expect(createPhysicalSlot(connection, 'x" PHYSICAL; DROP_REPLICATION_SLOT "y')).rejects.toMatchObject({ details: { sqlstate: "42601" } });
  expect(await cluster.sql("SELECT slot_name FROM pg_replication_slots")).toEqual([]);
  await connection.terminate();
  await cluster.destroy();
});

test("every question to the server is counted, whoever asks, and nothing else: each has one answer", async () => {
  const cluster = await createCluster();
  const connection = await connect(connectOptions(cluster));
  const { timeline, xlogpos } = await identifySystem(connection);
  let asked = 0;
  const recording = record(connection, { timeline, start: segmentStart(xlogpos, 16 * megabyte), idleTimeoutMs: 600 }, { onAsked: () => void (asked += 1) });
  const status = { write: lsn(0), flush: lsn(0), apply: lsn(0) };
  recording.stream.sendStatus(status, true);
  expect([recording.stream.isOpen, asked]).toEqual([false, 0]);
  await waitFor("the stream is open", () => recording.stream.isOpen);
  const before = asked;
  for (const request of [true, false, true, true, false]) recording.stream.sendStatus(status, request);
  expect(asked - before).toBe(3);
  await waitFor("the stream has asked by itself and has its answer", () => asked >= before + 4 && recording.keepalives() >= asked);
  expect(recording.keepalives()).toBe(asked);
  recording.stream.stop();
  expect(await recording.ended).toBeUndefined();
  const over = asked;
  recording.stream.sendStatus(status, true);
  expect(asked).toBe(over);
});
