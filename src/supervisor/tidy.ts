/** What a crash left behind, looked for before anything of a server starts. */
import { openCatalog } from "../repository/index.ts";
import type { Logger } from "../log/index.ts";
import type { Storage } from "../storage/index.ts";

/**
 * Removes unfinished small files at once, while nothing runs that could be writing one, and says whether unfinished
 * or half-deleted backups are left for a `clean` job: those may be large. Only under the owner lock.
 */
export async function tidyServer(
  storage: Storage,
  server: string,
  logger: Logger,
): Promise<{ readonly backupsLeft: boolean }> {
  const leftovers = await openCatalog(storage, server).leftovers();
  for (const { path, label } of leftovers) {
    if (label !== undefined) continue;
    await storage.removeFile(path);
    logger.warn(`an unfinished file of an earlier run was removed: "${path}"`, { server });
  }
  return { backupsLeft: leftovers.some(({ label }) => label !== undefined) };
}
