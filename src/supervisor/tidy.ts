/** What a crash left behind, looked for before anything of a server starts. */
import { finishLineageChange, openCatalog, removeLeftover } from "../repository/index.ts";
import type { Logger } from "../log/index.ts";
import type { Storage } from "../storage/index.ts";

/**
 * Finishes a change of lineage that was interrupted, removes unfinished small files at once, while nothing runs that could be writing one, and says whether unfinished
 * or half-deleted backups are left for a `clean` job: those may be large. Only under the owner lock.
 */
export async function tidyServer(
  storage: Storage,
  server: string,
  logger: Logger,
): Promise<{ readonly backupsLeft: boolean }> {
  if (await finishLineageChange(storage, server)) {
    logger.warn(`the change of ${server} to another cluster, which was interrupted, is finished`, { server });
  }
  const leftovers = await openCatalog(storage, server).leftovers();
  for (const leftover of leftovers) {
    const { path, label, what } = leftover;
    if (label !== undefined) continue;
    await removeLeftover(storage, leftover);
    logger.warn(`${what === "unfinished file" ? "an" : "a"} ${what} of an earlier run was removed: "${path}"`, { server });
  }
  return { backupsLeft: leftovers.some(({ label }) => label !== undefined) };
}
