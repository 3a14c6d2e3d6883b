import type { Lsn, TimelineId } from "../postgres/index.ts";
import { versionTraits } from "../postgres/index.ts";
import { identifySystem, readReplicationSlot, showParameter } from "./commands.ts";
import type { ConnectOptions } from "./connect-options.ts";
import { connect, type Connection } from "./connection.ts";
import { replicationErrors, sqlStateOf } from "./errors.ts";
import { parseSizeSetting, parseTimeSetting } from "./setting-value.ts";
import { readSqlFacts, type ClockFacts, type ExtensionFacts, type RoleFacts, type SlotFacts, type TablespaceFacts, type TablespaceName } from "./sql-facts.ts";
import type { AuthenticationMethod } from "./startup.ts";

/**
 * What a server says of itself. `undefined` always means "not known", for want of rights or because this
 * version has no such thing; never "no".
 */
export interface ServerFacts {
  readonly user: string;
  readonly host: string;
  readonly serverVersion: number;
  /** As the server writes it, for example `15.18 (Debian 15.18-0+deb12u1)`. */
  readonly versionText: string;
  readonly systemIdentifier: string;
  readonly timeline: TimelineId;
  /** Flush position of a primary, replay position of a standby, when the facts were read. */
  readonly xlogpos: Lsn;
  readonly encrypted: boolean;
  readonly authentication: AuthenticationMethod;
  readonly inRecovery: boolean | undefined;
  readonly dataChecksums: boolean | undefined;
  /** Size of a WAL segment, of a page, of a WAL page: bytes. */
  readonly segmentSize: number;
  readonly blockSize: number;
  readonly walBlockSize: number;
  /** Pages in one file of a relation, 131072 as a rule. */
  readonly relationSegmentBlocks: number;
  readonly timezone: string | undefined;
  readonly walLevel: string | undefined;
  readonly maxWalSenders: number | undefined;
  readonly maxReplicationSlots: number | undefined;
  /** Bytes; -1 for no limit. */
  readonly maxSlotWalKeepSize: number | undefined;
  readonly walSenderTimeoutMs: number | undefined;
  readonly synchronousStandbyNames: string | undefined;
  readonly synchronousCommit: string | undefined;
  readonly summarizeWal: boolean | undefined;
  readonly archiveMode: string | undefined;
  readonly fullPageWrites: boolean | undefined;
  /** Where its files are; needs `pg_read_all_settings`. */
  readonly dataDirectory: string | undefined;
  readonly configFile: string | undefined;
  readonly hbaFile: string | undefined;
  readonly identFile: string | undefined;
  /** Why there is no SQL connection, if so; the facts below are then mostly unknown. */
  readonly sqlUnavailable: string | undefined;
  readonly role: RoleFacts | undefined;
  /** Of the slot that was asked for. */
  readonly slot: SlotFacts;
  readonly tablespaceNames: readonly TablespaceName[] | undefined;
  /** Undefined also where the link of one is broken: the server does not tell any location then. */
  readonly tablespaces: readonly TablespaceFacts[] | undefined;
  /** DER of the certificate that the server showed; undefined without TLS. */
  readonly serverCertificate?: Buffer | undefined;
  /** How far the server's clock is ahead of ours; undefined without an SQL connection. */
  readonly clock?: ClockFacts | undefined;
  /** Of the database `postgres`. */
  readonly extensions: readonly ExtensionFacts[] | undefined;
}

export interface FactsQuestion {
  /** The slot to look at. */
  readonly slot?: string;
}

const noSuchParameter = "42704";
const noRight = "42501";

/**
 * Reads the facts over a replication connection, which every role of ours has, and what only SQL tells over
 * a second one, to `options.database` or `postgres`, if the role may connect there. Throws when there is no
 * replication connection, or POSTGRES_VERSION_UNSUPPORTED; `prerequisiteOfFailure` explains these errors.
 */
