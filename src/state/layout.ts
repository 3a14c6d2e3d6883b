/**
 * What the state segment holds, field by field: the one list from which offsets, types, the mirror between
 * processes and the metrics follow. Adding, removing or moving a field changes `LAYOUT_VERSION`.
 */
import { logLevels } from "../log/index.ts";
import { CELL_SIZE, field, type FieldTable, type RecordOf } from "./field.ts";
import { recordCells } from "./record.ts";

/** Raised with every change of the tables below; a test holds the version and the tables together. */
export const LAYOUT_VERSION = 6n;
/** "MONETAST" read as a number: a buffer that does not begin with it is not a state segment. */
export const LAYOUT_MAGIC = 0x5453_4154_454e_4f4dn;

/** What running processes and threads must see of the configuration at once when it changes. */
export const configurationFields = {
  /** Counts the changes; equal generations mean equal values. */
  generation: field.count,
  logLevel: field.choice(...logLevels),
  /** Threads of an operation, 0 = inline. */
  workers: field.count,
  /** Bytes per second of a base backup, 0 = no limit. */
  maxRate: field.count,
} satisfies FieldTable;

/** The same for one server; what it inherits is already filled in. */
export const serverConfigurationFields = {
  /** `mode <server> online|offline`. */
  online: field.flag,
  workers: field.count,
  maxRate: field.count,
} satisfies FieldTable;

/** Upper bounds of the buckets of `flushBuckets`, seconds; the last bucket has none. */
export const flushBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const;

/** How often making WAL durable took so long, since the supervisor started. */
const flushFields = {
  flushes500us: field.count,
  flushes1ms: field.count,
  flushes2500us: field.count,
  flushes5ms: field.count,
  flushes10ms: field.count,
  flushes25ms: field.count,
  flushes50ms: field.count,
  flushes100ms: field.count,
  flushes250ms: field.count,
  flushes500ms: field.count,
  flushes1s: field.count,
  flushes2500ms: field.count,
  flushes10s: field.count,
  flushesLonger: field.count,
} satisfies FieldTable;
/** The fields of these buckets, in the order of their bounds. */
export const flushBuckets = Object.keys(flushFields) as (keyof typeof flushFields)[];

/** Live state of one configured PostgreSQL server. */
export const serverFields = {
  /** The receiver's process, written by the supervisor. */
  process: field.choice("stopped", "starting", "running", "draining", "backoff", "failed"),
  /** What the receiver is doing with its server. */
  receiver: field.choice(
    "stopped",
    "disconnected",
    "connecting",
    "preparing",
    "comparing",
    "streaming",
    "paused",
    "refused",
  ),
  connected: field.flag,
  timeline: field.count,
  /** End of what was received. */
  writeLsn: field.lsn,
  /** End of what is durable: what the server was told. */
  flushLsn: field.lsn,
  /** End of the server's WAL as it last said. */
  serverEndLsn: field.lsn,
  /** When the server was last heard, milliseconds since 1970. */
  lastMessageTime: field.count,
  /** Everything that the server had flushed at this moment of its clock is durable; milliseconds since 1970, 0 = not known. */
  coveredTime: field.count,
  reconnects: field.count,
  ...flushFields,
  /** What all of them took together. */
  flushMicros: field.count,
  summarizesWal: field.flag,
  /** Ranges of WAL known to be missing. */
  gaps: field.count,
  /** `wal_status` of the replication slot. */
  slot: field.choice("unknown", "missing", "reserved", "extended", "unreserved", "lost"),
  serverVersion: field.count,
  walSegmentSize: field.count,
  inRecovery: field.flag,
  checksums: field.flag,
  archivedSegments: field.count,
  /** Stored bytes of the segments archived since the supervisor started. */
  archivedBytes: field.count,
  /** Bytes of WAL received since the supervisor started. */
  receivedBytes: field.count,
  /** Stored bytes of all WAL of the server. */
  walBytes: field.count,
  /** Stored bytes of all backups of the server. */
  backupBytes: field.count,
  backups: field.count,
  restarts: field.count,
  /** Code of the error that holds the server up, empty when nothing does. */
  error: field.text(6),
} satisfies FieldTable;

/** One operation, running or ended; its slot is used again when newer jobs need it. */
export const jobFields = {
  /** 0 = the slot was never used. */
  id: field.count,
  /** Place of the server in the configuration. */
  server: field.count,
  command: field.choice(
    "none",
    "backup",
    "restore",
    "delete",
    "archive-wal",
    "clean",
    "retention",
    "retention-plan",
    "drill",
    "verify",
    "ship-wal",
    "archive",
    "hot-standby",
    "lineage",
  ),
  state: field.choice(
    "none",
    "waiting",
    "starting",
    "running",
    "cancelling",
    "succeeded",
    "failed",
    "cancelled",
    "died",
  ),
  /** What it is doing now, in words. */
  phase: field.text(8),
  bytesDone: field.count,
  /** 0 = not known yet. */
  bytesTotal: field.count,
  /** When the bytes that are done began to be counted, milliseconds since 1970; 0 = none is done yet. */
  countedFrom: field.count,
  /** When it began to run, milliseconds since 1970. */
  started: field.count,
  ended: field.count,
} satisfies FieldTable;

/** What a receiver knows and the supervisor only repeats; everything else of a server's record is the supervisor's. */
export const receiverOwns = [
  "receiver",
  "connected",
  "timeline",
  "writeLsn",
  "flushLsn",
  "serverEndLsn",
  "lastMessageTime",
  "coveredTime",
  "reconnects",
  ...flushBuckets,
  "flushMicros",
  "summarizesWal",
  "gaps",
  "slot",
  "serverVersion",
  "walSegmentSize",
  "inRecovery",
  "checksums",
  "receivedBytes",
  "error",
] as const satisfies readonly (keyof typeof serverFields)[];

/** What the process of a job knows of its own record. */
export const jobOwns = ["phase", "bytesDone", "bytesTotal", "countedFrom"] as const satisfies readonly (keyof typeof jobFields)[];

export type LiveConfiguration = RecordOf<typeof configurationFields>;
export type ServerConfiguration = RecordOf<typeof serverConfigurationFields>;
export type ServerState = RecordOf<typeof serverFields>;
export type JobState = RecordOf<typeof jobFields>;
export type ReceiverState = ServerState["receiver"];
export type JobCommand = Exclude<JobState["command"], "none">;

/** How many records of each kind a segment has. */
export interface SegmentShape {
  readonly servers: number;
  readonly jobs: number;
}

/** First cells: magic, version, servers, jobs. */
export const HEADER_CELLS = 4;

export interface SegmentPlan {
  readonly bytes: number;
  readonly configuration: number;
  serverConfiguration(index: number): number;
  server(index: number): number;
  job(index: number): number;
}

/** Cell index of every record of a segment of this shape. */
export function planSegment(shape: SegmentShape): SegmentPlan {
  const configuration = HEADER_CELLS;
  const serverConfiguration = configuration + recordCells(configurationFields);
  const server = serverConfiguration + shape.servers * recordCells(serverConfigurationFields);
  const job = server + shape.servers * recordCells(serverFields);
  const end = job + shape.jobs * recordCells(jobFields);
  return {
    bytes: end * CELL_SIZE,
    configuration,
    serverConfiguration: (index) => serverConfiguration + index * recordCells(serverConfigurationFields),
    server: (index) => server + index * recordCells(serverFields),
    job: (index) => job + index * recordCells(jobFields),
  };
}
