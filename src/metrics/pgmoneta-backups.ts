/**
 * pgmoneta's families about the backups: those of a server, and those with one sample a backup. A rate of pgmoneta's is
 * the stored bytes divided by the time of a stage, whatever went through it: the meaning is kept, and ours are beside it.
 */
import type { BackupFacts, KnownBackup } from "./backup-facts.ts";
import type { ServerFacts } from "./facts.ts";
import { flag, perServer, serverLabel, type Family } from "./family.ts";
import type { StageTimings } from "../repository/index.ts";

const count = ({ entries }: ServerFacts, valid: boolean): number =>
  entries.filter(({ state }) => (state === "valid") === valid).length;
const oldest = ({ entries }: ServerFacts): string | undefined => entries.find(({ state }) => state === "valid")?.label;

/** With one sample a server. */
export const pgmonetaBackupSummary: readonly Family[] = [
  perServer("pgmoneta_backup_oldest", "gauge", "The label of the oldest valid backup as a number, 0 where there is none", (server) => Number(oldest(server) ?? 0)),
  perServer("pgmoneta_backup_newest", "gauge", "The label of the newest valid backup as a number, 0 where there is none", ({ newest }) => Number(newest?.label ?? 0)),
  perServer("pgmoneta_backup_valid", "gauge", "The number of valid backups", (server) => count(server, true)),
  perServer("pgmoneta_backup_invalid", "gauge", "The number of backups that are not valid, damaged ones among them", (server) => count(server, false)),
  perServer("pgmoneta_restore_newest_size", "gauge", "Bytes that a restore of the newest valid backup has", ({ newest }) => newest?.restoredBytes ?? 0),
  perServer("pgmoneta_backup_newest_size", "gauge", "Bytes that the newest valid backup stored", ({ newest }) => newest?.storedBytes ?? 0),
  perServer("pgmoneta_backup_total_size", "gauge", "Bytes of all backups of a server", ({ state }) => state.backupBytes),
  perServer("pgmoneta_wal_total_size", "gauge", "Bytes of all WAL of a server, the second copy among them", ({ state, walShipping }) => state.walBytes + (walShipping?.used ?? 0)),
  perServer("pgmoneta_total_size", "gauge", "Bytes of all that is stored of a server, the second copy of its WAL among them", ({ state, walShipping }) => state.backupBytes + state.walBytes + (walShipping?.used ?? 0)),
];

/** A family with one sample a backup: further labels, and the value, or nothing where it has none. */
export interface BackupFamily extends Family {
  readonly extra: (backup: KnownBackup) => readonly string[];
  readonly value: (backup: KnownBackup, facts: BackupFacts) => number | undefined;
  /** Also of a damaged backup, of which this is all that is known. */
  readonly ofDamaged?: number;
}

const none: readonly string[] = [];

function perBackup(name: string, help: string, value: BackupFamily["value"], labels: Readonly<Record<string, (backup: KnownBackup) => string>> = {}): BackupFamily {
  const names = Object.keys(labels);
  return {
    name,
    type: "gauge",
    help,
    labels: [serverLabel, "label", ...names],
    extra: names.length === 0 ? () => none : (backup) => Object.values(labels).map((of) => of(backup)),
    value,
  };
}

const elapsed = (what: string, help: string, stage: keyof StageTimings): BackupFamily =>
  perBackup(`pgmoneta_backup_${what}_elapsed_time`, help, (backup) => backup.elapsed[stage]);

const rate = (name: string, help: string, stage: keyof StageTimings): BackupFamily =>
  perBackup(name, help, ({ elapsed: { [stage]: time }, storedBytes }) => (time > 0 ? Math.round(storedBytes / time / 100) / 10_000 : 0));

