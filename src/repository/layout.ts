/**
 * Every path of a repository, and the only place that joins them: pgmoneta's tree (doc/formats/repository.md), below
 * `base_dir`. Paths are relative to it, as `Storage` takes them.
 */
import { pathFromBytes, pathToBytes } from "../postgres/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";

/** Lock of a whole repository, in `base_dir` itself. */
export const ownerLockName = ".moneta.lock";

/** Names within the directory of a backup. */
export const backupFiles = {
  info: "backup.info",
  manifest: "backup.manifest",
  chunks: "backup.chunks",
  /** The list of stored digests. */
  digests: (hash: HashAlgorithm): string => `backup.${hash}`,
  /** The cluster directory. */
  data: "data",
} as const;

/** What pgmoneta 0.22 calls its backups, and Moneta its own: a second, as digits. */
export function isLabel(name: string): boolean {
  return /^[0-9]{14}$/.test(name);
}

/** The paths of one server. */
export interface ServerLayout {
  readonly server: string;
  readonly directory: string;
  /** Which PostgreSQL cluster this is the repository of; see `ServerIdentityStore`. */
  readonly identity: string;
  /** Directory with one directory a backup. */
  readonly backups: string;
  backup(label: string): string;
  /** A file of a backup, `relative` to its directory. */
  backupFile(label: string, relative: string): string;
  readonly wal: string;
  /** A file of the WAL directory by its name with all suffixes. */
  walFile(name: string): string;
  readonly walIndex: string;
  /** The part of the index that describes the segment called `segment`: those that share its first 16 digits. */
  walIndexFile(segment: string): string;
  /** Digests of the history files. */
  readonly historyIndex: string;
  readonly walGaps: string;
  /** Which second copy of the WAL was begun; see `runSecondCopy`. */
  readonly walSecond: string;
  /** WAL that was removed on purpose; see `WalPruned`. */
  readonly walPruned: string;
  /** The server's processes for the receiver's connections: one that was killed can leave them behind there. */
  readonly walsender: string;
  /** Up to which moment the stream is proven; see `WalCoverageStore`. */
  readonly walCoverage: string;
  /** What drills proved; see `DrillRecords`. */
  readonly drillHistory: string;
  /** Directory of their reports. */
  readonly drills: string;
  drillReport(id: string, form: "json" | "html"): string;
  /** What ran by itself; see `ScheduleRecords`. */
  readonly schedule: string;
  /** What verifications found; see `VerificationStore`. */
  readonly verified: string;
  readonly keys: string;
  keyFile(id: string): string;
  /** File that holds the id of the key to encrypt with. */
  readonly currentKey: string;
}

function plainName(name: string, what: string): string {
  if (name === "" || name.startsWith(".") || name.includes("/") || name.includes("\0")) {
    throw repositoryErrors.nameRefused(`${JSON.stringify(name)} cannot be ${what}`);
  }
  return name;
}

/** The paths of `server`. Throws REPOSITORY_NAME_REFUSED for a name that is not one directory. */
export function serverLayout(server: string): ServerLayout {
  const directory = plainName(server, "the name of a server");
  const backups = `${directory}/backup`;
  const wal = `${directory}/wal`;
  const walIndex = `${directory}/wal_index`;
  const keys = `${directory}/keys`;
  const backup = (label: string): string => `${backups}/${plainName(label, "the label of a backup")}`;
  return {
    server,
    directory,
    identity: `${directory}/identity.json`,
    backups,
    backup,
    backupFile: (label, relative) => `${backup(label)}/${relative}`,
    wal,
    walFile: (name) => `${wal}/${name}`,
    walIndex,
    historyIndex: `${walIndex}/histories.jsonl`,
    walIndexFile: (segment) => `${walIndex}/${segment.slice(0, 16)}.jsonl`,
    walGaps: `${directory}/wal_gaps.json`,
    walSecond: `${directory}/wal_second.json`,
    walPruned: `${directory}/wal_pruned.json`,
    walsender: `${directory}/walsender.json`,
    walCoverage: `${directory}/wal_coverage.json`,
    drillHistory: `${directory}/drills.json`,
    drills: `${directory}/drills`,
    schedule: `${directory}/schedule.json`,
    drillReport: (id, form) => `${directory}/drills/${plainName(id, "the name of a report")}.${form}`,
    verified: `${directory}/verified.json`,
    keys,
    keyFile: (id) => `${keys}/${id}.key`,
    currentKey: `${keys}/current`,
  };
}

/** A file of the cluster directory, `relative` to it, as a path in a backup. */
export function dataPath(relative: string): string {
  return `${backupFiles.data}/${relative}`;
}

/** A file of a tablespace, `relative` to its location, as a path in a backup; `directory` from `tablespaceDirectory`. */
export function tablespacePath(directory: string, relative: string): string {
  return `${directory}/${relative}`;
}

const tablespacePrefix = "tblspc_";

/** Bytes that a tablespace name keeps in the name of its directory: visible ASCII without `%` and `/`, and UTF-8. */
function staysAsItIs(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0xd800 && code <= 0xdfff) return false;
  return code > 0x20 && code !== 0x7f && !(code >= 0x80 && code < 0xa0) && character !== "%" && character !== "/";
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/**
 * Directory of the tablespace `name` in a backup: `tblspc_` and the name, in which `%`, `/`, white space, control
 * characters and bytes outside UTF-8 are written as `%` and two digits. At most 196 bytes for PostgreSQL's 63.
 */
export function tablespaceDirectory(name: string): string {
  let escaped = "";
  for (const character of name) {
    escaped += staysAsItIs(character) ? character : [...pathToBytes(character)].map(percent).join("");
  }
  return `${tablespacePrefix}${escaped}`;
}

/** The name of the tablespace that `tablespaceDirectory` made this directory of; undefined for another directory. */
export function tablespaceName(directory: string): string | undefined {
  if (!directory.startsWith(tablespacePrefix)) return undefined;
  const escaped = pathToBytes(directory.slice(tablespacePrefix.length)).toString("latin1");
  if (/%(?![0-9A-F]{2})/.test(escaped)) return undefined;
  const bytes = escaped.replace(/%([0-9A-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return pathFromBytes(Buffer.from(bytes, "latin1"));
}
