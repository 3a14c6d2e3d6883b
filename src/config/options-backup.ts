/** Keys of `[pgmoneta]` about backups: where they lie, how they are stored, how long they stay. */
import { computed, defaulting, notActive, refused, required, type OptionTable } from "./option.ts";
import { compression, encryption, retention, storageEngines } from "./value-kinds-storing.ts";
import { boolean, byteSize, duration, integer, oneOf, path } from "./value-kinds.ts";

export const backupOptions = {
  base_dir: required(path, {
    reload: "restart",
    expandsEnvironment: true,
    description: "The root of the repository, created if it is missing. One daemon owns it at a time.",
  }),
  compression: defaulting(
    compression,
    { method: "zstd", where: "client" },
    {
      reload: "live",
      description:
        "The compression of backups and WAL. The prefix server- asks the PostgreSQL server (15 and later) to compress what it sends; client- is the same as no prefix.",
    },
  ),
  compression_level: defaulting(integer(-131072, 22), 3, {
    reload: "live",
    description:
      "The compression level: gzip 1 to 9, zstd -131072 to 22, bzip2 1 to 9, lz4 1 to 12 (where it has no effect).",
  }),
  encryption: defaulting(encryption, "none", {
    reload: "live",
    description: "The encryption of backups and WAL. It needs the master key that moneta-admin master-key creates.",
  }),
  hash_algorithm: defaulting(oneOf(["sha256", "sha512"]), "sha256", {
    reload: "live",
    ours: true,
    description: "The digest by which every stored byte is checked when it is read.",
  }),
  workers: defaulting(integer(0, 1024), 0, {
    reload: "live",
    description:
      "How many pieces of work of one backup, restore or verification run at the same time; 0 lets the job do them one after another.",
  }),
  job_memory: defaulting(byteSize, 64 * 1024 * 1024, {
    reload: "live",
    ours: true,
    description: "The memory for data in flight within one backup, restore or archiving job.",
  }),
  workspace: computed(
    path,
    {
      shown: "<TMPDIR or /tmp>/pgmoneta-workspace-<uid>",
      compute: ({ environment, userId }) => `${environment["TMPDIR"] ?? "/tmp"}/pgmoneta-workspace-${userId}`,
    },
    {
      reload: "live",
      expandsEnvironment: true,
      description:
        "The directory for scratch space, in which drills restore. It must belong to the account of the daemon, and is made when it is needed.",
    },
  ),
  storage_engine: defaulting(storageEngines, ["local"], {
    reload: "restart",
    status: refused("only the storage engine local is part of this version"),
    asksForNothing: (engines) => engines.length === 1 && engines[0] === "local",
    description: "Where backups are stored: local, ssh, s3, azure, or several of them.",
  }),
  create_slot: defaulting(boolean, false, {
    reload: "live",
    description: "Whether a replication slot that is missing is created.",
  }),
  max_rate: defaulting(
    integer(0, Number.MAX_SAFE_INTEGER, "a whole number of bytes per second, or 0 for no limit"),
    0,
    {
      reload: "live",
      description: "The largest rate of a base backup in bytes per second; 0 is no limit, and less than 32768 counts as 32768.",
    },
  ),
  progress: defaulting(boolean, false, {
    reload: "live",
    status: notActive("status details and progress always show running jobs, and moneta-cli follows them"),
    // Who switches it on gets it.
    asksForNothing: (wanted) => wanted,
    description: "In pgmoneta whether the progress of running commands is followed; here it is, whatever the value.",
  }),
  retention: defaulting(
    retention,
    { kind: "calendar", days: 7, weeks: undefined, months: undefined, years: undefined },
    {
      reload: "live",
      description:
        "How long backups are kept: days[, weeks[, months[, years]]], where - stands for a field that is not set; window:14d for every moment of the last 14 days; count:7 for the 7 newest copies. WAL goes with the backups that need it.",
    },
  ),
  retention_minimum: defaulting(integer(1, 10_000), 1, {
    reload: "live",
    ours: true,
    description: "The number of copies, full backups that are valid, that retention never goes below.",
  }),
  retention_interval: defaulting(integer(1, 2_147_483, "a whole number of seconds from 1"), 300, {
    reload: "live",
    description: "The number of seconds between two runs of retention.",
  }),
  verification: defaulting(duration, 0, {
    reload: "live",
    description:
      "The period within which every byte of every valid backup is read back and compared with what was stored; 0 is off. The daemon spreads the work, and goes on after a stop where it was.",
  }),
  verification_rate: defaulting(byteSize, 0, {
    reload: "live",
    ours: true,
    description:
      "The largest rate at which verifications that the daemon begins by itself read, in stored bytes per second; 0 is no limit.",
  }),
  direct_io: defaulting(oneOf(["off", "auto", "on"]), "off", {
    reload: "live",
    status: notActive("files are written through the page cache and synced"),
    description: "Whether files are copied past the page cache.",
  }),
  link: defaulting(boolean, true, {
    reload: "live",
    description:
      "Whether files that did not change since the previous backup become hard links to what that one stored instead of being stored again.",
  }),
  pass_file: computed(
    path,
    {
      shown: "<PGPASSFILE, or ~/.pgpass>",
      compute: ({ environment, homeDirectory }) => environment["PGPASSFILE"] ?? `${homeDirectory}/.pgpass`,
    },
    {
      reload: "live",
      ours: true,
      expandsEnvironment: true,
      description: "PostgreSQL's password file, used for a login that the users file does not have.",
    },
  ),
  master_key_file: computed(
    path,
    { shown: "~/.pgmoneta/master.key", compute: ({ homeDirectory }) => `${homeDirectory}/.pgmoneta/master.key` },
    {
      reload: "restart",
      ours: true,
      expandsEnvironment: true,
      description: "The master key. The file must have mode 0600 and its directory 0700.",
    },
  ),
} satisfies OptionTable;
