/** Where the entries of a backup lie in the directories of a cluster. pg_control has a temporary name there. */
import { checkRelativePath } from "../postgres/index.ts";
import { backupFiles } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import { controlFilePath } from "./inspect-backup.ts";
import { heldBackControlFile } from "./own-files.ts";
import type { TargetPaths } from "./target-directory.ts";

/**
 * From the path of an entry to its place, absolute. Throws FILE_PATH_REFUSED for a path that leads elsewhere, and
 * RESTORE_MISMATCH for one that belongs to no tablespace.
 */
export function entryPlaces(paths: TargetPaths, label: string): (path: string) => string {
  const roots = new Map([[backupFiles.data, paths.data], ...paths.tablespaces.map(({ stored, path }) => [stored, path] as const)]);
  return (path) => {
    checkRelativePath(path, `the chunk index of backup ${label}`);
    if (path === controlFilePath) return `${paths.data}/${heldBackControlFile}`;
    const slash = path.indexOf("/");
    const root = roots.get(slash < 0 ? path : path.slice(0, slash));
    if (root === undefined) throw restoreErrors.mismatch(`the backup has ${path}, which belongs to no tablespace of it`, { path });
    return slash < 0 ? root : `${root}/${path.slice(slash + 1)}`;
  };
}

/** The only links of a cluster lead to its tablespaces. Throws RESTORE_MISMATCH for any other. */
export function checkLink(entryPath: string, { tablespaces }: TargetPaths): void {
  const oid = Number(/^data\/pg_tblspc\/([0-9]+)$/.exec(entryPath)?.[1] ?? "0");
  if (tablespaces.some((each) => each.oid === oid && !each.inPlace)) return;
  throw restoreErrors.mismatch(`the backup has a link ${entryPath}, which belongs to no tablespace of it`, { path: entryPath });
}
