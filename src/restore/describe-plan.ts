/** The plan in sentences for people. */
import { formatByteSize, formatDuration, type ErrorDetails } from "../common/index.ts";
import { formatLsn, type Lsn } from "../postgres/index.ts";
import type { CheckedTarget } from "./check-target.ts";
import type { RecoveryPosition } from "./recovery-position.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { formatInstant } from "./target-time.ts";

/** Where recovery stops. */
export function describeTarget({ target: asked, inclusive }: RecoveryPosition, { target, instant }: CheckedTarget, end: Lsn): string {
  const edge = inclusive === false ? "just before" : "at";
  switch (asked.kind) {
    case "end":
      return `the end of the archive, ${formatLsn(end)}`;
    case "immediate":
      return "the moment the backup is consistent";
    case "name":
      return `the restore point ${JSON.stringify(asked.name)}`;
    case "xid":
      return `${inclusive === false ? "just before" : "right after"} transaction ${asked.xid} ends`;
    case "lsn":
      return `${edge} ${formatLsn(asked.lsn)}${met(target.kind)}`;
    case "time":
      return `${edge} ${formatInstant(instant ?? asked.time.local)}${met(target.kind)}`;
  }
}

function met(kind: string): string {
  return kind === "end" ? ", which the end of the archive meets" : "";
}

/** The steps of a restore, one sentence each. */
export function describePlan(plan: RestorePlan): string[] {
  const { backup, wal } = plan;
  const path = plan.timelines.map(({ timeline, until }) => (until === null ? String(timeline) : `${timeline} to ${until}`)).join(", then ");
  const time = plan.estimatedSeconds === null ? "" : `, about ${formatDuration(plan.estimatedSeconds * 1000)} (as long as the backup took)`;
  return [
    `Backup: ${backup.label} (${backup.type}, PostgreSQL ${backup.version}), ${backup.startLsn} to ${backup.endLsn}, ended ${backup.endTime}${plan.choice === null ? "" : `; ${plan.choice}`}.`,
    `Files: ${plan.files}, ${formatByteSize(plan.bytes)}; ${formatByteSize(plan.freeBytes)} are free${time}.`,
    `Data directory: ${plan.directory}.`,
    ...plan.tablespaces.map(({ oid, source, directory }) => `Tablespace ${oid}: ${source} becomes ${directory}.`),
    `WAL: ${wal.segments} segments, ${wal.firstSegment} to ${wal.lastSegment}${wal.unfinished ? " (unfinished)" : ""}, up to ${wal.to}${wal.copied ? `, copied into pg_wal (${formatByteSize(wal.bytes)})` : ", read from the repository by restore_command"}.`,
    `Timeline: ${path}.`,
    `Target: ${plan.target}.`,
    `Afterwards: ${actions[plan.action]}.`,
    `Written: pg_control last; postgresql.auto.conf with ${plan.settings.map(([name, value]) => `${name} = '${value}'`).join(", ")}; ${plan.role === "replica" ? "standby.signal" : "recovery.signal"}.`,
  ];
}

/** Details of the error that refuses a plan: what was planned and what speaks against it, a line each. */
export function refusedPlan(plan: RestorePlan): ErrorDetails {
  const { server, backup, directory, target, problems } = plan;
  return { server, backup: backup.label, directory, target, plan: describePlan(plan).join("\n"), problems: problems.join("\n") };
}

const actions: Readonly<Record<RestorePlan["action"], string>> = {
  promote: "the server opens for business on a new timeline (promote)",
  pause: "the server pauses at the target and can be read; pg_wal_replay_resume() goes on (pause)",
  shutdown: "the server shuts down at the target (shutdown)",
  follow: "the server stays a replica and follows its primary",
};
