/**
 * M03, M04, M05, M07, M09: files of every awkward size and name, byte for byte, within bounded memory. What takes
 * minutes and gigabytes runs only when it is named: `npm run sizes -- names of large …` (see scripts/sizes.mjs).
 */
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { runOrFail } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { sampleBytes } from "../support/sample-bytes.ts";
import { writeSparseFile } from "../support/sparse-file.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled } from "./daemon-observation.ts";

const gib = 2 ** 30;
const long = new Set((process.env["MONETA_SIZES"] ?? "").split(" "));
const hours = 3_600_000;
/** Target 11: resident memory of a job, MiB. */
const mostResident = 200;

let cluster: Cluster;
let daemon: Daemon;
afterEach(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

async function start(settings: Readonly<Record<string, string | number>>): Promise<void> {
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { workers: 2, ...settings } });
  await daemon.waitUntilStreaming("primary");
}

interface Measured {
  readonly response: Readonly<Record<string, unknown>>;
  readonly seconds: number;
  /** MiB. */
  readonly peak: number;
}

/** Runs a command and looks at the largest resident size of its job as long as it lives. */
async function measured(...args: readonly string[]): Promise<Measured> {
  let peak = 0;
  const began = performance.now();
  const look = setInterval(() => {
    for (const pid of childrenTitled(daemon, "moneta: job")) peak = Math.max(peak, residentPeak(pid));
  }, 20);
  try {
    const response = await ask(daemon, ...args);
    return { response, seconds: (performance.now() - began) / 1000, peak };
  } finally {
    clearInterval(look);
  }
}

function residentPeak(pid: number): number {
  try {
    return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
  } catch {
    // It ended between the two looks.
    return 0;
  }
}

/** Digest, a blank, and the name of every file below a directory, as sha256sum says. */
async function digests(directory: string): Promise<string[]> {
  const list = await runOrFail("sh", ["-c", 'cd "$1" && find . -type f -print0 | xargs -0 -r sha256sum -z | base64 -w0', "sh", directory]);
  return Buffer.from(list, "base64").toString("latin1").split("\0").sort();
}

interface Result {
  readonly dataDir: string;
  readonly peaks: readonly number[];
}

/** Backs up, restores, has pg_verifybackup judge, and compares the given directories (below the data directory). */
async function roundTrip(what: string, directories: readonly string[]): Promise<Result> {
  const backup = await measured("backup", "primary");
  expect(backup.response).toMatchObject({ Valid: 1 });
  const label = String(backup.response["Backup"]);
  const place = join(daemon.root, "restored");
  mkdirSync(place);
  giveToUnprivileged(place);
  const restore = await measured("restore", "primary", label, place);
  const dataDir = String(restore.response["Directory"]);
  const ignored = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "tablespace_map", "recovery.signal", "moneta_recovery.json"];
  await runOrFail(tool("pg_verifybackup"), ["-n", "-q", ...ignored.flatMap((name) => ["-i", name]), dataDir], { unprivileged: true });
  for (const directory of directories) expect(await digests(join(dataDir, directory))).toEqual(await digests(join(cluster.dataDir, directory)));
  const row = (each: Measured): string => `${each.seconds.toFixed(1)} s, ${each.peak.toFixed(0)} MiB`;
  const info = await ask(daemon, "info", "primary", label);
  console.log(`${what}: backup ${row(backup)}; restore ${row(restore)}; ${String(info["RestoreSize"])} bytes, stored ${String(info["BackupSize"])}`);
  return { dataDir, peaks: [backup.peak, restore.peak] };
}

async function startsWith(dataDir: string, query: string): Promise<string> {
  const copy = await runOnDirectory({ major: 15, dataDir });
  try {
    await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => copy.log().slice(-2000) });
    return await copy.value(query);
  } finally {
    await copy.destroy();
  }
}

/** Every byte that a name can have, alone and at both ends, quotes and all. */
function everyByte(): Buffer[] {
  const bytes = Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x2f);
  return [...bytes.map((byte) => Buffer.of(0x6e, byte, 0x6e)), ...bytes.filter((byte) => byte !== 0x2e).map((byte) => Buffer.of(byte)), Buffer.from("-rf"), Buffer.from("x".repeat(80))];
}

const tools = requires("pg_verifybackup", "sha256sum");

tools.it("files of awkward sizes and with every byte in their names come back byte for byte, sealed and compressed", async () => {
  cluster = await createCluster();
  const place = join(cluster.dataDir, "odd");
  mkdirSync(place, { mode: 0o700 });
  const chunk = 2 ** 20;
  for (const size of [0, 1, 511, 512, 513, 8191, 8192, 8193, 900_000, 900_001, chunk - 1, chunk, chunk + 1, 3 * chunk + 5]) {
    writeFileSync(join(place, `${size}`), sampleBytes(size, size % 2 === 0 ? "noise" : "text", size + 1));
  }
  writeSparseFile(join(place, "sparse"), 24 * chunk + 11);
  for (const [index, name] of everyByte().entries()) writeFileSync(Buffer.concat([Buffer.from(`${place}/`), name]), `${index}`);
  giveToUnprivileged(cluster.dataDir);
  await start({ compression: "zstd", encryption: "aes-256-gcm" });
  const { peaks } = await roundTrip("odd files", ["odd"]);
  expect(Math.max(...peaks)).toBeLessThan(mostResident);
});