export async function readServerFacts(
  options: ConnectOptions,
  question: FactsQuestion = {},
  signal?: AbortSignal,
): Promise<ServerFacts> {
  const connection = await connect({ ...options, replication: true }, signal);
  try {
    // Refuses a version that is too old before it is asked what it does not know.
    versionTraits(connection.serverVersion);
    const identity = await identifySystem(connection, signal);
    const setting = await readSettings(connection, signal);
    const sql = await readSqlFacts({ ...options, replication: false, database: options.database ?? "postgres" }, question.slot, signal);
    const slot = sql.slot ?? (await slotByReplication(connection, question.slot, signal));
    const blockSize = setting.sizeOf("block_size");
    return {
      user: options.user,
      host: options.host,
      serverVersion: connection.serverVersion,
      versionText: connection.parameter("server_version") ?? "",
      systemIdentifier: identity.systemIdentifier,
      timeline: identity.timeline,
      xlogpos: identity.xlogpos,
      encrypted: connection.encrypted,
      authentication: connection.authentication,
      inRecovery: sql.inRecovery ?? hotStandby(connection),
      dataChecksums: setting.flag("data_checksums"),
      segmentSize: setting.sizeOf("wal_segment_size"),
      blockSize,
      walBlockSize: setting.sizeOf("wal_block_size"),
      relationSegmentBlocks: setting.sizeOf("segment_size") / blockSize,
      timezone: setting.text("TimeZone"),
      walLevel: setting.text("wal_level"),
      maxWalSenders: setting.size("max_wal_senders"),
      maxReplicationSlots: setting.size("max_replication_slots"),
      maxSlotWalKeepSize: setting.size("max_slot_wal_keep_size"),
      walSenderTimeoutMs: setting.time("wal_sender_timeout"),
      synchronousStandbyNames: setting.text("synchronous_standby_names"),
      synchronousCommit: setting.text("synchronous_commit"),
      summarizeWal: setting.flag("summarize_wal"),
      archiveMode: setting.text("archive_mode"),
      fullPageWrites: setting.flag("full_page_writes"),
      dataDirectory: setting.text("data_directory"),
      configFile: setting.text("config_file"),
      hbaFile: setting.text("hba_file"),
      identFile: setting.text("ident_file"),
      sqlUnavailable: sql.unavailable,
      role: sql.role,
      slot,
      tablespaceNames: sql.tablespaceNames,
      tablespaces: sql.tablespaces,
      serverCertificate: connection.serverCertificate,
      clock: sql.clock,
      extensions: sql.extensions,
    };
  } finally {
    await connection.terminate();
  }
}

const settingNames = [
  "archive_mode",
  "block_size",
  "config_file",
  "data_checksums",
  "data_directory",
  "full_page_writes",
  "hba_file",
  "ident_file",
  "max_replication_slots",
  "max_slot_wal_keep_size",
  "max_wal_senders",
  "segment_size",
  "summarize_wal",
  "synchronous_commit",
  "synchronous_standby_names",
  "TimeZone",
  "wal_block_size",
  "wal_level",
  "wal_segment_size",
  "wal_sender_timeout",
] as const;
type SettingName = (typeof settingNames)[number];

interface Settings {
  text(name: SettingName): string | undefined;
  flag(name: SettingName): boolean | undefined;
  /** Bytes, or a plain number. */
  size(name: SettingName): number | undefined;
  time(name: SettingName): number | undefined;
  /** A size that every server tells everybody. */
  sizeOf(name: SettingName): number;
}

/** A walsender shows the server's own values: what a role or a database has set for itself does not reach it. */
async function readSettings(connection: Connection, signal: AbortSignal | undefined): Promise<Settings> {
  const values = new Map<SettingName, string>();
  for (const name of settingNames) {
    try {
      values.set(name, await showParameter(connection, name, signal));
    } catch (error) {
      const state = sqlStateOf(error);
      // Not in this version, or not for this role: unknown is an answer.
      if (state !== noSuchParameter && state !== noRight) throw error;
    }
  }
  const convert = <T>(name: SettingName, how: (text: string) => T): T | undefined => {
    const text = values.get(name);
    return text === undefined ? undefined : how(text);
  };
  return {
    text: (name) => values.get(name),
    flag: (name) => convert(name, (text) => text === "on"),
    size: (name) => convert(name, parseSizeSetting),
    time: (name) => convert(name, parseTimeSetting),
    sizeOf(name) {
      const size = convert(name, parseSizeSetting);
      if (size === undefined) throw replicationErrors.protocol(`server does not show its ${name}`);
      return size;
    },
  };
}

/** 14 and later report it without being asked. */
function hotStandby(connection: Connection): boolean | undefined {
  const value = connection.parameter("in_hot_standby");
  return value === undefined ? undefined : value === "on";
}

async function slotByReplication(
  connection: Connection,
  slot: string | undefined,
  signal: AbortSignal | undefined,
): Promise<SlotFacts> {
  if (slot === undefined || !versionTraits(connection.serverVersion).readReplicationSlot) return { name: slot, exists: undefined };
  try {
    const found = await readReplicationSlot(connection, slot, signal);
    if (found === undefined) return { name: slot, exists: false };
    return { name: slot, exists: true, type: found.type, ...(found.restartLsn === undefined ? {} : { restartLsn: found.restartLsn }) };
  } catch (error) {
    // READ_REPLICATION_SLOT refuses a logical slot with this code, which tells that there is one.
    if (sqlStateOf(error) === "0A000") return { name: slot, exists: true, type: "logical" };
    throw error;
  }
}
