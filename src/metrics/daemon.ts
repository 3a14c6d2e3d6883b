/** Our families about the daemon: its version, its log, its repository, its processes. */
import { logLevels } from "../log/index.ts";
import type { DaemonFacts, ProcessFacts } from "./facts.ts";
import { seconds, serverLabel, single, type Family, type MetricType } from "./family.ts";

export const daemonFamilies: readonly Family[] = [
  {
    name: "moneta_build_info",
    type: "gauge",
    help: "Always 1; the versions of Moneta and Node.js are in the labels",
    labels: ["version", "node_version"],
    collect: ({ version, nodeVersion }, samples) => samples.add(1, version, nodeVersion),
  },
  single("moneta_start_time_seconds", "gauge", "When the daemon started", ({ started }) => seconds(started)),
  {
    name: "moneta_log_lines_total",
    type: "counter",
    help: "Lines in the log since the daemon started, by severity",
    labels: ["level"],
    collect({ lines }, samples) {
      for (const level of logLevels) samples.add(lines[level], level);
    },
  },
  {
    name: "moneta_errors_total",
    type: "counter",
    help: "Lines of severity WARN and above that name an error, by its code",
    labels: ["code"],
    collect({ errors }, samples) {
      for (const [code, count] of errors) samples.add(count, code);
    },
  },
  {
    name: "moneta_commands_total",
    type: "counter",
    help: "Commands of operators since the daemon started, by outcome",
    labels: ["command", "outcome"],
    collect({ commands }, samples) {
      for (const { command, succeeded, failed } of commands) {
        samples.add(succeeded, command, "succeeded");
        samples.add(failed, command, "failed");
      }
    },
  },
  single("moneta_repository_used_bytes", "gauge", "Bytes of all backups and all WAL in the repository", ({ repository }) => repository.used),
  single("moneta_repository_free_bytes", "gauge", "Free bytes on its file system", ({ repository }) => repository.free),
  single("moneta_repository_total_bytes", "gauge", "Bytes of its file system", ({ repository }) => repository.total),
  single("moneta_repository_growth_bytes_per_second", "gauge", "What disappears of the free space in a second, by the last hours; negative when there is more and more", ({ repository: { bytesPerHour } }) =>
    bytesPerHour === undefined ? undefined : bytesPerHour / 3600,
  ),
  single("moneta_repository_full_seconds", "gauge", "When its file system is full at this rate, in seconds from now; +Inf while nothing points to it", ({ repository: { fullInMs } }) => (fullInMs === undefined ? Infinity : seconds(fullInMs))),
  {
    name: "moneta_certificate_expiry_time_seconds",
    type: "gauge",
    help: "When a certificate that the daemon shows to its clients expires",
    labels: ["use"],
    collect({ certificates }, samples) {
      for (const { use, expires } of certificates) samples.add(seconds(expires), use);
    },
  },
  single("moneta_scrapes_total", "counter", "Answers with metrics before this one", ({ scrapes }) => scrapes.count),
  single("moneta_scrape_seconds_total", "counter", "Seconds from each request to its answer", ({ scrapes }) => scrapes.seconds),
  single("moneta_http_refused_total", "counter", "Connections and requests to this listener that were refused", ({ scrapes }) => scrapes.refused),
];

function perProcess(name: string, type: MetricType, help: string, value: (process: ProcessFacts) => number | undefined): Family {
  return {
    name,
    type,
    help,
    labels: ["process", serverLabel, "command"],
    collect(facts: DaemonFacts, samples) {
      // Two jobs of one command for one server are one sample: two would be an error of the format.
      const sums = new Map<string, { readonly labels: readonly string[]; sum: number }>();
      for (const process of facts.processes) {
        const own = value(process);
        if (own === undefined) continue;
        const labels = [process.kind, process.server, process.command];
        const key = labels.join("\0");
        const known = sums.get(key);
        if (known === undefined) sums.set(key, { labels, sum: own });
        else known.sum += own;
      }
      for (const { labels, sum } of sums.values()) samples.add(sum, ...labels);
    },
  };
}

const supervisor = ({ processes }: DaemonFacts): ProcessFacts | undefined => processes.find(({ kind }) => kind === "supervisor");

export const processFamilies: readonly Family[] = [
  perProcess("moneta_processes", "gauge", "Processes of the daemon: the supervisor, receivers, jobs, converters of single files, probers of checks", () => 1),
  perProcess("moneta_process_cpu_seconds_total", "counter", "Processor time of those that run, user and system", ({ cpuSeconds }) => cpuSeconds),
  perProcess("moneta_process_resident_memory_bytes", "gauge", "Memory that they have in use", ({ residentBytes }) => residentBytes),
  perProcess("moneta_process_threads", "gauge", "Threads that they have", ({ threads }) => threads),
  perProcess("moneta_process_open_fds", "gauge", "Files and sockets that they have open", ({ openFiles }) => openFiles),
  perProcess("moneta_process_read_bytes_total", "counter", "Bytes that they had the system read from storage", ({ readBytes }) => readBytes),
  perProcess("moneta_process_written_bytes_total", "counter", "Bytes that they had the system write to storage", ({ writtenBytes }) => writtenBytes),
  single("process_cpu_seconds_total", "counter", "Processor time of the supervisor, by the name that dashboards know", (facts) => supervisor(facts)?.cpuSeconds),
  single("process_resident_memory_bytes", "gauge", "Memory of the supervisor, by the name that dashboards know", (facts) => supervisor(facts)?.residentBytes),
  single("process_open_fds", "gauge", "Open files of the supervisor, by the name that dashboards know", (facts) => supervisor(facts)?.openFiles),
  single("process_start_time_seconds", "gauge", "When the supervisor started, by the name that dashboards know", ({ started }) => seconds(started)),
];
