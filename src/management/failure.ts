/**
 * pgmoneta's error numbers (0.22; doc/PROTOCOL.md lists them by name) and which of them a failure of ours becomes.
 *
 * An error of the catalogue is first put into a class by its code, the class gives the number of the command's block.
 * The precise code, message and hint travel beside the number, so nothing is lost where pgmoneta has no word for it.
 */
import type { MonetaError } from "../common/index.ts";
import type { CommandName } from "./command-table.ts";

/** What kind of failure it is, in pgmoneta's categories. */
export type FailureKind =
  | "payload"
  | "unknown-command"
  | "invalid"
  | "wal"
  | "active"
  | "no-backups"
  | "no-backup"
  | "retained"
  | "network"
  | "offline"
  | "no-server"
  | "no-fork"
  | "no-space"
  | "no-file"
  | "unknown-action"
  | "invalid-sort"
  | "no-job"
  | "setup"
  | "execute"
  | "teardown"
  | "error";

type Numbers = Partial<Record<FailureKind, number>> & { readonly error: number };

const file = (base: number): Numbers => ({ "no-file": base, "no-fork": base + 1, network: base + 2, error: base + 3 });

/** Numbers of each command's block; `error` is what remains. Blocks of pgmoneta end below 10000, ours begin there. */
const numbers: Readonly<Record<CommandName, Numbers>> = {
  backup: {
    invalid: 100,
    wal: 101,
    active: 102,
    "no-backups": 103,
    setup: 106,
    execute: 107,
    teardown: 108,
    network: 109,
    offline: 110,
    "no-server": 111,
    "no-fork": 112,
    error: 113,
  },
  "list-backup": { network: 303, "no-server": 304, "no-fork": 305, "invalid-sort": 306, error: 307 },
  delete: {
    active: 503,
    "no-backups": 504,
    "no-backup": 505,
    retained: 506,
    setup: 500,
    execute: 501,
    teardown: 502,
    "no-server": 403,
    "no-fork": 404,
    network: 405,
    error: 509,
  },
  restore: {
    "no-backup": 600,
    "no-backups": 600,
    "no-space": 601,
    active: 602,
    "no-server": 603,
    setup: 604,
    execute: 605,
    teardown: 606,
    "no-fork": 607,
    network: 608,
    error: 609,
  },
  verify: { "no-server": 800, setup: 801, execute: 802, teardown: 803, "no-fork": 804, network: 805, error: 806 },
  archive: {
    "no-backup": 900,
    "no-server": 901,
    active: 902,
    setup: 903,
    execute: 904,
    teardown: 905,
    "no-fork": 906,
    network: 907,
    error: 908,
  },
  status: { "no-fork": 1000, network: 1001, error: 1001 },
  "status details": { "no-fork": 1100, network: 1101, error: 1101 },
  retain: { "no-backup": 1200, "no-server": 1201, "no-fork": 1202, network: 1203, error: 1204 },
  expunge: { "no-backup": 1300, "no-server": 1301, "no-fork": 1302, network: 1303, error: 1304 },
  decrypt: file(1400),
  encrypt: file(1500),
  decompress: { "no-fork": 2000, error: 2001 },
  compress: { "no-fork": 2100, error: 2101 },
  info: { "no-backup": 2200, "no-backups": 2200, "no-server": 2201, "no-fork": 2202, network: 2203, error: 2204 },
  annotate: {
    "no-backup": 2500,
    "no-server": 2501,
    "no-fork": 2502,
    execute: 2503,
    network: 2504,
    error: 2505,
    "unknown-action": 2506,
  },
  "conf get": { "no-fork": 2600, network: 2602, error: 2603 },
  "conf set": { "no-fork": 2700, "no-server": 2705, network: 2706, error: 2707 },
  "conf ls": { error: 1 },
  "conf reload": { error: 1 },
  mode: { "no-server": 2800, "no-fork": 2801, execute: 2802, network: 2803, error: 2804, "unknown-action": 2805 },
  "s3 ls": { "no-server": 2900, "no-fork": 2901, execute: 2902, network: 2904, error: 2905 },
  progress: { "no-server": 3000, "no-fork": 3001, network: 3002, error: 3003 },
  "s3 restore": { "no-server": 3100, "no-fork": 3101, execute: 3102, network: 3103, error: 3104 },
  ping: { error: 1 },
  shutdown: { error: 1 },
  "clear prometheus": { error: 1 },
  retention: { "no-server": 10_020, setup: 10_021, execute: 10_022, error: 10_023 },
  cancel: { "no-server": 10_000, "no-job": 10_001, error: 10_002 },
  drill: { "no-server": 10_100, "no-backup": 10_101, "no-backups": 10_101, "no-space": 10_102, error: 10_103 },
  check: { "no-server": 10_500, error: 10_501 },
  "notify test": { error: 10_510 },
  diagnose: { error: 10_520 },
  schedule: { "no-server": 10_300, error: 10_301 },
  lineage: { "no-server": 10_400, offline: 10_401, network: 10_402, "unknown-action": 10_403, error: 10_404 },
  "key rotate": { "no-server": 11_000, error: 11_001 },
};

