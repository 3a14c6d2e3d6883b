/**
 * C01 on every major: a cluster is streamed, backed up and restored by the built programs, and the restored server
 * gets its WAL from the restore_command that it was given. 15 has the other tests of this folder.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { expectSameContents, logicalDigest } from "../support/compare-clusters.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers } from "../support/marker-table.ts";
import type { PostgresMajor } from "../support/postgres-binaries.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { testOnMajors } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask } from "./daemon-observation.ts";

interface Variant {
  readonly checksums: boolean;
  readonly walSegmentSize: number;
  readonly compression: string;
  readonly encryption: string;
}

const MB = 1024 * 1024;
const variants = new Map<PostgresMajor, Variant>([
  [13, { checksums: true, walSegmentSize: 16 * MB, compression: "gzip", encryption: "aes-256" }],
  [14, { checksums: false, walSegmentSize: 16 * MB, compression: "none", encryption: "aes-128" }],
  [16, { checksums: true, walSegmentSize: MB, compression: "lz4", encryption: "none" }],
  [17, { checksums: false, walSegmentSize: 16 * MB, compression: "bz2", encryption: "aes-192" }],
  [18, { checksums: true, walSegmentSize: 16 * MB, compression: "zstd", encryption: "aes-256" }],
]);

/** Drilled in every run, the oldest and the newest; with MONETA_DRILLS all others are as well. */
const isDrilled = (major: PostgresMajor): boolean => [13, 18].includes(major) || process.env["MONETA_DRILLS"] !== undefined;

/** Blanks, quotation marks, a backslash, a letter of two bytes and signs that shells and formats know. */
const tablespace = `odd "name" 'of' \\ é=#;%`;
const tablespaceDirectory = `place "of" \\ é=#;% `;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

async function fill(cluster: Cluster): Promise<void> {
  const location = join(cluster.root, tablespaceDirectory);
  mkdirSync(location, { mode: 0o700 });
  giveToUnprivileged(location);
  await cluster.sql(`CREATE TABLESPACE ${quoted(tablespace)} LOCATION '${location}'`);
  await cluster.sql(`
    CREATE TABLE elsewhere (n bigint PRIMARY KEY, words text) TABLESPACE ${quoted(tablespace)};
    INSERT INTO elsewhere SELECT g, repeat(md5(g::text), 1 + g % 5) FROM generate_series(1, 5000) g;
    CREATE INDEX elsewhere_words ON elsewhere (words) TABLESPACE ${quoted(tablespace)};
    CREATE TABLE doomed AS SELECT g AS n, md5(g::text) FROM generate_series(1, 3000) g;
    CREATE TABLE long_values AS SELECT g AS n, (SELECT string_agg(md5((g * 1000 + i)::text), '') FROM generate_series(1, 300) i)
      FROM generate_series(1, 20) g;
    CREATE SEQUENCE numbers;
    SELECT setval('numbers', 4711), lo_from_bytea(4711, '\\x00ff10');`);
}

/** Waits until all that the source has written is durable at the daemon's. */
async function received(daemon: Daemon, cluster: Cluster): Promise<void> {
  const behind = `SELECT count(*) FROM pg_stat_replication WHERE flush_lsn < '${await cluster.value("SELECT pg_current_wal_flush_lsn()")}'`;
  await waitFor("all of it is received", async () => (await cluster.value(behind)) === "0", { seen: () => daemon.log().slice(-2000) });
}

interface RestoreWish {
  readonly daemon: Daemon;
  readonly source: Cluster;
  readonly checksums: boolean;
  readonly words: readonly string[];
  readonly position: string | undefined;
  readonly expected: readonly string[];
}

/** Restores by the command line, starts the same major on it, and asks it everything that a user would. */
async function restoreAndProve({ daemon, source, checksums, words, position, expected }: RestoreWish): Promise<void> {
  const place = join(daemon.root, `restored ${words.length} ${position?.slice(0, 4) ?? ""}`);
  mkdirSync(place, { mode: 0o700 });
  giveToUnprivileged(place);
  const target = position === undefined ? [] : [position];
  const { Directory } = await ask(daemon, "restore", ...words, "primary", "newest", ...target, place);
  const copy = await runOnDirectory({ major: source.major, dataDir: String(Directory) });
  try {
    await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", {
      seen: () => copy.log().slice(-3000),
    });
    await expectSameContents(expected, copy);
    await expectSound(copy, checksums);
    const fetches = (await copy.value("SHOW restore_command")).includes("wal-get");
    expect(fetches).toBe(!words.includes("--copy-wal"));
    // An absolute path: PostgreSQL's tools take any other for a directory inside the cluster.
    const location = await copy.value("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE oid > 16383");
    expect(location.startsWith(`${place}/`)).toBe(true);
    await copy.sql(`CREATE TABLE written TABLESPACE ${quoted(tablespace)} AS SELECT 1 AS n; INSERT INTO elsewhere VALUES (0, 'new')`);
    await copy.sql("CHECKPOINT");
    expect(await copy.value("SELECT timeline_id FROM pg_control_checkpoint()")).toBe("2");
    expect(await copy.value("SELECT words FROM elsewhere WHERE n = 0")).toBe("new");
    expect(copy.log()).not.toMatch(/PANIC|invalid page|checksum/);
  } finally {
    await copy.destroy();
  }
}

