/** Counts what became of the jobs of a server and the bytes that they dealt with, for the metrics. */
import type { JsonValue } from "../ipc/index.ts";
import { jobOutcomes, type EndedJobsFacts } from "../metrics/index.ts";
import type { Job, JobOutcome } from "./job.ts";

/** What became of the jobs of one server. */
export interface JobCounts {
  /** `bytes` is what it dealt with. */
  note(job: Job, outcome: JobOutcome, bytes: number): void;
  readonly ended: () => readonly EndedJobsFacts[];
  /** Bytes by stage. */
  readonly stages: () => Readonly<Record<string, number>>;
  readonly removed: () => { readonly backups: number; readonly walFiles: number; readonly walBytes: number };
  /** A backup that succeeded: what came in, what was stored, what was linked. */
  backup(receivedBytes: number, storedBytes: number, linkedBytes: number): void;
}

/** Commands of which each counter begins at 0, so that a first failure is a rise. */
const usualCommands = ["backup", "restore", "verify", "drill", "retention", "archive-wal"];
/** Stages that are the bytes which a job of a command dealt with. */
const workedOn: Readonly<Partial<Record<Job["command"], string>>> = {
  restore: "restore",
  archive: "archive",
  verify: "verify",
  drill: "drill",
};

/** Of what a job said, which is checked to be plain JSON and no more. */
const fieldOf = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>)[name] : undefined;

export function createJobCounts(): JobCounts {
  const ended = new Map<string, EndedJobsFacts>();
  const none = Object.fromEntries(jobOutcomes.map((outcome) => [outcome, 0])) as EndedJobsFacts["counts"];
  for (const command of usualCommands) ended.set(command, { command, counts: none, last: undefined });
  const stages: Record<string, number> = { backup_received: 0, backup_stored: 0, backup_linked: 0, restore: 0, archive: 0, verify: 0, drill: 0 };
  const removed = { backups: 0, walFiles: 0, walBytes: 0 };
  const add = (stage: string, bytes: number): void => {
    stages[stage] = (stages[stage] ?? 0) + bytes;
  };
  return {
    note(job, outcome, bytes) {
      const counts = ended.get(job.command)?.counts ?? none;
      const now = job.ended ?? job.submitted;
      ended.set(job.command, {
        command: job.command,
        counts: { ...counts, [outcome.state]: counts[outcome.state] + 1 },
        last: { outcome: outcome.state, ended: now, durationMs: Math.max(0, now - (job.started ?? now)) },
      });
      const stage = workedOn[job.command];
      if (stage !== undefined) add(stage, bytes);
      if (job.command !== "retention" || outcome.state !== "succeeded") return;
      const { decisions, removedWal } = outcome.result.facts;
      if (Array.isArray(decisions)) removed.backups += decisions.filter((one: JsonValue) => fieldOf(one, "keep") === false).length;
      removed.walFiles += Number(fieldOf(removedWal, "files") ?? 0);
      removed.walBytes += Number(fieldOf(removedWal, "bytes") ?? 0);
    },
    ended: () => [...ended.values()],
    stages: () => stages,
    removed: () => removed,
    backup(receivedBytes, storedBytes, linkedBytes) {
      add("backup_received", receivedBytes);
      add("backup_stored", storedBytes);
      add("backup_linked", linkedBytes);
    },
  };
}
