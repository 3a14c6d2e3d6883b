/** What a PostgreSQL server says of itself to the role that sets it up. Reads only. */
import { connect, quoteLiteral, sqlStateOf, type Connection, type ConnectOptions } from "../../replication/index.ts";
import type { ServerAddress } from "./request.ts";

/** The replication role as it is on the server. */
export interface RoleLook {
  readonly login: boolean;
  readonly replication: boolean;
  readonly superuser: boolean;
  /** Member of `pg_read_all_settings`. */
  readonly readsSettings: boolean;
  /** May connect to the database in which SQL is run. */
  readonly connects: boolean;
}

export interface ServerLook {
  /** As PostgreSQL numbers them: 150018. */
  readonly version: number;
  readonly versionText: string;
  readonly encrypted: boolean;
  /** Our address as the server sees it; undefined over a socket. */
  readonly seenFrom: string | undefined;
  readonly me: { readonly name: string; readonly superuser: boolean; readonly createsRoles: boolean };
  /** Of `pg_settings`, in their units; a setting that this role may not see, or that this version lacks, is absent. */
  readonly settings: ReadonlyMap<string, string>;
  readonly systemIdentifier: string | undefined;
  readonly inRecovery: boolean;
  /** Bytes of the databases that can be measured. */
  readonly databaseBytes: number;
  /** Databases whose size this role may not see. */
  readonly unmeasured: number;
  readonly tablespaces: readonly string[];
  /** Slots that exist, whoever uses them. */
  readonly slots: number;
  /** The slot that is wanted; undefined when it does not exist. */
  readonly slot: { readonly type: string; readonly active: boolean } | undefined;
  /** Undefined when it does not exist. */
  readonly role: RoleLook | undefined;
  /** The administrators' role of a provider, which tells that the files of the server are not the operator's. */
  readonly provider: string | undefined;
}

const settingNames = ["data_checksums", "hba_file", "max_replication_slots", "max_wal_senders", "ssl", "summarize_wal", "wal_level"];
/** Group roles that providers give their customers. */
const providerRoles = ["rds_superuser", "cloudsqlsuperuser", "azure_pg_admin"];

/** How the procedure connects; `replication` is asked for by whoever needs a walsender. */
export function connectOptions(
  { host, port, database, tls }: ServerAddress,
  user: string,
  password: () => Promise<string | undefined>,
): ConnectOptions {
  return {
    host,
    port,
    user,
    password,
    database,
    tls,
    replication: false,
    applicationName: "moneta-admin",
    connectTimeoutMs: 20_000,
    keepAlive: true,
    noDelay: true,
    idleTimeoutMs: 60_000,
  };
}

type Row = Readonly<Record<string, string | null>>;

async function rows(connection: Connection, sql: string, signal: AbortSignal): Promise<Row[]> {
  const [result] = await connection.query(sql, signal);
  return (result?.rows ?? []).map((values) => Object.fromEntries((result?.columns ?? []).map((name, at) => [name, values[at] ?? null])));
}

const isTrue = (row: Row | undefined, column: string): boolean => row?.[column] === "t";
const inList = (texts: readonly string[]): string => `(${texts.map(quoteLiteral).join(", ")})`;

/** Connects, looks and says goodbye. Throws what `connect` throws, and the error of a server that refuses a question. */
export async function lookAtServer(
  options: ConnectOptions,
  wanted: { readonly role: string; readonly slot: string },
  signal: AbortSignal,
): Promise<ServerLook> {
  const connection = await connect(options, signal);
  try {
    return await look(connection, wanted, signal);
  } finally {
    await connection.terminate();
  }
}

async function look(connection: Connection, { role, slot }: { readonly role: string; readonly slot: string }, signal: AbortSignal): Promise<ServerLook> {
  const ask = (sql: string): Promise<Row[]> => rows(connection, sql, signal);
  // Whatever somebody has put into the schemas of this database.
  await ask("SET search_path = pg_catalog");
  const [me] = await ask(
    `SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolcreaterole AS creates, pg_catalog.pg_is_in_recovery() AS recovery,
      pg_catalog.host(pg_catalog.inet_client_addr()) AS address
      FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`,
  );
  const settings = await ask(`SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ${inList(settingNames)}`);
  const [sizes] = await ask(
    `SELECT pg_catalog.sum(pg_catalog.pg_database_size(oid)) FILTER (WHERE measured) AS bytes, pg_catalog.count(*) FILTER (WHERE NOT measured) AS hidden
      FROM (SELECT oid, pg_catalog.has_database_privilege(oid, 'CONNECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS measured
        FROM pg_catalog.pg_database WHERE datname <> 'template0') d`,
  );
  const tablespaces = await ask("SELECT spcname AS name FROM pg_catalog.pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY spcname");
  const [slots] = await ask("SELECT pg_catalog.count(*) AS number FROM pg_catalog.pg_replication_slots");
  const [ours] = await ask(`SELECT slot_type AS type, active FROM pg_catalog.pg_replication_slots WHERE slot_name = ${quoteLiteral(slot)}`);
  const [found] = await ask(
    `SELECT rolcanlogin AS login, rolreplication AS replication, rolsuper AS superuser,
      pg_catalog.pg_has_role(oid, 'pg_read_all_settings', 'MEMBER') AS settings,
      pg_catalog.has_database_privilege(oid, pg_catalog.current_database()::text, 'CONNECT') AS connects
      FROM pg_catalog.pg_roles WHERE rolname = ${quoteLiteral(role)}`,
  );
  const [provider] = await ask(`SELECT rolname AS name FROM pg_catalog.pg_roles WHERE rolname IN ${inList(providerRoles)}`);
  return {
    version: connection.serverVersion,
    versionText: connection.parameter("server_version") ?? "",
    encrypted: connection.encrypted,
    seenFrom: me?.["address"] ?? undefined,
    me: { name: me?.["name"] ?? "", superuser: isTrue(me, "superuser"), createsRoles: isTrue(me, "superuser") || isTrue(me, "creates") },
    settings: new Map(settings.map((row) => [row["name"] ?? "", row["setting"] ?? ""])),
    systemIdentifier: await systemIdentifier(ask),
    inRecovery: isTrue(me, "recovery"),
    databaseBytes: Number(sizes?.["bytes"] ?? 0),
    unmeasured: Number(sizes?.["hidden"] ?? 0),
    tablespaces: tablespaces.map((row) => row["name"] ?? ""),
    slots: Number(slots?.["number"] ?? 0),
    slot: ours === undefined ? undefined : { type: ours["type"] ?? "", active: isTrue(ours, "active") },
    role:
      found === undefined
        ? undefined
        : {
            login: isTrue(found, "login"),
            replication: isTrue(found, "superuser") || isTrue(found, "replication"),
            superuser: isTrue(found, "superuser"),
            readsSettings: isTrue(found, "superuser") || isTrue(found, "settings"),
            connects: isTrue(found, "connects"),
          },
    provider: provider?.["name"] ?? undefined,
  };
}

/** Where an administrator has taken the function away from others, it is told by the replication connection later. */
async function systemIdentifier(ask: (sql: string) => Promise<Row[]>): Promise<string | undefined> {
  try {
    const [row] = await ask("SELECT system_identifier AS id FROM pg_catalog.pg_control_system()");
    return row?.["id"] ?? undefined;
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    return undefined;
  }
}
