/** What the open server says of itself: who may ask everything, how far it came, what is in it. */
import { messageOf } from "../common/index.ts";
import type { Connection } from "../replication/index.ts";
import { drillErrors } from "./errors.ts";
import type { DrilledServer } from "./run-server.ts";

export interface DrilledFacts {
  /** A superuser that may log in. */
  readonly user: string;
  /** A database that was there for asking. */
  readonly database: string;
  /** When the last transaction was committed that recovery replayed, milliseconds since 1970; undefined when it replayed none. */
  readonly lastTransaction: number | undefined;
  readonly lsn: string | null;
  readonly databases: readonly { readonly name: string; readonly bytes: number }[];
}

const superuserQuery = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY oid LIMIT 1";
const positionQuery =
  "SELECT floor(extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000)::bigint, pg_last_wal_replay_lsn(), pg_is_in_recovery()";
const databaseQuery = "SELECT datname, pg_database_size(oid) FROM pg_database WHERE datallowconn ORDER BY oid";

export async function inspectServer(
  server: DrilledServer,
  knownUsers: readonly string[],
  signal: AbortSignal,
): Promise<DrilledFacts> {
  const { connection, database } = await anyConnection(server, knownUsers, signal);
  let user: string | null | undefined;
  try {
    user = (await rowsOf(connection, superuserQuery, signal))[0]?.[0];
  } finally {
    await connection.terminate();
  }
  if (user === null || user === undefined)
    throw drillErrors.failed("the restored cluster has no superuser that may log in");
  const own = await server.connect(user, database, signal);
  try {
    const [time, lsn, recovering] = (await rowsOf(own, positionQuery, signal))[0] ?? [];
    if (recovering !== "f") throw drillErrors.failed("the restored server is still in recovery");
    const databases = (await rowsOf(own, databaseQuery, signal)).map(([name, bytes]) => ({
      name: name ?? "",
      bytes: Number(bytes),
    }));
    return {
      user,
      database,
      lastTransaction: time === null || time === undefined ? undefined : Number(time),
      lsn: lsn ?? null,
      databases,
    };
  } finally {
    await own.terminate();
  }
}

/** Whoever of the users and whichever of the databases exists. */
async function anyConnection(
  server: DrilledServer,
  users: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly connection: Connection; readonly database: string }> {
  let refusal: unknown;
  for (const user of new Set([...users, "postgres"])) {
    for (const database of ["postgres", "template1"]) {
      try {
        return { connection: await server.connect(user, database, signal), database };
      } catch (error) {
        if (signal.aborted) throw error;
        refusal = error;
      }
    }
  }
  throw drillErrors.failed(`the restored server lets nobody in: ${messageOf(refusal)}`, {}, refusal);
}

async function rowsOf(
  connection: Connection,
  sql: string,
  signal: AbortSignal,
): Promise<readonly (readonly (string | null)[])[]> {
  return (await connection.query(sql, signal)).at(-1)?.rows ?? [];
}
