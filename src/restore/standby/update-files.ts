/** Brings all files of a copy to what the backup has: one pass over its index, several files at the same time. */
import { dirname } from "node:path";
import { createWeightedTasks } from "../../common/index.ts";
import { readClusterEntries, type ChunkIndexEntry } from "../../repository/index.ts";
import { checkLink } from "../entry-places.ts";
import { isOwnFile } from "../own-files.ts";
import type { TargetPaths } from "../target-directory.ts";
import { lookAt, placeDirectory, putLink, setMode } from "./place-entry.ts";
import { updateFile, type FileOutcome, type FileUpdate } from "./update-file.ts";

export interface FilesUpdate extends FileUpdate {
  readonly paths: TargetPaths;
  /** Where an entry lies. */
  readonly placeOf: (path: string) => string;
  /** Paths of the backup that have another content in the copy. */
  readonly instead: (path: string) => boolean;
  /** Of directories that the backup does not name. */
  readonly mode: number;
  readonly workers: number;
  readonly signal: AbortSignal;
}

/** Throws the first error; files under way have ended by then. */
export async function updateFiles(options: FilesUpdate): Promise<Record<FileOutcome, number>> {
  const { source, paths, placeOf, instead, mode, workers, signal } = options;
  // Chunks in work over all files: one large file uses all workers, many small ones share them.
  const permits = Math.max(1, workers) * 2;
  const tasks = createWeightedTasks(permits, signal);
  const outcomes: Record<FileOutcome, number> = { untouched: 0, same: 0, changed: 0 };
  const roots = [paths.data, ...paths.tablespaces.filter(({ inPlace }) => !inPlace).map(({ path }) => path)];
  const made = new Set(roots);

  const directory = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    const root = roots.find((each) => path.startsWith(`${each}/`)) ?? paths.data;
    await placeDirectory(path, root, mode);
    made.add(path);
  };
  const take = async (entry: ChunkIndexEntry): Promise<void> => {
    tasks.check();
    if (isOwnFile(entry.path) || instead(entry.path)) return;
    const path = placeOf(entry.path);
    if (entry.kind === "directory") {
      await directory(path);
      const found = await lookAt(path);
      if (found !== undefined && (Number(found.mode) & 0o777) !== (entry.mode & 0o777)) await setMode(path, entry.mode & 0o777);
      return;
    }
    await directory(dirname(path));
    if (entry.kind === "symlink") {
      checkLink(entry.path, paths);
      return;
    }
    const weight = Math.min(permits, Math.max(1, entry.chunks.length));
    await tasks.start(weight, async () => {
      outcomes[await updateFile({ ...options, source: { ...source, signal: tasks.signal } }, entry, path, weight)] += 1;
    });
  };

  await tasks.run(async () => {
    await readClusterEntries(source, { onEntry: take });
  });
  // Whether or not the backup has the links, as in a restore.
  for (const { oid, path, inPlace } of paths.tablespaces) {
    if (inPlace) continue;
    await directory(`${paths.data}/pg_tblspc`);
    await putLink(`${paths.data}/pg_tblspc/${oid}`, path);
  }
  return outcomes;
}
