/** What the jobs of a server need to stay at this moment: retention is told when it begins, and leaves it alone. */
import type { RepositoryUse } from "../ipc/index.ts";
import type { CatalogEntry } from "../repository/index.ts";
import type { Job } from "./job.ts";
import { needsBackups } from "./locks.ts";

/** A job as far as it says what it works with. */
export type User = Pick<Job, "command" | "request" | "state" | "backups" | "wal">;

/**
 * Those that run need what they have said, anything until they have said it; those that wait are going to need what
 * they were asked to work with: none of it may be gone when their turn comes. Whoever wants a deletion does not want
 * the backup kept.
 */
export function repositoryUse(active: readonly User[], entries: readonly CatalogEntry[]): RepositoryUse {
  const readers = active.filter(({ command }) => needsBackups(command));
  const running = readers.filter(({ state }) => state !== "waiting");
  const asked = readers.filter(({ state }) => state === "waiting").flatMap(({ request }) => labelAsked(request, entries));
  const said = running.flatMap(({ backups }) => (backups === "all" ? [] : [...backups]));
  return {
    all: running.some(({ backups, wal }) => backups === "all" || wal === "all"),
    backups: [...new Set([...said, ...asked])],
    wal: running.flatMap(({ wal }) => (wal === "all" ? [] : wal)),
  };
}

function labelAsked(request: Job["request"], entries: readonly CatalogEntry[]): string[] {
  if (!("backup" in request) || typeof request.backup !== "string") return [];
  const valid = entries.filter(({ state }) => state === "valid").map(({ label }) => label);
  const byName = ["oldest", "newest", "latest"].includes(request.backup);
  // Which of them reaches the position only the job finds out: until then it may be any.
  if (byName && "position" in request && request.position !== null) return valid;
  if (request.backup === "oldest") return valid.slice(0, 1);
  return request.backup === "newest" || request.backup === "latest" ? valid.slice(-1) : [request.backup];
}
