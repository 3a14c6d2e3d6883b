/** etc/grafana/moneta.json: the dashboard for our names. */
import { dashboardFile, type Panel, type Query } from "./dashboard.ts";

const on = '{instance="$instance",name=~"$name"}';
const with_ = (labels: string): string => `{instance="$instance",name=~"$name",${labels}}`;
const daemon = '{instance="$instance"}';
const one = (expr: string, legend = "{{name}}"): readonly Query[] => [{ expr, legend }];
const stat = (title: string, expr: string, more: Partial<Panel> = {}): Panel => ({ title, kind: "stat", width: 6, queries: one(expr), ...more });
const line = (title: string, expr: string, more: Partial<Panel> = {}): Panel => ({ title, kind: "timeseries", queries: one(expr), ...more });

/** The text of the file. */
export function monetaDashboard(): string {
  return dashboardFile(
    {
      uid: "moneta",
      title: "Moneta",
      description: "Backup and WAL archiving for PostgreSQL: what could be lost, what can be restored, what is proven.",
      rows: [
        {
          title: "Is everything safe?",
          panels: [
            stat("Could be lost", `moneta_wal_lag_seconds${on}`, { unit: "s", limits: { orange: 60, red: 300 }, help: "Age of the newest moment of which all WAL is proven to be durable here." }),
            stat("Can be restored back to", `time() - moneta_recovery_window_start_time_seconds${on}`, { unit: "s", help: "How far back the recovery window reaches." }),
            stat("Newest backup", `moneta_backup_age_seconds${on}`, { unit: "s", limits: { orange: 129_600, red: 691_200 } }),
            stat("Proven by a drill", `time() - moneta_proven_time_seconds${on}`, { unit: "s", limits: { orange: 1_209_600, red: 3_024_000 }, help: "Age of the newest moment that a drill brought back." }),
            stat("Gaps in WAL", `moneta_wal_gaps${on}`, { limits: { orange: 1, red: 1 } }),
            stat("Problems", `moneta_server_problems${on}`, { limits: { orange: 1, red: 3 } }),
            stat("Backups that are not good", `sum by (name) (moneta_backups${with_('state=~"invalid|damaged"')}) + sum by (name) (moneta_backups_verified${with_('outcome="bad"')})`, { limits: { orange: 1, red: 1 } }),
            stat("Repository is full in", `moneta_repository_full_seconds${daemon}`, { unit: "s", floor: { orange: 86_400, red: 14_400 }, queries: one(`moneta_repository_full_seconds${daemon}`, "repository") }),
          ],
        },
        {
          title: "WAL",
          panels: [
            line("Lag", `moneta_wal_lag_seconds${on}`, { unit: "s" }),
            line("Lag in bytes", `moneta_wal_lag_bytes${on}`, { unit: "bytes" }),
            line("Received", `rate(moneta_wal_received_bytes_total${on}[$__rate_interval])`, { unit: "Bps" }),
            {
              title: "Time to make WAL durable",
              kind: "timeseries",
              unit: "s",
              queries: [
                { expr: `histogram_quantile(0.5, sum by (name, le) (rate(moneta_wal_flush_duration_seconds_bucket${on}[$__rate_interval])))`, legend: "{{name}} median" },
                { expr: `histogram_quantile(0.99, sum by (name, le) (rate(moneta_wal_flush_duration_seconds_bucket${on}[$__rate_interval])))`, legend: "{{name}} 99 %" },
              ],
            },
            line("Receiver", `moneta_receiver_state${on} == 1`, { queries: one(`moneta_receiver_state${on} == 1`, "{{name}} {{state}}") }),
            line("Connections lost in an hour", `increase(moneta_receiver_reconnects_total${on}[1h])`),
            line("Segments that wait to be archived", `moneta_wal_unarchived_segments${on}`),
            line("Replication slot", `moneta_slot_state${on} == 1`, { queries: one(`moneta_slot_state${on} == 1`, "{{name}} {{state}}") }),
            line("Age of the newest archived segment", `moneta_wal_archive_age_seconds${on}`, { unit: "s" }),
          ],
        },
        {
          title: "Backups and restores",
          panels: [
            line("Backups by state", `moneta_backups${on}`, { queries: one(`moneta_backups${on}`, "{{name}} {{state}}") }),
            line("Backups by their last verification", `moneta_backups_verified${on}`, { queries: one(`moneta_backups_verified${on}`, "{{name}} {{outcome}}") }),
            line("Duration of the newest backup", `moneta_backup_duration_seconds${on}`, { unit: "s" }),
            line("Recovery window", `moneta_recovery_window_seconds${on}`, { unit: "s" }),
            line("Time to recover in the last drill", `sum by (name) (moneta_drill_duration_seconds${on})`, { unit: "s" }),
            line("Bytes by stage", `rate(moneta_bytes_total${on}[$__rate_interval])`, { unit: "Bps", queries: one(`rate(moneta_bytes_total${on}[$__rate_interval])`, "{{name}} {{stage}}") }),
          ],
        },
        {
          title: "Jobs",
          panels: [
            line("Jobs that run", `moneta_jobs_running${on}`, { queries: one(`moneta_jobs_running${on}`, "{{name}} {{command}}") }),
            line("Jobs that wait", `moneta_queue_length${on}`),
            line("Jobs that failed, in an hour", `sum by (name, command) (increase(moneta_jobs_total${with_('outcome=~"failed|died"')}[1h]))`, { queries: one(`sum by (name, command) (increase(moneta_jobs_total${with_('outcome=~"failed|died"')}[1h]))`, "{{name}} {{command}}") }),
            { title: "What is wrong", kind: "table", width: 12, queries: one(`moneta_server_problem${on} > 0`, "{{name}} {{code}}") },
            line("Removed by retention, in a day", `increase(moneta_retention_removed_backups_total${on}[1d])`, { width: 12 }),
          ],
        },
        {
          title: "Repository and daemon",
          panels: [
            {
              title: "Room",
              kind: "timeseries",
              unit: "bytes",
              queries: [
                { expr: `moneta_repository_used_bytes${daemon}`, legend: "stored" },
                { expr: `moneta_repository_free_bytes${daemon}`, legend: "free" },
              ],
            },
            {
              title: "Stored by server",
              kind: "timeseries",
              unit: "bytes",
              queries: [
                { expr: `moneta_backup_stored_bytes${on}`, legend: "{{name}} backups" },
                { expr: `moneta_wal_stored_bytes${on}`, legend: "{{name}} WAL" },
              ],
            },
            line("Growth", `moneta_repository_growth_bytes_per_second${daemon}`, { unit: "Bps", queries: one(`moneta_repository_growth_bytes_per_second${daemon}`, "repository") }),
            line("Processor", `sum by (process, name, command) (rate(moneta_process_cpu_seconds_total${daemon}[$__rate_interval]))`, { queries: one(`sum by (process, name, command) (rate(moneta_process_cpu_seconds_total${daemon}[$__rate_interval]))`, "{{process}} {{name}} {{command}}") }),
            line("Memory", `moneta_process_resident_memory_bytes${daemon}`, { unit: "bytes", queries: one(`moneta_process_resident_memory_bytes${daemon}`, "{{process}} {{name}} {{command}}") }),
            line("Lines in the log", `sum by (level) (rate(moneta_log_lines_total{instance="$instance",level=~"warn|error|fatal"}[$__rate_interval]))`, { queries: one(`sum by (level) (rate(moneta_log_lines_total{instance="$instance",level=~"warn|error|fatal"}[$__rate_interval]))`, "{{level}}") }),
          ],
        },
      ],
    },
    "moneta_build_info",
    "moneta_server_problems",
  );
}
