/** The servers that are measured: data of known kind and size, made here, the same every time. */
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster, Settings } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";

/** As an operator's server, not as a test's: it syncs, and it may be anybody's synchronous primary. */
const SETTINGS: Settings = {
  fsync: true,
  shared_buffers: "512MB",
  max_wal_size: "8GB",
  min_wal_size: "256MB",
  checkpoint_timeout: "30min",
  autovacuum: false,
  wal_level: "replica",
  max_wal_senders: 20,
  max_replication_slots: 40,
  max_connections: 100,
  archive_mode: true,
  archive_command: "/bin/true",
  log_min_messages: "warning",
  log_replication_commands: false,
};

export interface StandardOptions {
  /** pgbench's: 100 makes 1.5 GB, and 300 MB of incompressible bytes go with it in proportion. */
  readonly scale: number;
  /** Keeps the finished data directory here, and takes it from here the next time. */
  readonly keep?: string;
}

/** pgbench's tables, which shrink to a twentieth, and a table that does not shrink at all. Everything is frozen and checkpointed. */
export function createStandardCluster({ scale, keep }: StandardOptions): Promise<Cluster> {
  const template = keep === undefined ? undefined : join(keep, `standard-${scale}`);
  return createFilled(template, async (cluster) => {
    await cluster.sql("CREATE DATABASE bench");
    const pgbench = join(cluster.binDir, "pgbench");
    await runOrFail(pgbench, ["-h", cluster.socketDir, "-p", String(cluster.port), "-U", "postgres", "-i", "-q", "-s", String(scale), "bench"]);
    // Digests of a counter do not compress, and are the same bytes each time. 256 × 32 bytes fill a page.
    await cluster.sql("CREATE TABLE noise (id int PRIMARY KEY, bytes bytea); ALTER TABLE noise ALTER COLUMN bytes SET STORAGE EXTERNAL", { database: "bench" });
    await cluster.sql(
      `INSERT INTO noise SELECT row, string_agg(sha256((row || '.' || part)::bytea), NULL)
         FROM generate_series(1, ${Math.round(scale * 384)}) AS row, generate_series(1, 256) AS part GROUP BY row`,
      { database: "bench" },
    );
  });
}

/**
 * Many tables of one row with an index each, so that a backup is about files and not about bytes.
 * @param relations  tables and indexes together
 */
export function createManyRelations({ relations, keep }: { readonly relations: number; readonly keep?: string }): Promise<Cluster> {
  const template = keep === undefined ? undefined : join(keep, `relations-${relations}`);
  return createFilled(template, async (cluster) => {
    await cluster.sql("CREATE DATABASE bench");
    const tables = Math.round(relations / 2);
    const session = await cluster.connect({ database: "bench" });
    // A transaction holds a lock for each table that it makes.
    for (let first = 1; first <= tables; first += 1000) {
      const last = Math.min(tables, first + 999);
      await session.query(
        `DO $$ BEGIN FOR i IN ${first}..${last} LOOP
           EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i);
           EXECUTE format('INSERT INTO t%s VALUES (%s)', i, i);
         END LOOP; END $$`,
      );
    }
    await session.end();
  });
}

async function createFilled(template: string | undefined, fill: (cluster: Cluster) => Promise<void>): Promise<Cluster> {
  const cluster = await createCluster({ major: 15, ownIdentity: true, start: false, settings: SETTINGS });
  if (template !== undefined && existsSync(template)) {
    await takeTemplate(template, cluster);
    await cluster.start();
    return cluster;
  }
  await cluster.start();
  await cluster.sql("ALTER SYSTEM SET max_locks_per_transaction = 256");
  await fill(cluster);
  await cluster.sql("VACUUM (FREEZE, ANALYZE)", { database: "bench" });
  await cluster.sql("CHECKPOINT");
  if (template !== undefined) {
    await cluster.stop();
    await mkdir(dirname(template), { recursive: true });
    await copyTree(cluster.dataDir, `${template}.part`);
    await rename(`${template}.part`, template);
    await cluster.start();
  }
  return cluster;
}

/** The settings are this run's: they hold the place of its sockets. */
async function takeTemplate(template: string, cluster: Cluster): Promise<void> {
  const own = new Map<string, string>();
  for (const name of ["postgresql.conf", "pg_hba.conf"]) own.set(name, await readFile(join(cluster.dataDir, name), "utf8"));
  await rm(cluster.dataDir, { recursive: true });
  await copyTree(template, cluster.dataDir);
  for (const [name, text] of own) await writeFile(join(cluster.dataDir, name), text);
}

async function copyTree(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true, preserveTimestamps: true, mode: 0 });
}

/** Bytes of the data directory without pg_wal, as a base backup transfers them. */
export async function dataBytes(cluster: Cluster): Promise<number> {
  const text = await runOrFail("du", ["-sb", "--exclude=pg_wal", cluster.dataDir]);
  return Number.parseInt(text, 10);
}
