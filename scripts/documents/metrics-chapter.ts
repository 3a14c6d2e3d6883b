/** doc/manual/metrics.md. */
import { ownGroups, pgmonetaGroups, type FamilyGroup } from "../../src/metrics/index.ts";
import { alertRules } from "./alert-rules.ts";
import { table } from "./markdown.ts";

const introduction: readonly string[] = [
  "# Metrics and health",
  "",
  "This chapter is made from the table of the metrics by `npm run generate:documents`.",
  "",
  "## Switching it on",
  "",
  "```ini",
  "[pgmoneta]",
  "host = localhost",
  "metrics = 5001",
  "```",
  "",
  "Then `host` answers on that port, by every address that the name has:",
  "",
  ...table(
    ["Path", "Answer"],
    [
      ["`/metrics`", "all metrics, in the text format 0.0.4, or in OpenMetrics 1.0 to whoever asks for it"],
      ["`/healthz`", "200 as long as the daemon runs and answers"],
      ["`/readyz`", "200 when it does what it is for; 503, with the reason, while it starts or stops, or when the file system of the repository does not answer. What is wrong with one server does not make it unready: that is what the alerts are for"],
      ["`/`", "a page that names every metric"],
    ],
  ),
  "",
  "Nobody has to log in: bind it to an address that only those reach who may see it, or ask for client certificates. Names of",
  "servers, backups, extensions and file names of WAL can be seen there, no secrets. At most 64 connections are held at a time;",
  "a client that is silent for `authentication_timeout`, or does not take its answer within `blocking_timeout`, is disconnected.",
  "",
  "With `metrics_cert_file` and `metrics_key_file` the port speaks TLS (1.2 or newer) and nothing else; with `metrics_ca_file`",
  "each client needs a certificate of that authority. Files that cannot be used keep the daemon from starting, and a reload from",
  "happening: there is no way back to clear text. `moneta_certificate_expiry_time_seconds` says how long the certificate is good.",
  "",
  "A scrape touches no disk and asks no server: everything is in memory. The many samples of single backups are rendered when a",
  "backup comes, goes or changes, and then only sent; `metrics_backups` bounds their number. `metrics_cache_max_age` is there for",
  "pgmoneta's sake and not needed.",
  "",
  "For Prometheus:",
  "",
  "```yaml",
  "rule_files:",
  "  - /opt/moneta/etc/prometheus/moneta.rules.yml",
  "scrape_configs:",
  "  - job_name: moneta",
  "    static_configs:",
  "      - targets: [localhost:5001]",
  "```",
  "",
  "Dashboards for Grafana are in `etc/grafana`: `moneta.json` for our names, `pgmoneta.json` for those that pgmoneta has too.",
  "",
  "## What to watch",
  "",
  "What a failure of the server would cost is `moneta_wal_lag_seconds`: the age of the newest moment of which it is *proven*",
  "that everything the server had flushed by then is on disk here. The server is asked every few seconds, so it is a few seconds",
  "when all is well. It needs clocks that agree, and is not known of a standby, which cannot prove it. To which moments a server",
  "can be restored say `moneta_recovery_window_start_time_seconds` and `…_end_time_seconds`; which of them was tried says",
  "`moneta_proven_time_seconds`.",
  "",
  "Counters that end in `_total` begin at 0 when the daemon starts. Times are seconds since 1970, durations seconds, sizes bytes.",
  "What is not known has no sample: a rule must not take the absence for a zero.",
];

const pgmonetaNotes: readonly string[] = [
  "The same names and labels as in pgmoneta 0.22, with these differences:",
  "",
  "- `# HELP` and `# TYPE` lines are legal, so that types are known; pgmoneta's are comments to a strict parser.",
  "- `pgmoneta_logging_…`, `…_operation_count` and `pgmoneta_progress_total` have no type, because the format has other rules for",
  "  their names; `rate()` works as ever. `promtool check metrics` has two remarks, on the days and weeks in the names of the",
  "  retention, which are pgmoneta's.",
  "- Space is what the daemon knows to be stored, not what a walk over the directories finds.",
  "- Rates (`…_mbs`) have pgmoneta's meaning: stored bytes of the backup by the time of the stage, whatever went through it.",
  "- `pgmoneta_wal_shipping…_space`, `pgmoneta_workspace` are measured every ten minutes.",
  "- The families of single backups have the newest `metrics_backups` of each server.",
];

function rows({ title, families }: FamilyGroup): string[] {
  const cells = families.map(({ name, type, labels, help }) => {
    const shown = labels.length === 0 ? "" : labels.map((label) => `\`${label}\``).join(", ");
    return [`\`${name}\``, type === "unknown" ? "untyped" : type, shown, `${help}.`];
  });
  return [`### ${title}`, "", ...table(["Metric", "Type", "Labels", "Meaning"], cells), ""];
}

/** The text of the chapter. */
export function metricsChapter(): string {
  const rules = alertRules.map(({ alert, for: lasting, severity, expr, description }) => [
    `\`${alert}\``,
    severity,
    lasting,
    `${description} \`${expr}\``,
  ]);
  const lines = [
    ...introduction,
    "",
    "## Alert rules",
    "",
    "In `etc/prometheus/moneta.rules.yml`; *for* is how long it must hold.",
    "",
    ...table(["Alert", "Severity", "For", "Meaning and rule"], rules),
    "",
    "## Our metrics",
    "",
    "The label `name` is the section of the server, as in pgmoneta's.",
    "",
    ...ownGroups.flatMap(rows),
    "## pgmoneta's metrics",
    "",
    ...pgmonetaNotes,
    "",
    ...pgmonetaGroups.flatMap(rows),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}
