import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { BackupProgress } from "../../../src/backup/index.ts";
import { systemClock, type Clock } from "../../../src/common/index.ts";
import type { CompressionMethod } from "../../../src/compression/index.ts";
import { createDataKey, type EncryptionMode } from "../../../src/encryption/index.ts";
import { formatLsn, parseControlFile, segmentName } from "../../../src/postgres/index.ts";
import { openServerIdentity, readBackupChunks, verifyMetadata, type BackupInfo } from "../../../src/repository/index.ts";
import { expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { createCluster, type Cluster, type ClusterOptions } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import { requires, testOnMajors, tool } from "../../support/requires.ts";
import { waitFor } from "../../support/wait-for.ts";
import { expectVerified, extract, openHouse, startExtracted, type House, type HouseOptions } from "./house.ts";

let cluster: Cluster | undefined;
let house: House | undefined;

afterEach(async () => {
  await house?.close();
  await cluster?.destroy();
  cluster = house = undefined;
});

/** A small cluster with something of everything, and its house. */
async function start(options: ClusterOptions = {}, houseOptions: HouseOptions = {}): Promise<{ cluster: Cluster; house: House }> {
  cluster = await createCluster(options);
  await cluster.sql(`
    CREATE TABLE people AS SELECT g AS id, md5(g::text) AS name, repeat(md5(g::text), 4) AS story FROM generate_series(1, 20000) g;
    ALTER TABLE people ADD PRIMARY KEY (id);
    CREATE UNLOGGED TABLE passing AS SELECT g FROM generate_series(1, 1000) g;
    CREATE TABLE nothing (x int)`);
  house = await openHouse(cluster, houseOptions);
  return { cluster, house };
}

/** Waits until the standby has replayed what the primary has written. */
async function replayed(primary: Cluster, standby: Cluster): Promise<void> {
  const position = await primary.value("SELECT pg_current_wal_flush_lsn()");
  await waitFor("the standby has replayed", async () => (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${position}'`)) === "t");
}

/** A checkpoint of the primary that the standby makes its own. */
async function restartPoint(primary: Cluster, standby: Cluster): Promise<void> {
  await primary.sql("CHECKPOINT");
  await replayed(primary, standby);
  await standby.sql("CHECKPOINT");
}

const verified = requires("postgres-15", "pg_verifybackup");

describe("an uncompressed backup", () => {
  verified.it("passes pg_verifybackup where it lies, and is told whole and right in its metadata", async () => {
    const { cluster, house } = await start();
    const seen: BackupProgress[] = [];
    const before = Date.now();
    const { info, warnings } = await house.backup({}, { progress: (progress) => seen.push(progress) });
    expect(warnings).toEqual([]);
    const directory = house.path(info.label);
    await expectVerified(directory);
    expect(await house.names()).toEqual([info.label]);
    expect((await readdir(directory)).sort()).toEqual(["backup.chunks", "backup.info", "backup.manifest", "backup.sha256", "data"]);
    await runOrFail("sh", ["-c", `cd ${directory} && sha256sum --quiet --strict -c backup.sha256`]);
    await verifyMetadata(house.storage, "primary", info);

    const [listed] = await house.catalog.list();
    expect(listed).toEqual({ ...info, elapsed: expect.anything() as unknown });
    const control = parseControlFile(readFileSync(join(directory, "data/global/pg_control")));
    expect(info).toMatchObject({ valid: true, majorVersion: 15, keep: false, type: "full", compression: "none", compressedBy: "nobody", tablespaces: [] });
    expect(info.own).toMatchObject({ systemIdentifier: control.systemIdentifier, pageChecksums: "good", badPages: 0, damagedFiles: [], walSegmentSize: 16 * 1024 * 1024 });
    expect(info.own?.systemIdentifier).toBe((await openServerIdentity(house.storage, "primary").read())?.systemIdentifier);
    expect(`${info.majorVersion}.${info.minorVersion}`).toBe((await cluster.value("SHOW server_version")).split(" ")[0]);
    expect(info.own?.startTime).toBeGreaterThanOrEqual(before);
    expect(info.own?.endTime).toBeGreaterThanOrEqual(info.own?.startTime ?? Number.NaN);
    expect(info.elapsed.total).toBeGreaterThanOrEqual(info.elapsed.baseBackup + info.elapsed.manifest);
    expect(info.elapsed).toMatchObject({ zstd: 0, gzip: 0, lz4: 0, bzip2: 0, encryption: 0 });
    for (const stage of [info.elapsed.baseBackup, info.elapsed.hash, info.elapsed.manifest]) expect(stage).toBeGreaterThan(0);

    const label = await readFile(join(directory, "data/backup_label"), "utf8");
    expect(label).toContain(`START WAL LOCATION: ${formatLsn(info.startLsn)} (file ${info.firstSegment})`);
    expect(label).toContain(`CHECKPOINT LOCATION: ${formatLsn(info.checkpointLsn)}\n`);
    expect(label).toContain(`LABEL: moneta_${info.label}\n`);
    expect(info.endLsn).toBeGreaterThan(info.startLsn);
    expect(info.endTimeline).toBe(1);

    const manifest = JSON.parse(await readFile(join(directory, "data/backup_manifest"), "utf8")) as { Files: { Path: string; Size: number }[] };
    expect(info.own?.fileCount).toBe(manifest.Files.length + 1);
    expect(info.biggestFile).toBe(Math.max(...manifest.Files.map(({ Size }) => Size)));
    expect(info.restoredBytes).toBe(
      manifest.Files.filter(({ Path }) => !Path.startsWith("pg_wal/")).reduce((sum, { Size }) => sum + Math.ceil(Size / 4096) * 4096, 0),
    );
    const sizes = await runOrFail("sh", ["-c", `cd ${directory} && find . -type f ! -name backup.info -printf '%s\\n'`]);
    expect(info.storedBytes).toBe(sizes.trim().split("\n").reduce((sum, size) => sum + Number(size), 0));

    expect([...new Set(seen.map(({ phase }) => phase))]).toEqual(["prepare", "checkpoint", "receive", "check", "wal", "commit"]);
    const received = seen.filter(({ phase }) => phase === "receive").map(({ bytesDone }) => bytesDone);
    expect(received).toEqual([...received].sort((a, b) => a - b));
    expect(seen.every(({ bytesDone, bytesTotal }) => bytesDone <= bytesTotal)).toBe(true);
  });

  verified.it("keeps empty files and directories with their modes, and nothing that must not be in a backup", async () => {
    const { cluster, house } = await start();
    await cluster.stop();
    const data = cluster.dataDir;
    mkdirSync(join(data, "base", "pgsql_tmp"), { mode: 0o700 });
    await writeFile(join(data, "base", "pgsql_tmp", "pgsql_tmp1234.0"), "temporary");
    await writeFile(join(data, "backup_label.old"), "START WAL LOCATION: long ago\n");
    await writeFile(join(data, "postgresql.auto.conf.tmp"), "half written");
    await writeFile(join(data, "empty file"), "", { mode: 0o600 });
    await writeFile(join(data, "readable"), "x", { mode: 0o640 });
    await cluster.start();
    await house.streaming();
    const node = await cluster.value("SELECT pg_relation_filepath('passing')");
    // A real pg_internal.init is there once a session has looked at the catalogs.
    await cluster.sql("SELECT count(*) FROM people");
    const { info } = await house.backup();
    await expectVerified(house.path(info.label));
    const stored = join(house.path(info.label), "data");
    const names = (await readdir(stored, { recursive: true })).sort();
    for (const absent of ["postmaster.pid", "postmaster.opts", "base/pgsql_tmp/pgsql_tmp1234.0", "postgresql.auto.conf.tmp", node, "global/pg_internal.init"]) {
      expect(names).not.toContain(absent);
    }
    expect(await readdir(join(stored, "pg_replslot"))).toEqual([]);
    expect(names).toContain(`${node}_init`);
    expect(names).toContain("empty file");
    const modes = new Map<string, number>();
    await readBackupChunks(house.storage, "primary", info, { onEntry: (entry) => void (entry.kind === "symlink" || modes.set(entry.path, entry.mode)) });
    expect(modes.get("data/empty file")).toBe(0o600);
    expect(modes.get("data/readable")).toBe(0o640);
    expect(modes.get("data/pg_replslot")).toBe(0o700);
    expect(modes.get("data/pg_notify")).toBe(0o700);
  });

  verified.it("keeps names of any bytes: quotes, newlines, backslashes, emoji, what is no UTF-8", async () => {
    const { cluster, house } = await start();
    const odd = [" lead", "-dash", "a'b\"c", "back\\slash", "new\nline", "[x]#=,", "🐘", "UPPER", "upper", ".hidden", "%41", "tab\t", "x".repeat(90)];
    for (const name of odd) await writeFile(join(cluster.dataDir, name), name);
    const bytes = Buffer.concat([Buffer.from(`${cluster.dataDir}/`), Buffer.from([0xff, 0xfe, 0x80])]);
    await writeFile(bytes, "not text");
    await mkdir(join(cluster.dataDir, "dir\nwith = odd 'name'"));
    await writeFile(join(cluster.dataDir, "dir\nwith = odd 'name'", "in\\side"), "deep");
    const { info } = await house.backup({ spec: { compression: "zstd", encryption: "none" } });
    const plain = await extract(house, info);
    await expectVerified(plain);
    for (const name of odd) expect(await readFile(join(plain, "data", name), "utf8")).toBe(name);
    await runOrFail("sh", ["-c", `cd '${house.path(info.label)}' && sha256sum --quiet --strict -c backup.sha256`]);
    const indexed: string[] = [];
    await readBackupChunks(house.storage, "primary", info, { onEntry: ({ path }) => void indexed.push(path) });
    for (const name of odd) expect(indexed).toContain(`data/${name}`);
  });
});

describe("every form of a backup is read by public tools and passes pg_verifybackup", () => {
  // Encryption takes what compression gives, whichever it is: each of both with and without the other is enough.
  const forms: readonly (readonly [CompressionMethod, EncryptionMode])[] = [
    ["none", "none"],
    ["none", "aes-256-gcm"],
    ["gzip", "aes-256-gcm"],
    ["zstd", "none"],
    ["zstd", "aes-256-gcm"],
    ["lz4", "none"],
    ["bzip2", "aes-256-gcm"],
  ];

  requires("postgres-15", "pg_verifybackup", "zstd", "lz4", "bzip2", "gzip").it("with each compression, clear and encrypted", async () => {
    const { house } = await start();
    const sizes = new Map<string, number>();
    for (const [compression, encryption] of forms) {
      const dataKey = encryption === "none" ? undefined : createDataKey();
      const { info } = await house.backup({ spec: { compression, encryption }, dataKey, hash: encryption === "none" ? "sha256" : "sha512" });
      sizes.set(`${compression} ${encryption}`, info.storedBytes);
      expect(info).toMatchObject({ compression, encryption, compressedBy: compression === "none" ? "nobody" : "client" });
      expect(info.own?.keyId).toBe(dataKey?.id);
      if (compression !== "none") expect(info.elapsed[compression]).toBeGreaterThan(0);
      expect(info.elapsed.encryption > 0).toBe(encryption !== "none");
      await expectVerified(await extract(house, info, dataKey));
      const names = await readdir(join(house.path(info.label), "data"));
      expect(names.filter((name) => /^backup_(label|manifest)/.test(name)).sort()).toEqual(["backup_label", "backup_manifest"]);
      if (encryption === "none") continue;
      const clear = await runOrFail("sh", ["-c", `cd ${house.path(info.label)} && grep -rl c4ca4238a0b923820dcc509a6f75849b data/base || true`]);
      expect(clear).toBe("");
      await runOrFail("sh", ["-c", `cd ${house.path(info.label)} && sha512sum --quiet --strict -c backup.sha512`]);
    }
    for (const [compression, encryption] of forms.filter(([compression]) => compression !== "none")) {
      expect(sizes.get(`${compression} ${encryption}`)).toBeLessThan((sizes.get("none none") ?? 0) / 2);
    }
    expect((await house.catalog.list()).map(({ label }) => label)).toEqual((await house.names()).filter((name) => !name.startsWith(".")));
  });

  requires("postgres-15", "pg_verifybackup", "zstd").it("when the server compresses for the link, whatever the stored form is", async () => {
    const { cluster, house } = await start();
    for (const [method, stored] of [["gzip", "zstd"], ["zstd", "none"], ["lz4", "gzip"]] as const) {
      const seen: BackupProgress[] = [];
      const { info, warnings } = await house.backup(
        { serverCompression: { method, level: 1 }, spec: { compression: stored, encryption: "none" } },
        { progress: (progress) => seen.push(progress) },
      );
      expect(warnings).toEqual([]);
      expect(info.compressedBy).toBe(stored === "none" ? "nobody" : "server");
      await expectVerified(await extract(house, info));
      // Progress is in plain bytes on both sides, so that it ends near its total.
      const last = seen.findLast(({ phase }) => phase === "receive");
      expect(last?.bytesDone).toBeGreaterThan((last?.bytesTotal ?? 0) * 0.5);
      expect(cluster.log()).toContain(`COMPRESSION '${method}', COMPRESSION_DETAIL 'level=1'`);
    }
  });
});

describe("the WAL of a backup", () => {
  it("is there when the backup is: every byte from the start segment to the stop position, without waiting for traffic", async () => {
    const { house } = await start();
    // Nothing is written meanwhile, and nothing is switched: the last segment stays a partial one.
    for (let n = 0; n < 2; n += 1) {
      const { info } = await house.backup();
      const last = segmentName(info.endTimeline, (info.endLsn - 1n) as typeof info.endLsn, 16 * 1024 * 1024);
      const names = await readdir(house.storage.absolutePath("primary/wal"));
      expect(names.filter((name) => name.startsWith(info.firstSegment))).toHaveLength(1);
      expect(names.filter((name) => name.startsWith(last))).toHaveLength(1);
    }
  });

  it("decides over a backup: with a segment gone from the repository it is not taken", async () => {
    const { house } = await start();
    const { wal } = house;
    const taking = house.backup({}, {
      wal: {
        ...wal,
        async waitUntilDurable(range, signal) {
          await wal.waitUntilDurable(range, signal);
          // While it runs it receives anew what is gone.
          await house.stopReceiver();
          for (const name of await readdir(house.storage.absolutePath("primary/wal"))) rmSync(house.storage.absolutePath(`primary/wal/${name}`));
          await wal.waitUntilDurable(range, signal);
        },
      },
    });
    await expect(taking).rejects.toMatchObject({ code: "BACKUP_WAL_MISSING" });
    expect(await house.names()).toEqual([]);
  });
});

describe("a server at work", () => {
  requires("postgres-15", "pg_verifybackup", "pgbench").it("under pgbench: the backup is consistent to the last cent", async () => {
    const { cluster, house } = await start({ settings: { shared_buffers: "128MB", max_wal_size: "4GB" } });
    const connection = ["-h", cluster.socketDir, "-p", String(cluster.port), "-U", "postgres"];
    await runOrFail(tool("pgbench"), [...connection, "-i", "-s", "3", "-q", "postgres"]);
    const load = runOrFail(tool("pgbench"), [...connection, "-c", "4", "-T", "6", "-n", "postgres"]);
    const { info } = await house.backup({ maxRateBytes: () => 20 * 1024 * 1024, spec: { compression: "lz4", encryption: "none" } });
    await load;
    const flushed = await cluster.value("SELECT pg_switch_wal()");
    expect(flushed).toMatch("/");
    const plain = await extract(house, info);
    await expectVerified(plain);
    const restored = await startExtracted(house, plain);
    const sums = await restored.sql(
      "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)",
    );
    expect(new Set(sums[0]).size).toBe(1);
    expect(Number(await restored.value("SELECT count(*) FROM pgbench_history"))).toBeGreaterThan(0);
    await restored.destroy();
  });

  verified.it("while relations and databases come and go: what vanishes is skipped by the server, the rest is whole", async () => {
    const { cluster, house } = await start();
    let stop = false;
    const loop = (async () => {
      for (let n = 0; !stop; n += 1) {
        await cluster.sql(`CREATE TABLE gone${n} AS SELECT g, repeat('x', 100) FROM generate_series(1, 3000) g; CREATE INDEX ON gone${n} (g)`);
        await cluster.sql(`TRUNCATE people; INSERT INTO people SELECT g, md5(g::text), 'again' FROM generate_series(1, 500) g; DROP TABLE gone${n}`);
        if (n % 5 === 0) {
          await cluster.sql(`CREATE DATABASE gone${n} STRATEGY file_copy`);
          await cluster.sql(`DROP DATABASE gone${n}`);
        }
      }
    })();
    try {
      for (let n = 0; n < 3; n += 1) {
        const { info } = await house.backup({ maxRateBytes: () => 30 * 1024 * 1024 });
        await expectVerified(house.path(info.label));
      }
    } finally {
      stop = true;
      await loop;
    }
    const expected = await logicalDigest(cluster);
    await cluster.sql("CREATE TABLE last_word (x int)");
    await cluster.sql("DROP TABLE last_word; SELECT pg_switch_wal()");
    await cluster.stop();
    const [info] = (await house.catalog.list()).slice(-1);
    const restored = await startExtracted(house, await extract(house, info as NonNullable<typeof info>));
    await expectSameContents(expected, restored);
    await restored.destroy();
  });
});

describe("a server of each protocol", () => {
  testOnMajors([13, 14, 17, 18], "PostgreSQL %s: the backup is checked, starts and holds every row", async (major) => {
    const { cluster, house } = await start({ major });
    const { info, warnings } = await house.backup({ spec: { compression: "gzip", encryption: "none" } });
    expect(warnings).toEqual([]);
    expect(info).toMatchObject({ majorVersion: major, valid: true });
    const expected = await logicalDigest(cluster);
    await cluster.sql("SELECT pg_switch_wal()");
    await cluster.stop();
    const restored = await startExtracted(house, await extract(house, info));
    await expectSameContents(expected, restored);
    await restored.destroy();
  });

  requires("postgres-13").it("13 and 14 cannot compress on the server: refused by name, nothing left", async () => {
    const { house } = await start({ major: 13 });
    await expect(house.backup({ serverCompression: { method: "gzip" } })).rejects.toMatchObject({ code: "BASE_BACKUP_OPTION_UNSUPPORTED" });
    expect(await house.names()).toEqual([]);
  });

  requires("postgres-15", "pg_verifybackup").it("a standby gives a backup as well, from its restart point on", async () => {
    cluster = await createCluster();
    const standby = await cluster.createStandby();
    house = await openHouse(standby);
    await cluster.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g");
    await restartPoint(cluster, standby);
    const { info } = await house.backup();
    await expectVerified(house.path(info.label));
    expect(await readFile(join(house.path(info.label), "data/backup_label"), "utf8")).toContain("BACKUP FROM: standby");
    expect(await readdir(join(house.path(info.label), "data"))).toContain("standby.signal");
  });

  // What pg_walfile_name says of such a position changed with 17, so it is not asked.
  testOnMajors([16, 18], "PostgreSQL %s: a backup that stops exactly where a segment ends needs that segment and not the next", async (major) => {
    cluster = await createCluster({ major });
    const standby = await cluster.createStandby();
    house = await openHouse(standby);
    await cluster.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g");
    await restartPoint(cluster, standby);
    const segmentSize = 16n * 1024n * 1024n;
    let info: BackupInfo | undefined;
    // Now and then the primary writes a record by itself, and the backup stops behind it.
    for (let tries = 0; tries < 5 && (info === undefined || info.endLsn % segmentSize !== 0n); tries += 1) {
      await cluster.sql("INSERT INTO t VALUES (1)");
      await cluster.sql("SELECT pg_switch_wal()");
      await replayed(cluster, standby);
      // Without a newer checkpoint record it only writes down how far it has replayed: to the end of the segment.
      await standby.sql("CHECKPOINT");
      ({ info } = await house.backup());
    }
    if (info === undefined) throw new Error("no backup");
    expect(info.endLsn % segmentSize).toBe(0n);
    const last = segmentName(info.endTimeline, (info.endLsn - 1n) as typeof info.endLsn, Number(segmentSize));
    const names = await readdir(house.storage.absolutePath("primary/wal"));
    expect(names.filter((name) => name.startsWith(last))).toHaveLength(1);
    const rows = await cluster.value("SELECT count(*) FROM t");
    await cluster.stop();
    const restored = await startExtracted(house, await extract(house, info));
    expect(await restored.value("SELECT count(*) FROM t")).toBe(rows);
    await restored.destroy();
    await standby.destroy();
  });

  requires("postgres-14").it("a standby whose restart point lies before all WAL that was received (only up to PostgreSQL 14) is refused before its files are", async () => {
    cluster = await createCluster({ major: 14 });
    const standby = await cluster.createStandby();
    for (let n = 0; n < 3; n += 1) await cluster.sql(`CREATE TABLE t${n} (x int); SELECT pg_switch_wal()`);
    await replayed(cluster, standby);
    house = await openHouse(standby);
    let received = 0;
    const progress = ({ bytesDone }: BackupProgress): void => void (received = bytesDone);
    await expect(house.backup({ maxRateBytes: () => 1024 * 1024 }, { progress })).rejects.toMatchObject({ code: "BACKUP_WAL_MISSING" });
    expect(received).toBeLessThan(10_000_000);
    expect(await house.names()).toEqual([]);
  });

  it("K05: another max_rate holds for the backup that runs, and the server is not told of any", async () => {
    const { cluster, house } = await start();
    // With the first one it takes longer than any test.
    let rate = 1;
    let before = 0;
    const progress = ({ phase, bytesDone }: BackupProgress): void => {
      if (rate === 0 || phase !== "receive" || bytesDone < 100_000) return;
      before = bytesDone;
      rate = 0;
    };
    const { info } = await house.backup({ maxRateBytes: () => rate }, { progress });
    expect(before).toBeLessThan(1_000_000);
    expect(info.restoredBytes).toBeGreaterThan(20_000_000);
    await expectVerified(house.path(info.label));
    const controller = new AbortController();
    const slow = house.backup({ maxRateBytes: () => 1 }, { signal: controller.signal, progress: ({ phase }) => void (phase === "receive" && controller.abort()) });
    await expect(slow).rejects.toMatchObject({ code: "ABORTED" });
    expect(cluster.log()).not.toContain("MAX_RATE");
  });
});

describe("labels", () => {
  it("only grow, although the clock runs backwards and a backup of the future was there", async () => {
    const { house } = await start();
    let now = Date.UTC(2026, 10, 20, 12, 0, 0);
    const clock: Clock = { ...systemClock, now: () => now };
    const labels: string[] = [];
    for (const step of [0, -3_600_000, 10, 86_400_000]) {
      now += step;
      labels.push((await house.backup({}, { clock })).info.label);
    }
    expect(labels).toEqual(["20261120120000", "20261120120001", "20261120120002", "20261121110000"]);
    const stored = await house.catalog.list();
    expect(stored.map(({ label }) => label)).toEqual(labels);
    // By position as by name, and each began behind the end of the one before.
    for (const [at, { startLsn }] of stored.entries()) expect(at === 0 || startLsn >= (stored[at - 1]?.endLsn ?? startLsn + 1n)).toBe(true);
  });
});

describe("files that are not as they should be", () => {
  requires("postgres-15", "not-root").it("a file that the server cannot read ends the backup with the server's words", async () => {
    const { cluster, house } = await start();
    await writeFile(join(cluster.dataDir, "secret"), "x", { mode: 0o000 });
    await expect(house.backup()).rejects.toMatchObject({ message: expect.stringContaining('could not open file "./secret": Permission denied') as string });
    expect(await house.names()).toEqual([]);
  });

  it("what the server skips is said to the operator", async () => {
    const { cluster, house } = await start();
    await symlink("/nowhere", join(cluster.dataDir, "dangling"));
    const { warnings } = await house.backup();
    expect(warnings).toEqual([expect.stringContaining('skipping special file "./dangling"')]);
  });
});