/** The stages that pgmoneta measures; the names of their families, and what they are called. */
const stages = [
  ["basebackup", "baseBackup", "receiving the base backup"],
  ["manifest", "manifest", "the manifest"],
  ["compression_zstd", "zstd", "compression with zstd"],
  ["compression_gzip", "gzip", "compression with gzip"],
  ["compression_bzip2", "bzip2", "compression with bzip2"],
  ["compression_lz4", "lz4", "compression with lz4"],
  ["encryption", "encryption", "encryption"],
  ["linking", "linking", "linking what did not change"],
  ["remote_ssh", "remoteSsh", "uploading by SSH"],
  ["remote_s3", "remoteS3", "uploading to S3"],
  ["remote_azure", "remoteAzure", "uploading to Azure"],
] as const satisfies readonly (readonly [string, keyof StageTimings, string])[];

/** With one sample a backup, in the order of pgmoneta's. */
export const pgmonetaBackups: readonly BackupFamily[] = [
  { ...perBackup("pgmoneta_backup", "Whether a backup is valid", (_known, { valid }) => flag(valid)), ofDamaged: 0 },
  perBackup("pgmoneta_backup_version", "Always 1; the version of PostgreSQL is in the labels", () => 1, {
    major: ({ major }) => String(major),
    minor: ({ minor }) => String(minor),
  }),
  elapsed("total", "Seconds that a backup took", "total"),
  ...stages.map(([name, stage, what]) => elapsed(name, `Seconds of a backup for ${what}`, stage)),
  perBackup("pgmoneta_backup_start_timeline", "The timeline at the start of a backup", ({ startTimeline }) => startTimeline),
  perBackup("pgmoneta_backup_end_timeline", "The timeline at the end of a backup", ({ endTimeline }) => endTimeline),
  perBackup("pgmoneta_backup_start_walpos", "Always 1; the position at the start of a backup is in the label", () => 1, { walpos: ({ startLsn }) => startLsn }),
  perBackup("pgmoneta_backup_checkpoint_walpos", "Always 1; the position of the checkpoint of a backup is in the label", () => 1, { walpos: ({ checkpointLsn }) => checkpointLsn }),
  perBackup("pgmoneta_backup_end_walpos", "Always 1; the position at the end of a backup is in the label", () => 1, { walpos: ({ endLsn }) => endLsn }),
  perBackup("pgmoneta_restore_size", "Bytes that a restore of a valid backup has", ({ restoredBytes }, { valid }) => (valid ? restoredBytes : undefined)),
  perBackup("pgmoneta_restore_size_increment", "The same without those of the valid backup before it", ({ restoredBytes, before }, { valid }) => (valid ? restoredBytes - before : undefined)),
  perBackup("pgmoneta_backup_size", "Bytes that a backup stored itself", ({ storedBytes }) => storedBytes),
  perBackup("pgmoneta_backup_compression_ratio", "Stored bytes of a backup divided by its restored bytes", ({ storedBytes, restoredBytes }) => (restoredBytes > 0 ? storedBytes / restoredBytes : 0)),
  rate("pgmoneta_backup_throughput", "Stored bytes of a backup by the seconds that it took, in millions", "total"),
  ...stages.map(([name, stage, what]) => rate(`pgmoneta_backup_${name}_mbs`, `Stored bytes of a backup by the seconds for ${what}, in millions`, stage)),
  perBackup("pgmoneta_backup_retain", "Whether a backup is retained", ({ keep }) => flag(keep)),
];

/** What pgmoneta shows of a server without backups: a backup 0 that is nothing. */
export const noBackup: BackupFacts = {
  label: "0",
  valid: false,
  known: {
    keep: false,
    major: 0,
    minor: 0,
    storedBytes: 0,
    restoredBytes: 0,
    before: 0,
    elapsed: { total: 0, baseBackup: 0, hash: 0, zstd: 0, gzip: 0, bzip2: 0, lz4: 0, encryption: 0, linking: 0, manifest: 0, remoteSsh: 0, remoteS3: 0, remoteAzure: 0 },
    startTimeline: 0,
    endTimeline: 0,
    startLsn: "0/0",
    checkpointLsn: "0/0",
    endLsn: "0/0",
  },
};
