/**
 * Removes unfinished and half-deleted backups, and what drills left that were killed; the queue sees to it that no backup
 * or deletion runs meanwhile, and a drill that runs holds a lock.
 */
import { throwIfAborted } from "../common/index.ts";
import { removeLeftovers } from "../drill/index.ts";
import { openCatalog } from "../repository/index.ts";
import type { JobHandler } from "./job.ts";

export const clean: JobHandler<"clean"> = async (request, { clock, server, storage, logger, signal, progress }) => {
  progress({ phase: "cleanup" });
  const notes: string[] = [];
  for (const leftover of await openCatalog(storage, server.name).leftovers()) {
    // Unfinished small files may belong to the receiver or the archiver, which run: the next start looks at them.
    if (leftover.label === undefined) continue;
    throwIfAborted(signal);
    const { files } = await storage.removeTree(leftover.path);
    const note = `the remains of an ${leftover.what} were removed: "${leftover.path}"`.replace("an half", "a half");
    logger.warn(note, { server: server.name, label: leftover.label, files });
    notes.push(note);
  }
  if (request.workspace !== undefined) {
    for (const path of await removeLeftovers(request.workspace, { clock, logger })) {
      const note = `the remains of a drill were removed: "${path}"`;
      logger.warn(note, { server: server.name });
      notes.push(note);
    }
  }
  return { label: null, notes, facts: {} };
};
