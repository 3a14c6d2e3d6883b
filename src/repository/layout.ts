/**
 * Every path of a repository, and the only place that joins them: pgmoneta's tree (doc/formats/repository.md), below
 * `base_dir`. Paths are relative to it, as `Storage` takes them.
 */
import { checkRelativePath, pathFromBytes, pathToBytes } from "../postgres/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";

/** Lock of a whole repository, in `base_dir` itself. */
export const ownerLockName = ".moneta.lock";

/** What was notified, in `base_dir` itself. */
export const notificationsName = ".moneta_notifications.json";

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

/** The paths of one server: those of its WAL for one of its lineages, all others once. */
export interface ServerLayout {
  readonly server: string;
  /** System identifier of an earlier cluster whose WAL this is about; undefined for the present one. */
  readonly lineage: string | undefined;
  readonly directory: string;
  /** What lies here is of the lineage: `directory` itself for the present one. */
  readonly place: string;
  /** Directory with one directory for each earlier lineage. */
  readonly lineages: string;
  /** A change from one lineage to another that has begun; see `changeLineage`. */
  readonly lineageChange: string;
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
  /** What `archive_command` brought; see `WalPushStore`. */
  readonly walPush: string;
  /** The server's processes for the receiver's connections: one that was killed can leave them behind there. */
  readonly walsender: string;
  /** Up to which moment the stream is proven; see `WalCoverageStore`. */
  readonly walCoverage: string;
  /** What drills proved; see `DrillRecords`. */
  readonly drillHistory: string;
  /** Directory of their reports. */
  readonly drills: string;
  drillReport(id: string, form: "json" | "html"): string;
  /** Signature of a report. */
  drillSignature(id: string, form: "json" | "html"): string;
  /** The public key that signatures are checked with. */
  drillSigner(id: string): string;
  /** What ran by itself; see `ScheduleRecords`. */
  readonly schedule: string;
  /** Jobs that have no outcome yet; see `JobJournal`. */
  readonly jobs: string;
  /** What verifications found; see `VerificationStore`. */
  readonly verified: string;
  readonly keys: string;
  keyFile(id: string): string;
  /** A master key that was replaced, wrapped by the one in use; `id` is random. */
  formerMaster(id: string): string;
  /** Whether a name in `keys` is that of a master key that was replaced. */
  isFormerMaster(name: string): boolean;
  /** File that holds the id of the key to encrypt with. */
  readonly currentKey: string;
}

function plainName(name: string, what: string): string {
  if (name === "" || name.startsWith(".") || name.includes("/") || name.includes("\0")) {
    throw repositoryErrors.nameRefused(`${JSON.stringify(name)} cannot be ${what}`);
  }
  return name;
}

/**
 * The paths of `server`; those of its WAL for the earlier cluster with the system identifier `lineage`, without one for the
 * present cluster. Throws REPOSITORY_NAME_REFUSED for a name that is not one directory.
 */
export function serverLayout(server: string, lineage?: string): ServerLayout {
  const directory = plainName(server, "the name of a server");
  const lineages = `${directory}/lineages`;
  const place = lineage === undefined ? directory : `${lineages}/${plainName(lineage, "the name of a lineage")}`;
  const backups = `${directory}/backup`;
  const wal = `${place}/wal`;
  const walIndex = `${place}/wal_index`;
  const keys = `${directory}/keys`;
  const backup = (label: string): string => `${backups}/${plainName(label, "the label of a backup")}`;
  return {
    server,
    lineage,
    directory,
    place,
    lineages,
    lineageChange: `${directory}/lineage_change.json`,
    identity: `${place}/identity.json`,
    backups,
    backup,
    backupFile: (label, relative) => `${backup(label)}/${relative}`,
    wal,
    walFile: (name) => `${wal}/${name}`,
    walIndex,
    historyIndex: `${walIndex}/histories.jsonl`,
    walIndexFile: (segment) => `${walIndex}/${segment.slice(0, 16)}.jsonl`,
    walGaps: `${place}/wal_gaps.json`,
    walSecond: `${directory}/wal_second.json`,
    walPruned: `${place}/wal_pruned.json`,
    walPush: `${directory}/wal_push.json`,
    walsender: `${directory}/walsender.json`,
    walCoverage: `${place}/wal_coverage.json`,
    drillHistory: `${directory}/drills.json`,
    drills: `${directory}/drills`,
    schedule: `${directory}/schedule.json`,
    drillReport: (id, form) => `${directory}/drills/${plainName(id, "the name of a report")}.${form}`,
    drillSignature: (id, form) => `${directory}/drills/${plainName(id, "the name of a report")}.${form}.sig`,
    drillSigner: (id) => `${directory}/drills/signer-${plainName(id, "the id of a key")}.pem`,
    jobs: `${directory}/jobs.json`,
    verified: `${directory}/verified.json`,
    keys,
    keyFile: (id) => `${keys}/${id}.key`,
    formerMaster: (id) => `${keys}/${id}.master`,
    isFormerMaster: (name) => /^[0-9a-f]{32}\.master$/.test(name),
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

const extraDirectory = "extra";

/** A file of the database host that is no part of the cluster, by its absolute path there, as a path in a backup. */
export function extraPath(absolute: string): string {
  return checkRelativePath(`${extraDirectory}/${absolute.replace(/^\/+/, "")}`, "the configuration");
}

/** Whether an entry of a backup is such a file, or a directory of such: no restore makes it part of a cluster. */
export function isExtraPath(path: string): boolean {
  return path === extraDirectory || path.startsWith(`${extraDirectory}/`);
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
