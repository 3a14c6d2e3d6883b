import { commonErrors, messageOf } from "../common/index.ts";
import { parseLsn, type Lsn } from "../postgres/index.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { connect, type Connection } from "./connection.ts";
import { sqlStateOf } from "./errors.ts";
import { quoteLiteral } from "./quoting.ts";

export interface RoleFacts {
  readonly name: string;
  readonly superuser: boolean;
  readonly replication: boolean;
  /** Member of `pg_read_all_settings`, or superuser. */
  readonly readsAllSettings: boolean;
  /** May call `pg_switch_wal()`. */
  readonly switchesWal: boolean;
}

/** A replication slot; what is not known is absent. */
export interface SlotFacts {
  readonly name: string | undefined;
  /** Undefined: nobody asked, or it cannot be known. */
  readonly exists: boolean | undefined;
  readonly type?: string;
  readonly active?: boolean;
  readonly activePid?: number;
  readonly restartLsn?: Lsn;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus?: string;
  /** Bytes that can still be written before the slot may lose its WAL. */
  readonly safeWalSize?: number;
  /** It ends with the connection that made it. */
  readonly temporary?: boolean;
}

/** A tablespace as the catalogue has it, `pg_default` and `pg_global` left out. */
export interface TablespaceName {
  readonly oid: number;
  readonly name: string;
}

export interface TablespaceFacts extends TablespaceName {
  readonly location: string;
  /** Lies in the data directory itself (`allow_in_place_tablespaces`), not behind a link. */
  readonly inPlace: boolean;
}

/** Milliseconds. */
export interface ClockFacts {
  /** The server's clock less ours. */
  readonly offset: number;
  /** The question took so long that the offset may be wrong by this. */
  readonly uncertainty: number;
}

/** An extension that is there in the database of the connection. */
export interface ExtensionFacts {
  readonly name: string;
  readonly version: string;
  /** Empty where it has none. */
  readonly comment: string;
}

export interface SqlFacts {
  readonly unavailable: string | undefined;
  readonly inRecovery: boolean | undefined;
  readonly role: RoleFacts | undefined;
  readonly slot: SlotFacts | undefined;
  readonly tablespaceNames: readonly TablespaceName[] | undefined;
  readonly tablespaces: readonly TablespaceFacts[] | undefined;
  readonly clock: ClockFacts | undefined;
  readonly extensions: readonly ExtensionFacts[] | undefined;
}

/**
 * What only SQL tells. A role that may not connect is no error: everything is unknown then, with the reason.
 * Every name is qualified and every operator taken from pg_catalog, whatever lies in the search path.
 */
export async function readSqlFacts(
  options: ConnectOptions,
  slot: string | undefined,
  signal: AbortSignal | undefined,
): Promise<SqlFacts> {
  let connection: Connection;
  try {
    connection = await connect(options, signal);
  } catch (error) {
    if (commonErrors.aborted.is(error)) throw error;
    return { unavailable: messageOf(error), inRecovery: undefined, role: undefined, slot: undefined, tablespaceNames: undefined, tablespaces: undefined, clock: undefined, extensions: undefined };
  }
  try {
    const ask = async (sql: string): Promise<Row[]> => await rows(connection, sql, signal);
    const before = Date.now();
    const [state] = await ask(
      "SELECT pg_catalog.pg_is_in_recovery() AS recovery, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS moment",
    );
    const after = Date.now();
    return {
      unavailable: undefined,
      inRecovery: state?.["recovery"] === "t",
      role: roleFacts(await ask(roleQuery)),
      slot: slot === undefined ? undefined : slotFacts(slot, await ask(slotQuery(slot))),
      tablespaceNames: (await ask(tablespaceNameQuery)).map(tablespaceName),
      tablespaces: await ask(tablespaceQuery).then(tablespaceFacts, unknownWhenRefused),
      clock: clockFacts(state?.["moment"] ?? null, before, after),
      extensions: await ask(extensionQuery).then(extensionFacts, unknownWhenRefused),
    };
  } finally {
    await connection.terminate();
  }
}

type Row = Readonly<Record<string, string | null>>;