tools.it("a name that tar has no room for is refused by the server, and the backup says which", async () => {
  cluster = await createCluster();
  await start({});
  const name = `n${"a".repeat(120)}`;
  writeFileSync(join(cluster.dataDir, name), "too long");
  giveToUnprivileged(cluster.dataDir);
  const refused = await daemon.cli(["backup", "primary"], { format: "none" });
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toContain(name);
  await waitFor("nothing is left", () => readdirSync(join(daemon.baseDir, "primary", "backup")).length === 0);
});

if (long.has("files")) {
  it("files of 1 GiB, a byte less, and above 8 GiB, uncompressed: offsets beyond 32 bits wherever there are any", async () => {
    cluster = await createCluster();
    const place = join(cluster.dataDir, "large");
    mkdirSync(place, { mode: 0o700 });
    for (const size of [gib - 1, gib, 8 * gib + 8193]) writeSparseFile(join(place, `${size}`), size);
    giveToUnprivileged(cluster.dataDir);
    await start({ compression: "none" });
    const { peaks } = await roundTrip("large files", ["large"]);
    expect(Math.max(...peaks)).toBeLessThan(mostResident);
  }, hours);
}

if (long.has("tablespace")) {
  it("a tablespace whose archive is above 8 GiB", async () => {
    cluster = await createCluster();
    const place = join(cluster.root, "space");
    mkdirSync(place, { mode: 0o700 });
    giveToUnprivileged(place);
    await cluster.sql(`CREATE TABLESPACE space LOCATION '${place}'`);
    await cluster.sql("CREATE TABLE spaced TABLESPACE space AS SELECT generate_series(1, 1000) AS g");
    const [version = ""] = readdirSync(place);
    mkdirSync(join(place, version, "large"));
    writeSparseFile(join(place, version, "large", "one"), 5 * gib + 1);
    writeSparseFile(join(place, version, "large", "two"), 4 * gib + 8191);
    giveToUnprivileged(place);
    await start({ compression: "lz4", encryption: "aes-128-gcm" });
    const oid = await cluster.value("SELECT oid FROM pg_tablespace WHERE spcname = 'space'");
    const { dataDir, peaks } = await roundTrip("large tablespace", [`pg_tblspc/${oid}/${version}/large`]);
    expect(Math.max(...peaks)).toBeLessThan(mostResident);
    expect(await startsWith(dataDir, "SELECT sum(g) FROM spaced")).toBe("500500");
  }, hours);
}

if (long.has("table")) {
  it("a table of 5 GiB in five segments", async () => {
    cluster = await createCluster({ settings: { full_page_writes: false, max_wal_size: "8GB", shared_buffers: "128MB" } });
    // One row a page: five gigabytes of pages with little WAL.
    await cluster.sql("CREATE TABLE wide (id int, filler text) WITH (fillfactor = 10)");
    await cluster.sql("ALTER TABLE wide ALTER filler SET STORAGE PLAIN");
    const pages = (5 * gib) / 8192 - 1000;
    await cluster.sql(`INSERT INTO wide SELECT g, repeat(md5(g::text), 25) FROM generate_series(1, ${pages}) g`);
    await cluster.sql("CHECKPOINT");
    const path = await cluster.value("SELECT pg_relation_filepath('wide')");
    expect(statSync(join(cluster.dataDir, `${path}.4`)).size).toBeGreaterThan(gib / 2);
    await start({ compression: "zstd" });
    const { dataDir, peaks } = await roundTrip("large table", []);
    expect(Math.max(...peaks)).toBeLessThan(mostResident);
    const query = "SELECT md5(string_agg(id || filler, '' ORDER BY id)) || count(*) || (SELECT count(*) FROM wide) FROM wide WHERE id % 1000 = 0";
    expect(await startsWith(dataDir, query)).toBe(await cluster.value(query));
  }, hours);
}

if (long.has("relations")) {
  it("100,000 relations with three files each", async () => {
    cluster = await createCluster({ settings: { max_locks_per_transaction: 2048, max_wal_size: "4GB" } });
    await cluster.sql("CREATE DATABASE many");
    for (let from = 0; from < 2000; from += 500) {
      await cluster.sql(`DO $$ BEGIN FOR i IN ${from}..${from + 499} LOOP EXECUTE format('CREATE TABLE t%s AS SELECT %s AS n', i, i); END LOOP; END $$`, { database: "many" });
    }
    // The rest are files as PostgreSQL would make them, which is all that a backup sees of a relation.
    const oid = await cluster.value("SELECT oid FROM pg_database WHERE datname = 'many'");
    const place = join(cluster.dataDir, "base", oid);
    const page = Buffer.alloc(8192);
    for (let relation = 1_000_000; relation < 1_098_000; relation += 1) {
      writeFileSync(join(place, `${relation}`), relation % 3 === 0 ? page : "");
      for (const fork of ["fsm", "vm"]) writeFileSync(join(place, `${relation}_${fork}`), relation % 10 === 0 ? page : "");
    }
    giveToUnprivileged(place);
    await start({ compression: "zstd" });
    const { dataDir, peaks } = await roundTrip("100,000 relations", [`base/${oid}`]);
    expect(Math.max(...peaks)).toBeLessThan(mostResident);
    expect(await startsWith(dataDir, "SELECT count(*) FROM pg_class")).not.toBe("0");
  }, hours);
}