/** Codes by class; what is in none of them is a plain failure of its command. */
const codes: Readonly<Partial<Record<FailureKind, readonly string[]>>> = {
  payload: [
    "MANAGEMENT_DOCUMENT_INVALID",
    "MANAGEMENT_FRAME_INVALID",
    "MANAGEMENT_FRAME_TOO_LARGE",
    "MANAGEMENT_MASTER_KEY_MISSING",
    "REQUEST_INVALID",
  ],
  "unknown-command": ["COMMAND_UNKNOWN"],
  "no-server": ["SERVER_UNKNOWN"],
  "no-backup": ["BACKUP_NOT_FOUND"],
  offline: ["SERVER_OFFLINE"],
  active: ["JOBS_EXHAUSTED", "BACKUP_NEEDED"],
  retained: ["BACKUP_RETAINED"],
  "no-file": ["CONVERT_NO_FILE"],
  "unknown-action": ["ACTION_UNKNOWN"],
  "invalid-sort": ["SORT_INVALID"],
  "no-job": ["JOB_UNKNOWN"],
  "no-space": [
    "STORAGE_FULL",
    "BACKUP_NO_SPACE",
    "RESTORE_NO_SPACE",
    "DRILL_NO_SPACE",
    "WAL_DISK_FULL",
    "CONVERT_NO_SPACE",
    "ARCHIVE_NO_SPACE",
  ],
  network: [
    "SERVER_UNREACHABLE",
    "SERVER_NAME_UNRESOLVED",
    "SERVER_CONNECT_TIMEOUT",
    "SERVER_CONNECTION_LOST",
    "SERVER_SILENT",
    "SERVER_STOPPED",
    "SERVER_UNAVAILABLE",
  ],
  wal: ["SERVER_WAL_REMOVED", "WAL_STREAM_BROKEN", "WAL_NOT_RECEIVED", "BACKUP_WITHOUT_WAL", "BACKUP_WAL_MISSING"],
  setup: ["BACKUP_PREREQUISITE_MISSING"],
  execute: ["COMMENT_EXISTS", "COMMENT_NOT_FOUND", "RETENTION_INCOMPLETE"],
};

const kinds = new Map<string, FailureKind>(
  (Object.keys(codes) as FailureKind[]).flatMap((kind) => (codes[kind] ?? []).map((code) => [code, kind] as const)),
);

/** Class of an error; what no table names is a plain `error`. */
export function failureKind(error: Pick<MonetaError, "code">): FailureKind {
  return kinds.get(error.code) ?? "error";
}

/** Codes that have a class of their own; a test compares them with the error catalogue of the project. */
export const classifiedCodes: readonly string[] = [...kinds.keys()];

/** The number that pgmoneta's clients read in `Outcome.Error`; `command` is undefined when it could not be read. */
export function wireErrorNumber(command: CommandName | undefined, error: Pick<MonetaError, "code">): number {
  const kind = failureKind(error);
  if (kind === "unknown-command") return 2;
  if (kind === "payload" || command === undefined) return 1;
  return numbers[command][kind] ?? numbers[command].error;
}

const classes: readonly (readonly [FailureKind, number])[] = [
  ["no-server", 5],
  ["no-backup", 40],
  ["no-backups", 40],
  ["no-file", 5],
  ["no-job", 5],
  ["active", 6],
  ["offline", 6],
  ["retained", 6],
  ["unknown-action", 2],
  ["invalid-sort", 2],
  ["no-space", 30],
];

/** Exit status for a failed outcome that carries only a number, as pgmoneta's own daemon sends it. */
export function exitStatusOfNumber(command: CommandName, number: number): number {
  if (number === 1 || number === 3) return 4;
  if (number === 2) return 11;
  const block = numbers[command];
  return classes.find(([kind]) => block[kind] === number)?.[1] ?? 1;
}
