/**
 * What differs between the majors of PostgreSQL. This is the only place of the project that compares versions:
 * everybody else asks for the trait. A major newer than the newest known is treated like that one.
 */
import { postgresErrors } from "./errors.ts";

export const oldestMajor = 13;
export const newestMajor = 18;

export interface VersionTraits {
  readonly major: number;
  readonly minor: number;
  /** False for a major newer than the newest known: it is treated like that one, and the operator is warned. */
  readonly known: boolean;
  /** 13–14 send one COPY per archive and one for the manifest; later ones a single COPY with type bytes. */
  readonly baseBackupProtocol: "multiple-copies" | "single-copy";
  /** 13–14: `BASE_BACKUP LABEL 'x' NOWAIT`; later `BASE_BACKUP (LABEL 'x', WAIT false)`. */
  readonly baseBackupSyntax: "keywords" | "options";
  /** True when each archive ends with the two zero blocks of a tar file. */
  readonly tarTerminated: boolean;
  /** The replication command READ_REPLICATION_SLOT exists. */
  readonly readReplicationSlot: boolean;
  /** BASE_BACKUP can compress on the server. */
  readonly serverCompression: boolean;
  /** BASE_BACKUP can take an incremental backup (UPLOAD_MANIFEST, summarize_wal). */
  readonly incrementalBackup: boolean;
  /** `PostgreSQL-Backup-Manifest-Version`; 2 adds the system identifier. */
  readonly manifestVersion: 1 | 2;
  /** `xlp_magic` of WAL pages; undefined for a major that is not known. */
  readonly walPageMagic: number | undefined;
  /** `pg_control_version`; undefined for a major that is not known. */
  readonly controlVersion: number | undefined;
  /** The SQL functions around a low-level backup. */
  readonly backupFunctionNames: { readonly start: string; readonly stop: string };
  /** Tablespaces can lie inside the data directory (`allow_in_place_tablespaces`, added to all majors by minor releases). */
  readonly inPlaceTablespaces: boolean;
  /** BASE_BACKUP with a tablespace map includes them; up to 15 it leaves them out without a word. */
  readonly inPlaceTablespacesBackedUp: boolean;
  /** The setting archive_library exists. */
  readonly archiveLibrary: boolean;
  /** The setting recovery_prefetch exists. */
  readonly recoveryPrefetch: boolean;
  /** The setting promote_trigger_file exists. */
  readonly promoteTriggerFile: boolean;
  /** A standby can keep logical slots in step (sync_replication_slots). */
  readonly slotSynchronisation: boolean;
  /** The setting summarize_wal exists. */
  readonly walSummaries: boolean;
  /** The extension pg_walinspect exists. */
  readonly walInspect: boolean;
  /** A physical slot that lost its WAL keeps WAL again as soon as something is reported through it; later ones never do. */
  readonly lostSlotRecovers: boolean;
  /** The setting in_hot_standby exists: whether the server is in recovery at this moment. */
  readonly showsRecovery: boolean;
  /** A replication slot can expire by itself (idle_replication_slot_timeout). */
  readonly idleSlotTimeout: boolean;
}

const walPageMagics = new Map([
  [13, 0xd106],
  [14, 0xd10d],
  [15, 0xd110],
  [16, 0xd113],
  [17, 0xd116],
  [18, 0xd118],
]);

function controlVersionOf(major: number): number {
  if (major >= 18) return 1800;
  return major >= 17 ? 1700 : 1300;
}

/** What is true for the server whose `server_version_num` is given. Throws POSTGRES_VERSION_UNSUPPORTED below 13. */
export function versionTraits(serverVersionNum: number): VersionTraits {
  const major = Math.floor(serverVersionNum / 10_000);
  const minor = serverVersionNum % 10_000;
  if (!Number.isInteger(serverVersionNum) || major < oldestMajor) {
    throw postgresErrors.versionUnsupported(`PostgreSQL ${formatVersion(serverVersionNum)} is too old`, {
      serverVersionNum,
      oldest: oldestMajor,
    });
  }
  const known = major <= newestMajor;
  return {
    major,
    minor,
    known,
    baseBackupProtocol: major >= 15 ? "single-copy" : "multiple-copies",
    baseBackupSyntax: major >= 15 ? "options" : "keywords",
    tarTerminated: major >= 15,
    readReplicationSlot: major >= 15,
    serverCompression: major >= 15,
    incrementalBackup: major >= 17,
    manifestVersion: major >= 17 ? 2 : 1,
    walPageMagic: walPageMagics.get(major),
    controlVersion: known ? controlVersionOf(major) : undefined,
    backupFunctionNames:
      major >= 15
        ? { start: "pg_backup_start", stop: "pg_backup_stop" }
        : { start: "pg_start_backup", stop: "pg_stop_backup" },
    inPlaceTablespaces: true,
    inPlaceTablespacesBackedUp: major >= 16,
    archiveLibrary: major >= 15,
    recoveryPrefetch: major >= 15,
    promoteTriggerFile: major <= 15,
    slotSynchronisation: major >= 17,
    walSummaries: major >= 17,
    walInspect: major >= 15,
    lostSlotRecovers: major <= 15,
    showsRecovery: major >= 14,
    idleSlotTimeout: major >= 18,
  };
}

/** `server_version_num` as people write it: `15.18`. */
export function formatVersion(serverVersionNum: number): string {
  if (serverVersionNum < 100_000) {
    // Up to 9.6 the first two numbers were the major one.
    return `${Math.floor(serverVersionNum / 10_000)}.${Math.floor(serverVersionNum / 100) % 100}`;
  }
  return `${Math.floor(serverVersionNum / 10_000)}.${serverVersionNum % 10_000}`;
}

/**
 * `server_version_num` from a text: the parameter `server_version` (`15.18 (Debian 15.18-1)`, `19beta2`, `18devel`)
 * or the content of PG_VERSION (`15`), whose minor number is not known and taken as 0.
 * Throws POSTGRES_VERSION_UNSUPPORTED when it is no such text.
 */
export function parseServerVersion(text: string): number {
  const match = /^\s*([0-9]{1,3})(?:\.([0-9]{1,4}))?(?:(?:devel|alpha|beta|rc)[0-9]*)?(?:\.[0-9]+)?(?:\s|$)/.exec(text);
  if (match === null) throw postgresErrors.versionUnsupported(`${JSON.stringify(text)} is not a version of PostgreSQL`);
  const first = Number(match[1]);
  const second = Number(match[2] ?? "0");
  return first < 10 ? first * 10_000 + second * 100 : first * 10_000 + second;
}
