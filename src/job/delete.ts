/** `delete`: a backup goes out of view, then its bytes. */
import { messageOf, throwIfAborted } from "../common/index.ts";
import { managementErrors } from "../management/index.ts";
import {
  descendantsOf,
  hideBackup,
  openCatalog,
  removeHiddenBackup,
  repositoryErrors,
  takeOverLinks,
  type BackupInfo,
} from "../repository/index.ts";
import { jobErrors } from "./errors.ts";
import type { JobHandler } from "./job.ts";

export const deleteBackup: JobHandler<"delete"> = async (request, { server, storage, hooks, logger, signal, progress, settled }) => {
  const { name } = server;
  progress({ phase: "delete" });
  const catalog = openCatalog(storage, name);
  const label = await labelOf(request.backup);
  const entries = await catalog.entries();
  const backups = entries.flatMap(({ info: read }) => read ?? []);
  const info = backups.find((backup) => backup.label === label);
  if (info?.keep === true && !request.force) {
    throw managementErrors.backupRetained(`backup ${label} of ${name} is retained`, { server: name, label });
  }
  const needing = descendantsOf(label, backups);
  if (needing.length > 0) {
    throw repositoryErrors.backupNeeded(`backup ${label} of ${name} is needed by ${needing.join(", ")}`, {
      server: name,
      label,
    });
  }
  const perhaps = entries.filter(({ statedParent }) => statedParent === label).map((entry) => entry.label);
  if (perhaps.length > 0 && !request.force) {
    throw repositoryErrors.backupNeeded(
      `backup ${label} of ${name} is needed by ${perhaps.join(", ")}, which cannot be read at the moment: repair that or delete it first, or use --force`,
      { server: name, label },
    );
  }
  const remarks: string[] = [];
  const files = await hooks.around("delete", { MONETA_BACKUP: label }, remove, { note: (sentence) => remarks.push(sentence) });
  logger.info(`backup ${label} is removed`, { files });
  const last = info?.valid === true && !backups.some((backup: BackupInfo) => backup.valid && backup.label !== label);
  const notes = last ? [`${name} has no valid backup any more`] : [];
  for (const note of notes) logger.warn(note);
  return { label, notes: [...notes, ...remarks], facts: { files } };

  /** Takes it out of view, then its bytes away; how many files there were. */
  async function remove(): Promise<number> {
    for (const taken of await takeOverLinks(storage, name, label, signal)) {
      logger.info(`backup ${taken.label} takes over ${taken.files} files of ${label} that it has links to`);
      if (taken.shortage !== undefined) logger.warn(`the description of backup ${taken.label} or its digest is that of before: ${taken.shortage}`);
    }
    throwIfAborted(signal);
    const hidden = await hideBackup(storage, name, label);
    settled();
    logger.info(`backup ${label} is out of view`);
    // From here on it does not exist for anybody: a cancellation only leaves bytes, which the next start removes.
    const removed = await removeHiddenBackup(storage, hidden).catch((error: unknown) => {
      throw jobErrors.backupRemains(`backup ${label} of ${name} is out of view, but not all of it could be removed: ${messageOf(error)}`, { server: name, label }, error);
    });
    return removed.files;
  }

  /** A damaged backup can be deleted too, by its label. */
  async function labelOf(which: string): Promise<string> {
    const byName = (await catalog.entries()).find((entry) => entry.label === which);
    return byName?.label ?? (await catalog.find(which)).label;
  }
};
