/** Brings all files of a copy to what the backup has: one pass over its index, several files at the same time. */
import { dirname } from "node:path";
import { createSemaphore, throwIfAborted } from "../../common/index.ts";
import { readClusterEntries, type ChunkIndexEntry, type IndexedFile } from "../../repository/index.ts";
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
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  // Chunks in work over all files: one large file uses all workers, many small ones share them.
  const permits = Math.max(1, workers) * 2;
  const semaphore = createSemaphore(permits);
  const running = new Set<Promise<void>>();
  const outcomes: Record<FileOutcome, number> = { untouched: 0, same: 0, changed: 0 };
  const roots = [paths.data, ...paths.tablespaces.filter(({ inPlace }) => !inPlace).map(({ path }) => path)];
  const made = new Set(roots);
  let failure: { readonly error: unknown } | undefined;

  const directory = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    const root = roots.find((each) => path.startsWith(`${each}/`)) ?? paths.data;
    await placeDirectory(path, root, mode);
    made.add(path);
  };
  const start = (file: IndexedFile, path: string, weight: number): void => {
    const task = updateFile({ ...options, source: { ...source, signal: all } }, file, path, weight)
      .then((outcome) => {
        outcomes[outcome] += 1;
      })
      .catch((error: unknown) => {
        failure ??= { error };
        stop.abort(error);
      })
      .finally(() => {
        semaphore.release(weight);
        running.delete(task);
      });
    running.add(task);
  };
  const take = async (entry: ChunkIndexEntry): Promise<void> => {
    if (failure !== undefined) throw failure.error;
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
    await semaphore.acquire(weight, all);
    start(entry, path, weight);
  };

  try {
    await readClusterEntries(source, { onEntry: take });
  } catch (error) {
    failure ??= { error };
    stop.abort(error);
  }
  await Promise.all(running);
  throwIfAborted(signal);
  if (failure !== undefined) throw failure.error;
  // Whether or not the backup has the links, as in a restore.
  for (const { oid, path, inPlace } of paths.tablespaces) {
    if (inPlace) continue;
    await directory(`${paths.data}/pg_tblspc`);
    await putLink(`${paths.data}/pg_tblspc/${oid}`, path);
  }
  return outcomes;
}