async function rows(connection: Connection, sql: string, signal: AbortSignal | undefined): Promise<Row[]> {
  const [result] = await connection.query(sql, signal);
  return (result?.rows ?? []).map((values) =>
    Object.fromEntries((result?.columns ?? []).map((column, i) => [column, values[i] ?? null])),
  );
}

/** The server cannot read a link that is broken or gone: then no location is known, and the backup itself will say more. */
function unknownWhenRefused(error: unknown): undefined {
  if (sqlStateOf(error) === undefined) throw error;
  return undefined;
}

const roleQuery = `SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolreplication AS replication,
  pg_catalog.pg_has_role(r.oid, 'pg_read_all_settings', 'MEMBER') AS settings,
  pg_catalog.has_function_privilege(r.oid, 'pg_catalog.pg_switch_wal()', 'EXECUTE') AS switch
  FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user`;

/** The server looked at its clock at some moment between the two. */
function clockFacts(moment: string | null, before: number, after: number): ClockFacts | undefined {
  if (moment === null || after < before) return undefined;
  const half = (after - before) / 2;
  return { offset: Math.round(Number(moment) * 1000 - before - half), uncertainty: Math.ceil(half) };
}

function roleFacts([row]: Row[]): RoleFacts | undefined {
  if (row === undefined) return undefined;
  const superuser = row["superuser"] === "t";
  return {
    name: row["name"] ?? "",
    superuser,
    replication: superuser || row["replication"] === "t",
    readsAllSettings: superuser || row["settings"] === "t",
    switchesWal: superuser || row["switch"] === "t",
  };
}

function slotQuery(slot: string): string {
  return `SELECT slot_type AS type, active, active_pid, restart_lsn, wal_status, safe_wal_size, temporary
  FROM pg_catalog.pg_replication_slots WHERE slot_name OPERATOR(pg_catalog.=) ${quoteLiteral(slot)}`;
}

function slotFacts(name: string, [row]: Row[]): SlotFacts {
  if (row === undefined) return { name, exists: false };
  const safe = row["safe_wal_size"] ?? null;
  const pid = row["active_pid"] ?? null;
  const restart = row["restart_lsn"] ?? null;
  const type = row["type"] ?? null;
  const walStatus = row["wal_status"] ?? null;
  return {
    name,
    exists: true,
    active: row["active"] === "t",
    temporary: row["temporary"] === "t",
    ...(type === null ? {} : { type }),
    ...(pid === null ? {} : { activePid: Number(pid) }),
    ...(restart === null ? {} : { restartLsn: parseLsn(restart) }),
    ...(walStatus === null ? {} : { walStatus }),
    ...(safe === null ? {} : { safeWalSize: Number(safe) }),
  };
}

const tablespacesBesides = `FROM pg_catalog.pg_tablespace t
  WHERE t.spcname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_default', 'pg_global']::pg_catalog.name[]) ORDER BY t.oid`;
/** Apart from the locations: for those the server reads every link, and one that is gone would hide the others. */
const tablespaceNameQuery = `SELECT t.oid, t.spcname AS name ${tablespacesBesides}`;
const tablespaceQuery = `SELECT t.oid, t.spcname AS name, pg_catalog.pg_tablespace_location(t.oid) AS location ${tablespacesBesides}`;

/** More are not told: whoever looks at metrics does not look at thousands, and somebody may have made them to be in the way. */
const mostExtensions = 200;
const extensionQuery = `SELECT e.extname AS name, pg_catalog.left(e.extversion, 100) AS version,
  pg_catalog.left(pg_catalog.obj_description(e.oid, 'pg_extension'), 200) AS comment
  FROM pg_catalog.pg_extension e ORDER BY e.extname LIMIT ${mostExtensions}`;

function extensionFacts(found: Row[]): ExtensionFacts[] {
  return found.map((row) => ({ name: row["name"] ?? "", version: row["version"] ?? "", comment: row["comment"] ?? "" }));
}

/** The location of a tablespace in place is that very place below the data directory, that of all others absolute. */
function tablespaceFacts(found: Row[]): TablespaceFacts[] {
  return found.map((row) => {
    const location = row["location"] ?? "";
    const named = tablespaceName(row);
    return { ...named, location, inPlace: location === `pg_tblspc/${named.oid}` };
  });
}

const tablespaceName = (row: Row): TablespaceName => ({ oid: Number(row["oid"]), name: row["name"] ?? "" });
