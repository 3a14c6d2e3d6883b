/** Keys of the section of one PostgreSQL server. */
import { computed, inherited, optional, required, type OptionTable } from "./option.ts";
import { backupOptions } from "./options-backup.ts";
import { checkOptions } from "./options-check.ts";
import { s3Options } from "./options-engines.ts";
import { hookOptions } from "./options-hooks.ts";
import { scheduleOptions } from "./options-schedule.ts";
import { named, oneOf, path, remotePort } from "./value-kinds.ts";
import { extraPaths } from "./value-kinds-extra.ts";
import { standbyDirectories, standbyOverrides, standbyTablespaces } from "./value-kinds-standby.ts";
import type { RetentionChoice, TlsMode } from "./value-types.ts";

/** The keys of an S3 store for one server alone. */
const s3OfServer = {
  s3_endpoint: inherited(s3Options.s3_endpoint),
  s3_port: inherited(s3Options.s3_port),
  s3_use_tls: inherited(s3Options.s3_use_tls),
  s3_storage_class: inherited(s3Options.s3_storage_class),
  s3_region: inherited(s3Options.s3_region),
  s3_access_key_id: inherited(s3Options.s3_access_key_id),
  s3_secret_access_key: inherited(s3Options.s3_secret_access_key),
  s3_bucket: inherited(s3Options.s3_bucket),
  s3_base_dir: inherited(s3Options.s3_base_dir),
} satisfies OptionTable;

/** What runs by itself for one server alone, and its drills. */
const scheduleOfServer = {
  backup: inherited(scheduleOptions.backup),
  backup_max_age: inherited(scheduleOptions.backup_max_age),
  drill: inherited(scheduleOptions.drill),
  schedule_timezone: inherited(scheduleOptions.schedule_timezone),
  schedule_jitter: inherited(scheduleOptions.schedule_jitter),
  schedule_blackout: inherited(scheduleOptions.schedule_blackout),
  schedule_missed: inherited(scheduleOptions.schedule_missed),
  drill_sql: inherited(scheduleOptions.drill_sql),
  drill_database: inherited(scheduleOptions.drill_database),
  drill_preload_libraries: inherited(scheduleOptions.drill_preload_libraries),
  postgres_path: inherited(scheduleOptions.postgres_path),
} satisfies OptionTable;

/** Programs around what is done for one server alone. */
const hooksOfServer = {
  hook_before_backup: inherited(hookOptions.hook_before_backup),
  hook_after_backup: inherited(hookOptions.hook_after_backup),
  hook_before_restore: inherited(hookOptions.hook_before_restore),
  hook_after_restore: inherited(hookOptions.hook_after_restore),
  hook_before_delete: inherited(hookOptions.hook_before_delete),
  hook_after_delete: inherited(hookOptions.hook_after_delete),
  hook_before_wal_archive: inherited(hookOptions.hook_before_wal_archive),
  hook_after_wal_archive: inherited(hookOptions.hook_after_wal_archive),
  hook_timeout: inherited(hookOptions.hook_timeout),
} satisfies OptionTable;

/** pgmoneta's way to write "as in the main section" where the value is a number there. */
const asMain = { token: "-1" };

