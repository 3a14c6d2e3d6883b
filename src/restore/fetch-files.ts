/**
 * Writes the files of a backup into the target: one pass over the chunk index, several files at the same time, each
 * checked against everything that is known of it. pg_control gets a temporary name.
 */
import { chmod, mkdir, symlink } from "node:fs/promises";
import { createWeightedTasks } from "../common/index.ts";
import { pathToBytes } from "../postgres/index.ts";
import { readBackupFile, readClusterEntries, storedFileFacts, type BackupSource, type ChunkIndexEntry, type IndexedFile } from "../repository/index.ts";
import { systemCalls } from "../storage/index.ts";
import { attempting } from "./attempt.ts";
import { checkLink, entryPlaces } from "./entry-places.ts";
import { createFetchThreads, type FetchThreads } from "./fetch-thread.ts";
import { isOwnFile } from "./own-files.ts";
import type { TargetPaths } from "./target-directory.ts";
import { writeTargetFile } from "./write-file.ts";

export interface FetchOptions {
  readonly source: BackupSource;
  readonly paths: TargetPaths;
  /** Of directories that the backup does not name. */
  readonly mode: number;
  readonly workers: number;
  /** Plain bytes of all files, as far as that is known. */
  readonly bytes: number;
  /** Sync each file before it is closed. */
  readonly syncEach: boolean;
  readonly signal: AbortSignal;
  /** Called with the bytes that were written since the last call. */
  readonly written: (bytes: number) => void;
}

/** A smaller cluster is there before threads have started. */
const WORTH_THREADS = 64 * 1024 * 1024;

/** Fetches everything. Throws the first error; files under way have ended by then. */
export async function fetchFiles(options: FetchOptions): Promise<{ files: number; bytes: number }> {
  const { source, signal } = options;
  const place = createPlacement(options);
  // Chunks in work over all files: two large files use all workers, many small ones share them.
  const permits = Math.max(1, options.workers) * 4;
  const threads = source.storage.threads && options.bytes >= WORTH_THREADS ? openThreads(options) : undefined;
  const tasks = createWeightedTasks(permits, signal);
  tasks.signal.addEventListener("abort", () => threads?.stop(), { once: true });
  const sums = { files: 0, bytes: 0 };

  const take = async (entry: ChunkIndexEntry): Promise<void> => {
    tasks.check();
    if (isOwnFile(entry.path)) return;
    await place.prepare(entry);
    if (entry.kind !== "file") return;
    const weight = Math.min(permits / 2, Math.max(1, entry.chunks.length));
    await tasks.start(weight, async () => {
      await fetchFile({ ...options, source: { ...source, signal: tasks.signal } }, threads, entry, place.of(entry.path), weight);
      sums.files += 1;
      sums.bytes += entry.size;
    });
  };

  try {
    await tasks.run(async () => {
      await readClusterEntries(source, { onEntry: take });
    });
  } finally {
    await threads?.close();
  }
  await place.link();
  return sums;
}

interface Placement {
  /** Absolute path of a file of the backup. */
  of(path: string): string;
  /** Makes the directories of an entry, or the entry itself when it is a directory; takes note of a link. */
  prepare(entry: ChunkIndexEntry): Promise<void>;
  /** Makes the links to the tablespaces. */
  link(): Promise<void>;
}

function createPlacement({ paths, mode, source }: FetchOptions): Placement {
  const of = entryPlaces(paths, source.info.label);
  const made = new Set([paths.data, ...paths.tablespaces.filter(({ inPlace }) => !inPlace).map(({ path }) => path)]);

  async function makeDirectory(directory: string): Promise<void> {
    if (made.has(directory)) return;
    await makeDirectory(directory.slice(0, directory.lastIndexOf("/")));
    await attempting("make the directory", directory, () => mkdir(pathToBytes(directory), { recursive: true, mode }));
    made.add(directory);
  }

  return {
    of,
    async prepare(entry) {
      const path = of(entry.path);
      if (entry.kind === "directory") {
        await makeDirectory(path);
        await attempting("set the mode of", path, () => chmod(pathToBytes(path), entry.mode & 0o777));
        return;
      }
      await makeDirectory(path.slice(0, path.lastIndexOf("/")));
      if (entry.kind === "symlink") checkLink(entry.path, paths);
    },
    async link() {
      for (const { oid, path, inPlace } of paths.tablespaces) {
        if (!inPlace) await makeLink(oid, path);
      }
    },
  };

  /**
   * Whether or not the backup has the link: a server that sends tablespace_map sends no links, and without one
   * recovery makes an empty directory in its place. Absolute, as those that PostgreSQL makes: for any other its
   * tools and the next backup take the tablespace for one inside the data directory.
   */
  async function makeLink(oid: number, to: string): Promise<void> {
    const links = `${paths.data}/pg_tblspc`;
    await makeDirectory(links);
    await attempting("make the link", `${links}/${oid}`, () => symlink(pathToBytes(to), pathToBytes(`${links}/${oid}`)));
  }
}

function openThreads({ source, workers, written }: FetchOptions): FetchThreads {
  return createFetchThreads({ threads: Math.max(1, workers), root: source.storage.root, keys: source.keys, written });
}

async function fetchFile(options: FetchOptions, threads: FetchThreads | undefined, file: IndexedFile, path: string, concurrency: number): Promise<void> {
  const { source, syncEach, written } = options;
  const target = { path, mode: file.mode, sync: syncEach };
  // What lies in one stored file of ours, a thread can fetch alone.
  if (threads !== undefined && file.combined === undefined && file.content === undefined && file.location === undefined) {
    const { chunks, headerSize } = file;
    await threads.fetch({ stored: storedFileFacts(source.server, source.info, file), chunks, headerSize, hash: source.info.own?.hash ?? "sha512", concurrency, target });
    return;
  }
  await writeTargetFile(systemCalls, target, (write) =>
    readBackupFile(source, file, concurrency, async (piece, offset) => {
      await write(piece, offset);
      written(piece.length);
    }),
  );
}
