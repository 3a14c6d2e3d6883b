/**
 * What a job had done when its process ended without saying so: a backup becomes visible by one rename, and whoever is
 * killed after it has taken a backup, also when it was cancelled meanwhile.
 */
import { syncDirectory } from "../common/index.ts";
import type { JobResult } from "../ipc/index.ts";
import { openCatalog, serverLayout } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { CatalogCache } from "./catalog-cache.ts";
import type { Job } from "./job.ts";

interface Stored {
  readonly storage: LocalStorage;
  readonly catalog: CatalogCache;
}

/** The job whose work is looked for. */
export type WorkSought = Pick<Job, "command" | "server" | "started" | "newestBefore">;

/** What is to be remembered of a job before its process starts; undefined for a command whose work is not looked for. */
export function labelBefore({ command, server }: Pick<Job, "command" | "server">, storage: LocalStorage): Promise<string> | undefined {
  return command === "backup" ? openCatalog(storage, server).newestLabel() : undefined;
}

/** The result of a backup that is in the catalog; undefined when there is none of this job, and for other commands. */
export async function findDone({ command, server, started, newestBefore }: WorkSought, { storage, catalog }: Stored): Promise<JobResult | undefined> {
  if (command !== "backup" || started === undefined || newestBefore === undefined) return undefined;
  const entries = await catalog.refresh(server);
  // One backup of a server runs at a time, and labels only grow: a greater one is this job's, whatever the clock did meanwhile.
  // The time is asked as well: somebody can have copied a backup here.
  const done = entries.find(
    ({ label, info }) => label > newestBefore && info?.valid === true && info.own !== undefined && info.own.startTime >= started,
  );
  if (done === undefined) return undefined;
  // What is in it was on disk before it was renamed; its name may not be yet.
  await syncDirectory(storage.absolutePath(serverLayout(server).backups));
  return { label: done.label, notes: ["the backup was complete already when its job was ended"], facts: {} };
}
