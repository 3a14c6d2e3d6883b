import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createWalRecordReader, formatLsn, lsn, parseLsn, segmentName, timelineId, type Lsn, type StoppingPoint } from "../../../src/postgres/index.ts";
import { ALL_MAJORS } from "../../support/postgres-binaries.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { startMarkerLoop } from "../../support/marker-table.ts";
import { requires, testOnMajors, tool } from "../../support/requires.ts";

const segmentSize = 1024 * 1024;

interface Read {
  readonly points: readonly string[];
  readonly lastEnd: string | undefined;
  readonly stopped: { readonly at: Lsn; readonly damage: string | undefined } | undefined;
}

/** The WAL of a cluster from its first segment up to `end`. */
function walOf(cluster: Cluster, end: Lsn): { start: Lsn; bytes: Buffer } {
  const directory = join(cluster.dataDir, "pg_wal");
  const names = new Set(readdirSync(directory));
  let start = (end / BigInt(segmentSize)) * BigInt(segmentSize);
  const nameOf = (at: bigint): string => segmentName(timelineId(1), lsn(at), segmentSize);
  while (start > 0n && names.has(nameOf(start - BigInt(segmentSize)))) start -= BigInt(segmentSize);
  const pieces: Buffer[] = [];
  for (let at = start; at < end; at += BigInt(segmentSize)) pieces.push(readFileSync(join(directory, nameOf(at))));
  return { start: lsn(start), bytes: Buffer.concat(pieces).subarray(0, Number(end - start)) };
}

function text(point: StoppingPoint, at: Lsn): string {
  const what = point.kind === "restore-point" ? point.name : String(point.xid);
  return `${point.kind} ${what} ${formatLsn(at)} ${point.time}`;
}

function read(start: Lsn, bytes: Buffer, pieceSize: number): Read {
  const points: string[] = [];
  const reader = createWalRecordReader({ start, segmentSize, verify: true, onStoppingPoint: (point, at) => points.push(text(point, at)) });
  for (let at = 0; at < bytes.length; at += pieceSize) reader.write(bytes.subarray(at, at + pieceSize));
  reader.finish();
  return { points, lastEnd: reader.last === undefined ? undefined : formatLsn(reader.last.end), stopped: reader.stopped };
}

/** Ends the segment: the flush position alone can lie within a record. */
async function endOfWal(cluster: Cluster): Promise<Lsn> {
  return parseLsn(await cluster.value("SELECT pg_switch_wal()"));
}

/** Everything that recovery can stop at, and records of all lengths. */
async function writeWal(cluster: Cluster): Promise<void> {
  await cluster.sql("CREATE TABLE t (g int, filler text)");
  await cluster.sql("INSERT INTO t SELECT g, repeat('x', g % 3000) FROM generate_series(1, 2000) g");
  await cluster.sql("SELECT pg_create_restore_point('here it is')");
  await cluster.sql("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (1); SAVEPOINT b; CREATE TABLE u (); PREPARE TRANSACTION 'p1'");
  await cluster.sql("BEGIN; INSERT INTO t VALUES (2); CREATE TABLE v (); PREPARE TRANSACTION 'p2'");
  await cluster.sql("ROLLBACK PREPARED 'p1'");
  await cluster.sql("SELECT pg_switch_wal()");
  await cluster.sql("COMMIT PREPARED 'p2'");
  await cluster.sql("SELECT pg_logical_emit_message(false, 'p', repeat('y', 300000))");
  await cluster.sql("DROP TABLE v");
}

const settings = { max_prepared_transactions: 5, wal_level: "logical", min_wal_size: "2MB", max_wal_size: "1GB", wal_keep_size: "500MB" };

testOnMajors(ALL_MAJORS, "reads the WAL of PostgreSQL %s to its end, and who ended when", async (major) => {
  const cluster = await createCluster({ major, walSegmentSize: segmentSize, settings });
  await cluster.sql("BEGIN; CREATE TABLE x (); SAVEPOINT s; CREATE TABLE y (); PREPARE TRANSACTION 'first'");
  const prepared = await cluster.value("SELECT transaction FROM pg_prepared_xacts");
  await cluster.sql("COMMIT PREPARED 'first'");
  const before = await cluster.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  await writeWal(cluster);
  const committed = await cluster.value("INSERT INTO t VALUES (3) RETURNING txid_current() % 4294967296");
  const after = await cluster.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  const end = await endOfWal(cluster);
  const { start, bytes } = walOf(cluster, end);
  const whole = read(start, bytes, bytes.length);
  expect(whole.stopped).toBeUndefined();
  expect(whole.lastEnd).toBe(formatLsn(end));
  expect(whole.points.some((point) => point.startsWith(`commit ${prepared} `))).toBe(true);
  const named = whole.points.filter((point) => point.startsWith("restore-point here it is "));
  expect(named).toHaveLength(1);
  const time = BigInt(named[0]?.split(" ").at(-1) ?? 0);
  expect(time > BigInt(before) && time < BigInt(after)).toBe(true);
  expect(whole.points.filter((point) => point.startsWith("abort "))).toHaveLength(1);
  expect(whole.points.some((point) => point.startsWith(`commit ${committed} `))).toBe(true);
  // However the bytes come.
  for (const pieceSize of [1, 8191, 8192, 8193, 65_537]) {
    const part = pieceSize === 1 ? bytes.subarray(0, 3 * 8192 + 5) : bytes;
    expect(read(start, part, pieceSize)).toEqual(read(start, part, part.length));
  }
  await cluster.destroy();
});

