/** pgmoneta's families about a server, what runs for it, and how far its WAL is. */
import { formatLsn, lsn, segmentName, timelineId } from "../postgres/index.ts";
import { flag, perServer, perServerWith, type Family, type MetricType } from "./family.ts";
import type { JobFacts, ServerFacts } from "./facts.ts";

/** pgmoneta's form of a moment: local time as a number of 14 digits, 0 for never. */
function asNumber(ms: number | undefined): number {
  if (ms === undefined) return 0;
  const at = new Date(ms);
  const parts = [at.getMonth() + 1, at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds()];
  return Number(`${at.getFullYear()}${parts.map((part) => String(part).padStart(2, "0")).join("")}`);
}

const streaming = ({ state }: ServerFacts): boolean => state.process === "running" && state.receiver === "streaming";
const helper = "pgmoneta_ext";

export const pgmonetaServer: readonly Family[] = [
  perServer("pgmoneta_server_timeline", "gauge", "The timeline that a server is on, 0 while it is not known", ({ state }) => state.timeline),
  perServerWith("pgmoneta_server_parent_tli", "gauge", "The timeline that a timeline came from, 0 for the first one", ["tli"], ({ timelines }, add) => {
    for (const { timeline, parent } of timelines) add(parent, String(timeline));
  }),
  perServerWith("pgmoneta_server_timeline_switchpos", "gauge", "Always 1; the position where a timeline left the one before is in the label", ["tli", "walpos"], ({ timelines }, add) => {
    for (const { timeline, switchLsn } of timelines) add(1, String(timeline), formatLsn(lsn(switchLsn)));
  }),
  perServer("pgmoneta_server_workers", "gauge", "The workers of a server", ({ workers }) => workers),
  perServer("pgmoneta_server_online", "gauge", "Whether a server is in online mode", ({ online }) => flag(online)),
  perServer("pgmoneta_server_primary", "gauge", "Whether a server is a primary", ({ state }) => flag(state.serverVersion > 0 && !state.inRecovery)),
  perServer("pgmoneta_server_valid", "gauge", "Whether a server is online and nothing holds it up", ({ valid }) => flag(valid)),
  perServer("pgmoneta_wal_streaming", "gauge", "Whether WAL of a server is being received", (server) => flag(streaming(server))),
  perServer("pgmoneta_server_operation_count", "unknown", "Commands of operators for a server since the daemon started", ({ operations }) => operations.count),
  perServer("pgmoneta_server_failed_operation_count", "unknown", "Those of them that failed", ({ operations }) => operations.failed),
  perServer("pgmoneta_server_last_operation_time", "gauge", "When the last of them was, local time as a number YYYYMMDDHHMMSS, 0 for never", ({ operations }) => asNumber(operations.last)),
  perServer("pgmoneta_server_last_failed_operation_time", "gauge", "When the last one failed, local time as a number YYYYMMDDHHMMSS, 0 for never", ({ operations }) => asNumber(operations.lastFailed)),
  perServer("pgmoneta_server_checksums", "gauge", "Whether a server has page checksums", ({ state }) => flag(state.checksums)),
  perServer("pgmoneta_server_fips_mode", "gauge", "Always 0: PostgreSQL servers are not asked for it", () => 0),
  perServer("pgmoneta_server_summarize_wal", "gauge", "Whether a server has summarize_wal on", ({ state }) => flag(state.summarizesWal)),
  perServer("pgmoneta_server_extensions_detected", "gauge", "Extensions in the database that the daemon connects to", ({ extensions }) => extensions?.length ?? 0),
  perServerWith("pgmoneta_server_extension", "gauge", "1 for each of these extensions; the extension none and 0 where there are none", ["extension", "version", "comment"], ({ extensions = [] }, add) => {
    if (extensions.length === 0) add(0, "none", "", "");
    for (const { name, version, comment } of extensions) add(1, name, version, comment);
  }),
  perServerWith("pgmoneta_extension_pgmoneta_ext", "gauge", "Whether the extension pgmoneta_ext is there; Moneta does not need it", ["version"], ({ extensions = [] }, add) => {
    const found = extensions.find(({ name }) => name === helper);
    add(flag(found !== undefined), found?.version ?? "not_installed");
  }),
];

/** pgmoneta's words of the workflows that our commands are. */
const workflows: Readonly<Record<string, string>> = {
  backup: "Backup",
  restore: "Restore",
  archive: "Archive",
  delete: "Delete",
  retention: "Retention",
  verify: "Verify",
};
const titled = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** What a server is shown at: the job that an operator would be told of. */
function shownJob({ jobs }: ServerFacts): JobFacts | undefined {
  const running = jobs.filter(({ visible, waiting }) => visible && !waiting);
  return running.find(({ command }) => command === "backup") ?? running[0];
}

const progress = (name: string, help: string, value: (job: JobFacts) => number, type: MetricType = "gauge"): Family =>
  perServerWith(name, type, help, ["workflow", "phase"], (server, add) => {
    const job = shownJob(server);
    if (job === undefined) add(0, "None", "None");
    else add(value(job), workflows[job.command] ?? titled(job.command), job.phase === "" ? "None" : titled(job.phase));
  });

export const pgmonetaProgress: readonly Family[] = [
  progress("pgmoneta_progress_percentage", "How far the job that runs is, in percent; one job a server, a backup before others", ({ done, total }) => (total > 0 ? Math.min(100, Math.floor((done * 100) / total)) : 0)),
  progress("pgmoneta_progress_elapsed_time", "Seconds since that job began", ({ elapsedMs }) => elapsedMs / 1000),
  progress("pgmoneta_progress_total", "Bytes that the job has to deal with, 0 while that is not known", ({ total }) => total, "unknown"),
  progress("pgmoneta_progress_done", "Bytes that it has dealt with", ({ done }) => done),
];

const active = (command: string, what: string): Family =>
  perServer(`pgmoneta_active_${command}`, "gauge", `Whether ${what} of a server runs`, ({ jobs }) =>
    flag(jobs.some((job) => job.command === command && !job.waiting)),
  );

/** The segment that is being written, as it lies on the disk. */
function currentFile({ state }: ServerFacts): string | undefined {
  if (state.timeline === 0 || state.walSegmentSize === 0) return undefined;
  return `${segmentName(timelineId(state.timeline), lsn(state.writeLsn), state.walSegmentSize)}.partial`;
}

export const pgmonetaActivity: readonly Family[] = [
  active("backup", "a backup"),
  active("restore", "a restore"),
  active("archive", "an archive"),
  active("delete", "a deletion"),
  active("retention", "the retention"),
  perServerWith("pgmoneta_current_wal_file", "gauge", "Whether WAL is received; the file that it goes to is in the label", ["file"], (server, add) => {
    const file = currentFile(server);
    if (file !== undefined) add(flag(streaming(server)), file);
  }),
  perServerWith("pgmoneta_current_wal_lsn", "gauge", "Whether WAL is received; the position up to which it is durable is in the label", ["lsn"], (server, add) => {
    if (server.state.timeline > 0) add(flag(streaming(server)), formatLsn(lsn(server.state.flushLsn)));
  }),
];
