/** A stretch of WAL that many receivers can read one after the other, each from a slot of its own. */
import type { Cluster } from "../../support/postgres-cluster.ts";

export interface WalStretch {
  readonly bytes: number;
  /** All of it lies before this position. */
  readonly end: string;
  /** A new slot at its beginning. */
  readonly addSlot: (name: string) => Promise<void>;
  readonly dropSlot: (name: string) => Promise<void>;
  /** Lets the server remove the WAL. */
  readonly release: () => Promise<void>;
}

const SOURCE = "bench_stretch";

/** Writes about that much: half updates with images of pages, half plain inserts. */
export async function writeWalStretch(cluster: Cluster, megabytes: number): Promise<WalStretch> {
  await cluster.sql("SELECT pg_switch_wal()");
  // A slot begins with the last checkpoint, however long ago that was.
  await cluster.sql("CHECKPOINT");
  await cluster.sql(`SELECT pg_create_physical_replication_slot('${SOURCE}', true)`);
  const begin = await cluster.value("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '" + SOURCE + "'");
  const end = await writeWal(cluster, megabytes);
  const dropSlot = async (name: string): Promise<void> => {
    await cluster.sql(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${name}' AND NOT active`);
  };
  return {
    bytes: Number(await cluster.value(`SELECT '${end}'::pg_lsn - '${begin}'::pg_lsn`)),
    end,
    async addSlot(name) {
      await cluster.sql(`SELECT pg_copy_physical_replication_slot('${SOURCE}', '${name}')`);
    },
    dropSlot,
    release: () => dropSlot(SOURCE),
  };
}

/** Writes WAL until there is that much more of it, ends the segment, and returns the position. */
export async function writeWal(cluster: Cluster, megabytes: number): Promise<string> {
  const session = await cluster.connect({ database: "bench" });
  const value = async (sql: string): Promise<string> => {
    const { rows } = await session.query<{ value: string }>(sql);
    return rows[0]?.value ?? "";
  };
  await session.query("CREATE TABLE IF NOT EXISTS more (LIKE pgbench_accounts)");
  await session.query("CHECKPOINT");
  const begin = await value("SELECT pg_current_wal_lsn()::text AS value");
  const written = async (): Promise<number> => Number(await value(`SELECT pg_current_wal_lsn() - '${begin}'::pg_lsn AS value`)) / 1e6;
  const rows = Number(await value("SELECT count(*) AS value FROM pgbench_accounts"));
  const share = Math.max(1, Math.round(rows / 50));
  for (let first = 1; (await written()) < megabytes; first = (first + share) % rows) {
    await session.query("UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN $1 AND $2", [first, first + share - 1]);
    await session.query("INSERT INTO more SELECT aid, bid, abalance, md5(aid::text) FROM pgbench_accounts WHERE aid BETWEEN $1 AND $2", [first, first + 2 * share - 1]);
  }
  const end = await value("SELECT pg_switch_wal()::text AS value");
  await session.query("CHECKPOINT");
  await session.end();
  return end;
}
