/** etc/grafana/pgmoneta.json: the dashboard for the names that pgmoneta has too; it shows either daemon. */
import { dashboardFile, type Panel, type Query } from "./dashboard.ts";

const on = '{instance="$instance",name=~"$name"}';
const daemon = '{instance="$instance"}';
const one = (expr: string, legend = "{{name}}"): readonly Query[] => [{ expr, legend }];
const stat = (title: string, expr: string, more: Partial<Panel> = {}): Panel => ({ title, kind: "stat", width: 6, queries: one(expr), ...more });
const line = (title: string, expr: string, more: Partial<Panel> = {}): Panel => ({ title, kind: "timeseries", queries: one(expr), ...more });
const ofBackups = (title: string, metric: string, unit: string): Panel => line(title, `${metric}${on}`, { unit, queries: one(`${metric}${on}`, "{{name}} {{label}}") });

/** The text of the file. */
export function pgmonetaDashboard(): string {
  return dashboardFile(
    {
      uid: "moneta-pgmoneta",
      title: "Moneta by pgmoneta's names",
      description: "Everything here has the names of pgmoneta 0.22 and shows Moneta and pgmoneta alike.",
      rows: [
        {
          title: "Servers",
          panels: [
            stat("Version", `pgmoneta_version${daemon}`, { queries: one(`pgmoneta_version${daemon}`, "{{version}}") }),
            stat("Streaming", `pgmoneta_wal_streaming${on}`, { floor: { orange: 1, red: 1 } }),
            stat("Valid", `pgmoneta_server_valid${on}`, { floor: { orange: 1, red: 1 } }),
            stat("Primary", `pgmoneta_server_primary${on}`),
            stat("Valid backups", `pgmoneta_backup_valid${on}`, { floor: { orange: 1, red: 1 } }),
            stat("Invalid backups", `pgmoneta_backup_invalid${on}`, { limits: { orange: 1, red: 1 } }),
            stat("Timeline", `pgmoneta_server_timeline${on}`),
            stat("Online", `pgmoneta_server_online${on}`, { floor: { orange: 1, red: 1 } }),
          ],
        },
        {
          title: "Space",
          panels: [
            {
              title: "Repository",
              kind: "timeseries",
              unit: "bytes",
              queries: [
                { expr: `pgmoneta_used_space${daemon}`, legend: "used" },
                { expr: `pgmoneta_free_space${daemon}`, legend: "free" },
                { expr: `pgmoneta_total_space${daemon}`, legend: "total" },
              ],
            },
            {
              title: "Stored by server",
              kind: "timeseries",
              unit: "bytes",
              queries: [
                { expr: `pgmoneta_backup_total_size${on}`, legend: "{{name}} backups" },
                { expr: `pgmoneta_wal_total_size${on}`, legend: "{{name}} WAL" },
                { expr: `pgmoneta_total_size${on}`, legend: "{{name}} all" },
              ],
            },
            line("Hot standbys, WAL shipping, workspace", `pgmoneta_hot_standby${on}`, {
              unit: "bytes",
              queries: [
                { expr: `pgmoneta_hot_standby${on}`, legend: "{{name}} hot standby" },
                { expr: `pgmoneta_wal_shipping${on}`, legend: "{{name}} WAL shipping" },
                { expr: `pgmoneta_workspace${on}`, legend: "{{name}} workspace" },
              ],
            }),
          ],
        },
        {
          title: "Backups",
          panels: [
            ofBackups("Stored size", "pgmoneta_backup_size", "bytes"),
            ofBackups("Restored size", "pgmoneta_restore_size", "bytes"),
            ofBackups("Stored by restored size", "pgmoneta_backup_compression_ratio", "percentunit"),
            ofBackups("Duration", "pgmoneta_backup_total_elapsed_time", "s"),
            ofBackups("Duration of the base backup", "pgmoneta_backup_basebackup_elapsed_time", "s"),
            ofBackups("Throughput", "pgmoneta_backup_throughput", "MBs"),
            { title: "Valid", kind: "table", width: 12, queries: one(`pgmoneta_backup${on}`, "{{name}} {{label}}") },
            { title: "Retained", kind: "table", width: 12, queries: one(`pgmoneta_backup_retain${on} == 1`, "{{name}} {{label}}") },
          ],
        },
        {
          title: "Activity",
          panels: [
            line("What runs", `pgmoneta_active_backup${on}`, {
              queries: ["backup", "restore", "archive", "delete", "retention"].map((what) => ({ expr: `pgmoneta_active_${what}${on}`, legend: `{{name}} ${what}` })),
            }),
            line("Progress", `pgmoneta_progress_percentage${on}`, { unit: "percent", queries: one(`pgmoneta_progress_percentage${on}`, "{{name}} {{workflow}} {{phase}}") }),
            line("Commands", `rate(pgmoneta_server_operation_count${on}[$__rate_interval])`, {
              queries: [
                { expr: `rate(pgmoneta_server_operation_count${on}[$__rate_interval])`, legend: "{{name}}" },
                { expr: `rate(pgmoneta_server_failed_operation_count${on}[$__rate_interval])`, legend: "{{name}} failed" },
              ],
            }),
            {
              title: "Log",
              kind: "timeseries",
              width: 12,
              queries: (["info", "warn", "error", "fatal"] as const).map((level) => ({ expr: `rate(pgmoneta_logging_${level}${daemon}[$__rate_interval])`, legend: level })),
            },
            { title: "WAL", kind: "table", width: 12, queries: one(`pgmoneta_current_wal_file${on}`, "{{name}} {{file}}") },
          ],
        },
      ],
    },
    "pgmoneta_state",
    "pgmoneta_server_online",
  );
}
