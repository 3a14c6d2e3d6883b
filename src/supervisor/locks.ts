/**
 * Which jobs of one server may run side by side. pgmoneta has one flag for everything; here jobs exclude each other by
 * what they do, and beyond that only by the backups that one of them reads and the other takes away.
 */
import { isLabel } from "../repository/index.ts";
import type { JobRequest } from "../ipc/index.ts";
import type { JobCommand } from "../state/index.ts";

/** What a job does to the backups or the WAL of its server. */
export type Access =
  /** Adds a backup; links to what the one before it stored. */
  | "append"
  /** Takes away one backup that was named. */
  | "remove"
  /** Takes away what is due and nobody uses, and WAL that nothing needs any more. */
  | "retain"
  /** Reads a backup and WAL that must stay. */
  | "read"
  /** Reads a backup and WAL, and writes down what came of it: one at a time. */
  | "verify"
  /** Looks at the catalog, and needs nothing of it to stay. */
  | "look"
  /** Turns raw segments into their final form; readers accept either at any instant. */
  | "archive"
  /** Copies archived WAL to another place: bothers nobody, and nobody bothers it. */
  | "ship"
  /** Takes away what crashed jobs left: a running backup or deletion must not be taken for a leftover. */
  | "clean"
  /** Gives the WAL another place: nobody may read or write any. */
  | "alone";

export const accessOf: Readonly<Record<JobCommand, Access>> = {
  backup: "append",
  delete: "remove",
  restore: "read",
  "hot-standby": "read",
  archive: "read",
  verify: "verify",
  "archive-wal": "archive",
  "ship-wal": "ship",
  clean: "clean",
  retention: "retain",
  "retention-plan": "look",
  drill: "read",
  lineage: "alone",
};

/** Kinds that exclude each other whatever backups they work with. */
const apart: Readonly<Record<Access, readonly Access[]>> = {
  append: ["append", "clean"],
  remove: ["remove", "retain", "clean"],
  retain: ["remove", "retain", "clean"],
  clean: ["append", "remove", "retain", "clean"],
  verify: ["verify"],
  read: [],
  look: [],
  archive: ["archive"],
  ship: ["ship"],
  alone: [],
};

/** Labels of backups; `all` as long as it is not known which. */
export type Backups = "all" | ReadonlySet<string>;

/** A job as far as it concerns others of its server. */
export interface Holder {
  readonly command: JobCommand;
  /** What it reads and needs to stay, or is about to take out of view. It grows smaller while the job runs, never larger. */
  readonly backups: Backups;
}

/** Those that a job is going to work with, as far as its request says. */
export function backupsOf(request: JobRequest): Backups {
  switch (accessOf[request.command]) {
    case "append":
    case "retain":
      return "all";
    case "remove":
    case "read":
    case "verify":
      return "backup" in request && isLabel(request.backup) ? new Set([request.backup]) : "all";
    default:
      return new Set();
  }
}

/** Whether the job takes backups out of view. */
export const takesAway = (command: JobCommand): boolean => ["remove", "retain"].includes(accessOf[command]);

/** Whether the job needs backups to stay. */
export const needsBackups = (command: JobCommand): boolean => ["append", "read", "verify"].includes(accessOf[command]);

/** Whether two jobs of one server may run at the same time, as long as they do not work with the same backup. */
export function mayRunTogether(a: JobCommand, b: JobCommand): boolean {
  return accessOf[a] !== "alone" && accessOf[b] !== "alone" && !apart[accessOf[a]].includes(accessOf[b]);
}

function overlap(a: Backups, b: Backups): boolean {
  if (a === "all") return b === "all" || b.size > 0;
  if (b === "all") return a.size > 0;
  return [...a].some((label) => b.has(label));
}

/**
 * Whether `job`, whose turn has not come, has to wait for `other`, which runs or stands before it.
 *
 * A run of retention waits for no reader: it leaves alone what was in use when it began, and whoever wants to read
 * waits until it has decided, which is soon. A deletion waits for those that read its backup, and the other way round.
 */
export function mustWaitFor(job: Holder, other: Holder, otherRuns: boolean): boolean {
  if (!mayRunTogether(job.command, other.command)) return true;
  if (needsBackups(job.command) && takesAway(other.command)) {
    // Who has not chosen a backup yet does not want this one, as long as it is only going to be deleted.
    if (!otherRuns && (other.command === "retention" || job.backups === "all")) return false;
    return overlap(job.backups, other.backups);
  }
  if (accessOf[job.command] === "remove" && needsBackups(other.command)) {
    // A backup that has not begun links to whatever is there then.
    if (!otherRuns && accessOf[other.command] === "append") return false;
    return overlap(job.backups, other.backups);
  }
  return false;
}
