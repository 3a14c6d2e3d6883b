/** pgmoneta's families about the daemon itself, and about the room that it has. */
import { flag, perServer, perServerWith, single, type Family } from "./family.ts";

export const pgmonetaGeneral: readonly Family[] = [
  single("pgmoneta_state", "gauge", "Whether the daemon runs: always 1, for without it nobody answers", () => 1),
  {
    name: "pgmoneta_version",
    type: "gauge",
    help: "Always 1; the version of Moneta is in the label",
    labels: ["version"],
    collect: ({ version }, samples) => samples.add(1, version),
  },
  single("pgmoneta_fips", "gauge", "Whether the cryptographic library of the daemon runs in FIPS mode", ({ fips }) => flag(fips)),
  single("pgmoneta_logging_info", "unknown", "INFO lines in the log since the start or the last clear prometheus", ({ linesSinceReset }) => linesSinceReset.info),
  single("pgmoneta_logging_warn", "unknown", "WARN lines in the log since the start or the last clear prometheus", ({ linesSinceReset }) => linesSinceReset.warn),
  single("pgmoneta_logging_error", "unknown", "ERROR lines in the log since the start or the last clear prometheus", ({ linesSinceReset }) => linesSinceReset.error),
  single("pgmoneta_logging_fatal", "unknown", "FATAL lines in the log since the start or the last clear prometheus", ({ linesSinceReset }) => linesSinceReset.fatal),
  single("pgmoneta_retention_days", "gauge", "The days of the retention of the main section, 0 where it says nothing", ({ retention }) => retention.days),
  single("pgmoneta_retention_weeks", "gauge", "The weeks of the retention of the main section, 0 where it says nothing", ({ retention }) => retention.weeks),
  single("pgmoneta_retention_months", "gauge", "The months of the retention of the main section, 0 where it says nothing", ({ retention }) => retention.months),
  single("pgmoneta_retention_years", "gauge", "The years of the retention of the main section, 0 where it says nothing", ({ retention }) => retention.years),
  perServerWith("pgmoneta_retention_server", "gauge", "The retention of a server: days, weeks, months, years, 0 where it says nothing", ["parameter"], ({ retention }, add) => {
    for (const parameter of ["days", "weeks", "months", "years"] as const) add(retention[parameter], parameter);
  }),
  single("pgmoneta_compression", "gauge", "The number that pgmoneta has for the configured compression", ({ compression }) => compression),
];

const nothing = { used: 0, free: 0, total: 0 };

export const pgmonetaSpace: readonly Family[] = [
  single("pgmoneta_used_space", "gauge", "Bytes of all backups and all WAL in the repository", ({ repository }) => repository.used),
  single("pgmoneta_free_space", "gauge", "Free bytes on the file system of the repository", ({ repository }) => repository.free),
  single("pgmoneta_total_space", "gauge", "Bytes of the file system of the repository", ({ repository }) => repository.total),
  perServer("pgmoneta_wal_shipping", "gauge", "Bytes of WAL in the second copy, 0 without wal_shipping", ({ walShipping }) => walShipping?.used ?? 0),
  perServer("pgmoneta_wal_shipping_used_space", "gauge", "Bytes of the second copy, 0 without wal_shipping", ({ walShipping }) => walShipping?.used ?? 0),
  perServer("pgmoneta_wal_shipping_free_space", "gauge", "Free bytes on the file system of the second copy, 0 without wal_shipping", ({ walShipping = nothing }) => walShipping.free),
  perServer("pgmoneta_wal_shipping_total_space", "gauge", "Bytes of the file system of the second copy, 0 without wal_shipping", ({ walShipping = nothing }) => walShipping.total),
  perServer("pgmoneta_workspace", "gauge", "Bytes in the workspace of a server", ({ workspace }) => workspace.used),
  perServer("pgmoneta_workspace_free_space", "gauge", "Free bytes on the file system of the workspace", ({ workspace }) => workspace.free),
  perServer("pgmoneta_workspace_total_space", "gauge", "Bytes of the file system of the workspace", ({ workspace }) => workspace.total),
  perServer("pgmoneta_hot_standby", "gauge", "Bytes of all hot standbys of a server, 0 without hot_standby", ({ hotStandby }) => hotStandby?.used ?? 0),
  perServer("pgmoneta_hot_standby_free_space", "gauge", "Free bytes on the file systems of the hot standbys, summed over the directories", ({ hotStandby = nothing }) => hotStandby.free),
  perServer("pgmoneta_hot_standby_total_space", "gauge", "Bytes of the file systems of the hot standbys, summed over the directories", ({ hotStandby = nothing }) => hotStandby.total),
];