/** Every index agrees with its table, in both directions; every page of every table is read. */
async function expectSound(copy: Cluster, checksums: boolean): Promise<void> {
  await copy.sql("CREATE EXTENSION amcheck");
  const [counts = []] = await copy.sql(`
    SELECT count(*), count(*) FILTER (WHERE relname = 'elsewhere_words') FROM (
      SELECT c.relname, bt_index_parent_check(c.oid, true)
        FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_index i ON i.indexrelid = c.oid
       WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid OFFSET 0) AS checked`);
  expect(Number(counts[0])).toBeGreaterThan(100);
  expect(counts[1]).toBe("1");
  if (copy.major >= 14) {
    const found = await copy.sql(`
      SELECT c.relname, v.* FROM pg_class c, verify_heapam(c.oid) v
       WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p'`);
    expect(found).toEqual([]);
  }
  expect(await copy.value("SHOW data_checksums")).toBe(checksums ? "on" : "off");
}

/** Files of the source by which a restore could change what it does at its next start. */
function sourceFiles(source: Cluster): readonly (readonly [string, string | undefined])[] {
  const names = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "recovery.signal", "standby.signal", "backup_label"];
  return names.map((name) => {
    const path = join(source.dataDir, name);
    return [name, existsSync(path) ? readFileSync(path, "utf8") : undefined] as const;
  });
}

testOnMajors([...variants.keys()], "PostgreSQL %s is streamed, backed up, and restored to a moment and to the end", async (major) => {
  const variant = variants.get(major);
  if (variant === undefined) throw new Error(`no variant for ${major}`);
  const { checksums, walSegmentSize, compression, encryption } = variant;
  const source = await createCluster({ major, checksums, walSegmentSize });
  onTestFinished(() => source.destroy());
  const question = join(temporaryDirectory({ unprivileged: true }).path, "question.sql");
  writeFileSync(question, "SELECT 1 / (count(*) = 20)::int FROM marker;\n");
  giveToUnprivileged(question);
  const daemon = await createDaemon({
    servers: [{ name: "primary", cluster: source }],
    settings: { compression, encryption, postgres_path: `${major}:${source.binDir}`, drill_sql: question },
  });
  onTestFinished(() => daemon.destroy());
  await daemon.waitUntilStreaming("primary");
  await fill(source);
  await insertMarkers(source, 1, 5);
  expect(await ask(daemon, "backup", "primary")).toMatchObject({ Server: "primary", Valid: 1 });

  await source.sql("UPDATE elsewhere SET words = 'changed ' || n WHERE n % 3 = 0; SELECT pg_switch_wal()");
  await insertMarkers(source, 6, 10);
  const atTime = await logicalDigest(source);
  const time = await source.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')");
  await insertMarkers(source, 11, 15, "x".repeat(walSegmentSize / 10));
  const atLsn = await logicalDigest(source);
  const lsn = await source.value("SELECT pg_current_wal_insert_lsn()");
  await source.sql("DROP TABLE doomed");
  await insertMarkers(source, 16, 20);
  const atEnd = await logicalDigest(source);
  await received(daemon, source);

  if (isDrilled(major)) {
    // These servers do not come with pg_amcheck.
    const Checks = [expect.objectContaining({ Name: "amcheck" }), { Name: "sql", Outcome: "passed" }] as unknown;
    expect(await ask(daemon, "drill", "primary")).toMatchObject({ Checks, ProvenMoment: expect.stringMatching(/^\d{4}-/) as string });
    const [proven] = (await ask(daemon, "list-backup", "primary"))["Backups"] as { ProvenAt?: string; DrillFailure?: string }[];
    expect(proven).toMatchObject({ ProvenAt: expect.stringMatching(/^\d{4}-/) as string });
    expect(proven?.DrillFailure).toBeUndefined();
  }

  const files = sourceFiles(source);
  const restored = (words: readonly string[], position: string | undefined, expected: readonly string[]): Promise<void> =>
    restoreAndProve({ daemon, source, checksums, words, position, expected });
  // By time, by LSN and to the end on the oldest and on the newest; between them one of the first two, because servers are dear.
  if (major !== 17) await restored([], `time=${time}`, atTime);
  if (major !== 14 && major !== 16) await restored([], `lsn=${lsn}`, atLsn);
  await restored(["--copy-wal"], undefined, atEnd);

  expect(sourceFiles(source)).toEqual(files);
  expect(await source.sql("SELECT name FROM pg_settings WHERE name ~ '^(restore_command|recovery_target)' AND setting <> boot_val")).toEqual([]);
  await expectSameContents(atEnd, source);
});
