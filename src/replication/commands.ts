import { historyFileName, parseLsn, pathToBytes, timelineId, versionTraits, type Lsn, type TimelineId } from "../postgres/index.ts";
import type { Connection } from "./connection.ts";
import { replicationErrors, sqlStateOf } from "./errors.ts";
import type { QueryResult } from "./query.ts";
import { quoteIdentifier } from "./quoting.ts";

/** Answer to IDENTIFY_SYSTEM. */
export interface SystemIdentity {
  /** Decimal, 64 bits without sign. */
  readonly systemIdentifier: string;
  readonly timeline: TimelineId;
  /** Flush position of a primary, replay position of a standby. */
  readonly xlogpos: Lsn;
  readonly database: string | null;
}

/** IDENTIFY_SYSTEM (PostgreSQL manual, "Streaming Replication Protocol"). */
export async function identifySystem(connection: Connection, signal?: AbortSignal): Promise<SystemIdentity> {
  const row = onlyRow(await connection.query("IDENTIFY_SYSTEM", signal), "IDENTIFY_SYSTEM");
  const systemIdentifier = text(row, "systemid");
  if (!/^[0-9]{1,20}$/.test(systemIdentifier)) throw replicationErrors.protocol("system identifier is not a number");
  return {
    systemIdentifier,
    timeline: timelineId(Number(text(row, "timeline"))),
    xlogpos: parseLsn(text(row, "xlogpos")),
    database: row.get("dbname") ?? null,
  };
}

/** SHOW on either kind of connection, as the server prints it (`64MB`, `on`). */
export async function showParameter(connection: Connection, name: string, signal?: AbortSignal): Promise<string> {
  // A custom parameter is two identifiers; quoted as one it would be looked up with the point in its name.
  const quoted = name.split(".").map(quoteIdentifier).join(".");
  const results = await connection.query(`SHOW ${quoted}`, signal);
  const value = results[0]?.rows[0]?.[0];
  if (typeof value !== "string") throw replicationErrors.protocol(`SHOW ${name} returned no value`);
  return value;
}

/** A physical slot as READ_REPLICATION_SLOT tells it. */
export interface SlotPosition {
  readonly type: string;
  readonly restartLsn: Lsn | undefined;
  readonly restartTimeline: TimelineId | undefined;
}

/**
 * READ_REPLICATION_SLOT (15 and later); undefined when there is no such slot. Throws BASE_BACKUP_OPTION_UNSUPPORTED
 * on 13 and 14, where only SQL tells: see `readServerFacts`.
 */
export async function readReplicationSlot(
  connection: Connection,
  slot: string,
  signal?: AbortSignal,
): Promise<SlotPosition | undefined> {
  if (!versionTraits(connection.serverVersion).readReplicationSlot) {
    throw replicationErrors.baseBackupUnsupported("this version of PostgreSQL has no READ_REPLICATION_SLOT");
  }
  const row = onlyRow(await connection.query(`READ_REPLICATION_SLOT ${quoteIdentifier(slot)}`, signal), "READ_REPLICATION_SLOT");
  const type = row.get("slot_type") ?? null;
  if (type === null) return undefined;
  const position = row.get("restart_lsn") ?? null;
  const timeline = row.get("restart_tli") ?? null;
  return {
    type,
    restartLsn: position === null ? undefined : parseLsn(position),
    restartTimeline: timeline === null ? undefined : timelineId(Number(timeline)),
  };
}

/** Creates a physical slot that keeps WAL from now on (RESERVE_WAL); "exists" when there is one of that name already. */
export async function createPhysicalSlot(connection: Connection, slot: string, signal?: AbortSignal): Promise<"created" | "exists"> {
  try {
    await connection.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} PHYSICAL RESERVE_WAL`, signal);
    return "created";
  } catch (error) {
    if (sqlStateOf(error) === "42710") return "exists";
    throw error;
  }
}

/** Drops a slot that nobody uses. */
export async function dropSlot(connection: Connection, slot: string, signal?: AbortSignal): Promise<void> {
  await connection.query(`DROP_REPLICATION_SLOT ${quoteIdentifier(slot)}`, signal);
}

/** A timeline history file as the server has it. */
export interface TimelineHistoryFile {
  readonly fileName: string;
  /** The file's bytes, to be stored as they are. */
  readonly content: Buffer;
}

/** TIMELINE_HISTORY for a timeline above 1 (timeline 1 has no history). */
export async function timelineHistory(
  connection: Connection,
  timeline: TimelineId,
  signal?: AbortSignal,
): Promise<TimelineHistoryFile> {
  const row = onlyRow(await connection.query(`TIMELINE_HISTORY ${timeline}`, signal), "TIMELINE_HISTORY");
  const fileName = text(row, "filename");
  if (fileName !== historyFileName(timeline)) {
    throw replicationErrors.protocol(`server names the history of timeline ${timeline} "${fileName}"`);
  }
  return { fileName, content: pathToBytes(text(row, "content")) };
}

type Row = ReadonlyMap<string, string | null>;

function onlyRow(results: readonly QueryResult[], command: string): Row {
  const result = results.find((each) => each.columns.length > 0);
  const values = result?.rows[0];
  if (result === undefined || values === undefined || result.rows.length !== 1) {
    throw replicationErrors.protocol(`${command} did not return one row`);
  }
  return new Map(result.columns.map((column, i) => [column, values[i] ?? null]));
}

function text(row: Row, column: string): string {
  const value = row.get(column);
  if (typeof value !== "string") throw replicationErrors.protocol(`answer has no "${column}"`);
  return value;
}

