/** Our families about what is done for a server: jobs, the queue, retention, and what is wrong. */
import { jobOutcomes, type ServerFacts } from "./facts.ts";
import { flag, perServer, perServerWith, seconds, type Family } from "./family.ts";

function byCode({ problems }: ServerFacts): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const code of problems) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}
const retention = ({ ended }: ServerFacts) => ended.find(({ command }) => command === "retention");

export const jobFamilies: readonly Family[] = [
  perServer("moneta_queue_length", "gauge", "Jobs that wait for their turn", ({ jobs }) => jobs.filter(({ waiting }) => waiting).length),
  perServerWith("moneta_jobs_running", "gauge", "Jobs that run, by command", ["command"], ({ jobs }, add) => {
    const counts = new Map<string, number>();
    for (const { command, waiting } of jobs) if (!waiting) counts.set(command, (counts.get(command) ?? 0) + 1);
    for (const [command, count] of counts) add(count, command);
  }),
  perServerWith("moneta_jobs_total", "counter", "Jobs that ended since the daemon started, by command and outcome", ["command", "outcome"], ({ ended }, add) => {
    for (const { command, counts } of ended) for (const outcome of jobOutcomes) add(counts[outcome], command, outcome);
  }),
  perServerWith("moneta_job_last_end_time_seconds", "gauge", "When the last job of a command ended", ["command"], ({ ended }, add) => {
    for (const { command, last } of ended) if (last !== undefined) add(seconds(last.ended), command);
  }),
  perServerWith("moneta_job_last_duration_seconds", "gauge", "How long the last job of a command ran", ["command"], ({ ended }, add) => {
    for (const { command, last } of ended) if (last !== undefined) add(seconds(last.durationMs), command);
  }),
  perServerWith("moneta_job_last_success", "gauge", "Whether the last job of a command succeeded", ["command"], ({ ended }, add) => {
    for (const { command, last } of ended) if (last !== undefined) add(flag(last.outcome === "succeeded"), command);
  }),
  perServer("moneta_retention_last_time_seconds", "gauge", "When retention last removed something, or failed to, since the daemon started", (server) => {
    const last = retention(server)?.last;
    return last === undefined ? undefined : seconds(last.ended);
  }),
  perServer("moneta_retention_success", "gauge", "Whether that succeeded", (server) => {
    const last = retention(server)?.last;
    return last === undefined ? undefined : flag(last.outcome === "succeeded");
  }),
  perServer("moneta_retention_removed_backups_total", "counter", "Backups that retention removed since the daemon started", ({ removed }) => removed.backups),
  perServer("moneta_retention_removed_wal_files_total", "counter", "Files of WAL that it removed", ({ removed }) => removed.walFiles),
  perServer("moneta_retention_removed_wal_bytes_total", "counter", "Bytes of WAL that it removed", ({ removed }) => removed.walBytes),
  perServer("moneta_server_problems", "gauge", "How much status says is wrong with the server", ({ problems }) => problems.length),
  perServerWith("moneta_server_problem", "gauge", "How often status says that this is wrong with the server, by the code of the error", ["code"], (server, add) => {
    for (const [code, count] of byCode(server)) add(count, code);
  }),
];
