import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Cluster } from "./postgres-cluster.ts";
import { registerResource } from "./resources.ts";
import { waitFor } from "./wait-for.ts";

/** A row of which PostgreSQL said that it is committed. */
export interface Marker {
  readonly n: number;
  /** PostgreSQL's clock just before the commit, with microseconds and offset, as it can be used in a recovery target. */
  readonly time: string;
  /** Position in the WAL just before the commit record of this row. */
  readonly lsn: string;
  readonly xid: string;
}

export interface MarkerLoop {
  /** All rows whose commit was acknowledged so far, oldest first. */
  readonly acknowledged: () => readonly Marker[];
  /** The highest number that was sent; it may or may not have been committed. */
  readonly attempted: () => number;
  /** Waits until so many more rows than now are acknowledged. */
  more(count: number): Promise<void>;
  /** From now on rests so many milliseconds after each row: a load that nobody looks at just now takes a whole core. */
  rest(afterEachMs: number): void;
  /** Ends after the statement under way; all acknowledged rows. */
  stop(): Promise<readonly Marker[]>;
}

const TABLE = `CREATE TABLE IF NOT EXISTS marker (
  n bigint PRIMARY KEY, at timestamptz NOT NULL, lsn pg_lsn NOT NULL, xid text NOT NULL, filler text)`;

/** Inserts and commits one marker row. */
export async function insertMarker(client: pg.Client, n: number, filler = ""): Promise<Marker> {
  const answer = await client.query<{ at: string; lsn: string; xid: string }>(
    `INSERT INTO marker SELECT $1, clock_timestamp(), pg_current_wal_insert_lsn(), (txid_current() % 4294967296)::text, $2
     RETURNING to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00') AS at, lsn::text, xid`,
    [n, filler],
  );
  const [row] = answer.rows;
  if (row === undefined) throw new Error("the insert returned nothing");
  return { n, time: row.at, lsn: row.lsn, xid: row.xid };
}

/** Creates the marker table and inserts so many rows, one transaction each. */
export async function insertMarkers(cluster: Cluster, first: number, last: number, filler = ""): Promise<Marker[]> {
  const client = await cluster.connect({ applicationName: "marker" });
  await client.query(TABLE);
  const markers: Marker[] = [];
  for (let n = first; n <= last; n += 1) markers.push(await insertMarker(client, n, filler));
  await client.end();
  return markers;
}

/**
 * Inserts marker rows without a pause until stopped, through restarts and crashes of the server: the real loss of a
 * recovery is the acknowledged rows that it lacks. `fillerBytes` makes the WAL grow faster.
 */
export async function startMarkerLoop(cluster: Cluster, options: { readonly fillerBytes?: number } = {}): Promise<MarkerLoop> {
  const acknowledged: Marker[] = [];
  const filler = "x".repeat(options.fillerBytes ?? 0);
  let attempted = Number(await prepare(cluster));
  let stopping = false;
  let restMs = 0;

  async function loop(): Promise<void> {
    let client: pg.Client | undefined;
    while (!stopping) {
      try {
        client ??= await cluster.connect({ applicationName: "marker" });
        attempted += 1;
        acknowledged.push(await insertMarker(client, attempted, filler));
        if (restMs > 0) await sleep(restMs);
      } catch {
        // The server is down or was killed under us: the row counts as not acknowledged. Try again with a new session.
        await client?.end().catch(() => undefined);
        client = undefined;
        await sleep(20);
      }
    }
    await client?.end().catch(() => undefined);
  }
  const ended = loop();
  async function stop(): Promise<readonly Marker[]> {
    stopping = true;
    await ended;
    forget();
    return acknowledged;
  }
  const forget = registerResource({
    name: "marker loop",
    release: async () => {
      stopping = true;
    },
    abandon: () => {
      stopping = true;
    },
  });
  return {
    acknowledged: () => acknowledged,
    attempted: () => attempted,
    async more(count) {
      const goal = acknowledged.length + count;
      await waitFor(`${count} more marker rows are committed`, () => acknowledged.length >= goal, {
        seen: () => acknowledged.length,
      });
    },
    rest(afterEachMs) {
      restMs = afterEachMs;
    },
    stop,
  };
}

async function prepare(cluster: Cluster): Promise<string> {
  await cluster.sql(TABLE);
  return cluster.value("SELECT coalesce(max(n), 0) FROM marker");
}

/** The numbers of the marker rows that a cluster holds, in order. */
export async function markersIn(cluster: Cluster): Promise<number[]> {
  return (await cluster.sql("SELECT n FROM marker ORDER BY n")).map(([n]) => Number(n));
}