export const serverOptions = {
  host: required(named("a host name, an address, or the directory of a Unix socket"), {
    reload: "live",
    description: "The address of the server; one that begins with / is the directory of its Unix socket.",
  }),
  port: required(remotePort, { reload: "live", description: "The port of the server." }),
  user: required(named("the name of a role"), {
    reload: "live",
    description: "The login, a role with REPLICATION. Its password comes from the users file, else from pass_file.",
  }),
  wal_slot: required(
    {
      ...named("the name of a replication slot: 1 to 63 lower-case letters, digits and underscores"),
      parse: (input) => (/^[a-z0-9_]{1,63}$/.test(input) ? { ok: true, value: input } : { ok: false }),
    },
    { reload: "live", description: "The physical replication slot, and the application_name of the receiver." },
  ),
  create_slot: inherited(backupOptions.create_slot),
  follow: optional(named("the name of another server section"), {
    reload: "live",
    description:
      "The server whose WAL streaming this one takes over when that one has not been streaming for receiver_timeout, and gives back when that one has caught up. Until then nothing of this server is received; its slot keeps what would be needed.",
  }),
  retention: inherited(
    backupOptions.retention,
    {
      merge: (own, main): RetentionChoice =>
        own.kind !== "calendar" || main.kind !== "calendar"
          ? own
          : {
              kind: "calendar",
              days: own.days ?? main.days,
              weeks: own.weeks ?? main.weeks,
              months: own.months ?? main.months,
              years: own.years ?? main.years,
            },
    },
    {
      description:
        "How long backups of this server are kept; a field of the calendar that is not set is taken from the main section.",
    },
  ),
  retention_minimum: inherited(backupOptions.retention_minimum),
  wal_shipping: optional(path, {
    reload: "live",
    description:
      "The directory of a second copy of the WAL: <directory>/<server>/wal, best on another disk. It gets what is archived, never holds up the first copy, and restores read from it what that lacks or has damaged.",
  }),
  workspace: inherited(backupOptions.workspace),
  hot_standby: optional(standbyDirectories, {
    reload: "live",
    description:
      "Directories, up to 8, separated by commas, in each of which <directory>/<server> is kept as a copy of the newest backup on which PostgreSQL starts at once. What is in a copy is replaced after the next backup, unless a server runs on it.",
  }),
  hot_standby_overrides: optional(standbyOverrides, {
    reload: "live",
    description:
      "Directories whose files are laid over the copies of hot_standby, in their order, separated by |; with a standby.signal among them the copy is a replica of the server.",
  }),
  hot_standby_tablespaces: optional(standbyTablespaces, {
    reload: "live",
    description:
      "Where the tablespaces of the copies lie, for each copy a list of from -> to with the name, OID or path of a tablespace, the lists separated by |. Without it they lie beside the copy, as <server>-tblspc_<name>.",
  }),
  workers: inherited(backupOptions.workers, asMain),
  max_rate: inherited(backupOptions.max_rate, asMain),
  progress: inherited(backupOptions.progress, asMain),
  compression: inherited(backupOptions.compression, {}, { ours: true }),
  compression_level: inherited(backupOptions.compression_level, {}, { ours: true }),
  encryption: inherited(backupOptions.encryption, {}, { ours: true }),
  tls_mode: computed<TlsMode>(
    oneOf(["disable", "prefer", "require", "verify-full"]),
    {
      shown: "verify-full if tls_ca_file is set, else prefer",
      compute: ({ values }) => (values.get("tls_ca_file") === undefined ? "prefer" : "verify-full"),
    },
    {
      reload: "live",
      ours: true,
      description:
        "Whether TLS is used for connections over TCP: never; if the server offers it; always; or always with the certificate chain and the host name checked, which is the only choice with tls_ca_file.",
    },
  ),
  tls_cert_file: optional(path, {
    reload: "live",
    expandsEnvironment: true,
    description: "The client certificate that is shown to the server.",
  }),
  tls_key_file: optional(path, {
    reload: "live",
    expandsEnvironment: true,
    description: "The private key that belongs to tls_cert_file, readable by nobody else.",
  }),
  tls_ca_file: optional(path, {
    reload: "live",
    expandsEnvironment: true,
    description:
      "The certificate authority that the server is checked against; with it nothing is ever sent in clear text.",
  }),
  tls_crl_file: optional(path, {
    reload: "live",
    ours: true,
    expandsEnvironment: true,
    description:
      "The revocation list (PEM) of tls_ca_file: a server whose certificate is in it is not trusted, and none is once the list has run out. It is read at each connection.",
  }),
  extra: optional(extraPaths, {
    reload: "live",
    description:
      "Further files or directories of the database host, separated by commas, that are stored with each backup below extra/. The server reads them for the role, which needs pg_read_server_files and the right to call three functions, or the extension pgmoneta_ext: a backup says which grants are missing.",
  }),
  ...scheduleOfServer,
  check_ignore: inherited(checkOptions.check_ignore),
  ...hooksOfServer,
  ...s3OfServer,
} satisfies OptionTable;