requires("pg_waldump").it("finds what pg_waldump finds", async () => {
  const cluster = await createCluster({ walSegmentSize: segmentSize, settings });
  await writeWal(cluster);
  const end = await endOfWal(cluster);
  const { start, bytes } = walOf(cluster, end);
  const dump = spawnSync(tool("pg_waldump"), ["-p", join(cluster.dataDir, "pg_wal"), "-s", formatLsn(start), "-e", formatLsn(end)], {
    encoding: "utf8",
    maxBuffer: 1024 ** 3,
  });
  const theirs = dump.stdout.split("\n").flatMap((line) => {
    const match = /tx: +(\d+), lsn: (\S+), .*desc: (COMMIT|ABORT|RESTORE_POINT)(_PREPARED)? (.*)$/.exec(line);
    if (match === null) return [];
    const [, xid = "", at = "", kind, prepared, rest = ""] = match;
    if (kind === "RESTORE_POINT") return [`restore-point ${rest} ${formatLsn(parseLsn(at))}`];
    const who = prepared === undefined ? xid : (/^(\d+):/.exec(rest)?.[1] ?? "");
    return [`${kind === "COMMIT" ? "commit" : "abort"} ${who} ${formatLsn(parseLsn(at))}`];
  });
  const ours = read(start, bytes, bytes.length).points.map((point) => point.replace(/ \d+$/, ""));
  expect(theirs.length).toBeGreaterThan(10);
  expect(ours).toEqual(theirs);
  await cluster.destroy();
});

it("sees every flipped byte, and where WAL is cut", async () => {
  const cluster = await createCluster({ walSegmentSize: segmentSize, settings });
  await writeWal(cluster);
  const end = await endOfWal(cluster);
  const { start, bytes } = walOf(cluster, end);
  const seed = Date.now() % 1_000_000;
  let state = seed;
  for (let attempt = 0; attempt < 60; attempt += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    // Within whole segments: what a switch leaves empty, and padding, are nobody's bytes.
    const at = state % bytes.length;
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ (1 << attempt % 8);
    const flipped = read(start, copy, copy.length);
    const nobodys = bytes[at] === 0 && flipped.stopped === undefined;
    expect(nobodys || flipped.stopped !== undefined || flipped.lastEnd !== formatLsn(end), `seed ${seed}, byte ${at}`).toBe(true);
    if (flipped.stopped !== undefined) expect(flipped.stopped.at <= start + BigInt(at)).toBe(true);
  }
  for (const cut of [bytes.length - 1, bytes.length - 9, bytes.length - 8192, Math.floor(bytes.length / 2)]) {
    const found = read(start, bytes.subarray(0, cut), 100_000);
    expect(found.stopped).toBeUndefined();
    expect(parseLsn(found.lastEnd ?? "0/0") <= start + BigInt(cut) + 8n).toBe(true);
    // Zeros behind it are the end, not damage.
    const padded = Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(segmentSize)]);
    expect(read(start, padded, padded.length).lastEnd).toBe(found.lastEnd);
  }
  await cluster.destroy();
});

testOnMajors([13, 15, 18], "goes on after crashes of PostgreSQL %s in the middle of a record", async (major) => {
  const cluster = await createCluster({ major, walSegmentSize: segmentSize, settings: { ...settings, fsync: false } });
  for (let crash = 0; crash < 4; crash += 1) {
    const loop = await startMarkerLoop(cluster, { fillerBytes: 30_000 });
    await loop.more(15);
    await cluster.kill9();
    await loop.stop();
    await cluster.start();
  }
  const end = await endOfWal(cluster);
  const { start, bytes } = walOf(cluster, end);
  const found = read(start, bytes, 1024 * 1024);
  expect(found.stopped).toBeUndefined();
  expect(found.lastEnd).toBe(formatLsn(end));
  await cluster.destroy();
});
