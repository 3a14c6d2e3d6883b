/**
 * Which jobs of one server may run side by side. pgmoneta has one flag for everything; here a restore does not keep
 * a backup from running, and neither holds up WAL.
 */
import type { JobCommand } from "../state/index.ts";

/** What a job does to the backups or the WAL of its server. */
export type Access =
  /** Adds a backup; looks at those that are there. */
  | "append"
  /** Takes backups away, and WAL that nothing needs any more. */
  | "remove"
  /** Reads backups and WAL that must stay. */
  | "read"
  /** Reads a backup and WAL, and writes down what came of it: one at a time. */
  | "verify"
  /** Turns raw segments into their final form; readers accept either at any instant. */
  | "archive"
  /** Copies archived WAL to another place: bothers nobody, and nobody bothers it. */
  | "ship"
  /** Takes away what crashed jobs left: a running backup or deletion must not be taken for a leftover. */
  | "clean";

export const accessOf: Readonly<Record<JobCommand, Access>> = {
  backup: "append",
  delete: "remove",
  restore: "read",
  archive: "read",
  verify: "verify",
  "archive-wal": "archive",
  "ship-wal": "ship",
  clean: "clean",
  retention: "remove",
  "retention-plan": "read",
  drill: "read",
};

const together: Readonly<Record<Access, readonly Access[]>> = {
  append: ["read", "verify", "archive", "ship"],
  remove: ["archive", "ship"],
  read: ["append", "read", "verify", "archive", "clean", "ship"],
  verify: ["append", "read", "archive", "clean", "ship"],
  archive: ["append", "remove", "read", "verify", "clean", "ship"],
  clean: ["read", "verify", "archive", "ship"],
  ship: ["append", "remove", "read", "verify", "archive", "clean"],
};

/** Whether two jobs of one server may run at the same time. */
export function mayRunTogether(a: JobCommand, b: JobCommand): boolean {
  return together[accessOf[a]].includes(accessOf[b]);
}
