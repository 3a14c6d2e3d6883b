/**
 * The entries of the archives on their way into the stored tree: every file through the pipeline, every directory
 * and link into the chunk index. The stream does not wait for a file to be finished; the pipeline bounds how many
 * are on their way.
 */
import { createGate } from "../common/index.ts";
import type { IndexedFile } from "../repository/index.ts";
import type { FileMeasures, FilePipeline, Pipeline, WholePlainFile } from "../pipeline/index.ts";
import type { PageVerifierOptions } from "../postgres/index.ts";
import type { ByteSink, StoredTree } from "../storage/index.ts";
import type { Pressure } from "./back-pressure.ts";
import type { BackupLists } from "./backup-lists.ts";
import type { EarlierFiles } from "./earlier-files.ts";

export interface StoredEntryFile {
  /** Path in the backup: `data/…`, `tblspc_…/…`. */
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly pages?: PageVerifierOptions | undefined;
  readonly pipeline: Pipeline;
  /** Called when the file is stored. */
  readonly done: (measures: FileMeasures) => void;
}

export interface EntryStore {
  openFile(file: StoredEntryFile): FilePipeline;
  /** Ends the file at hand; its storing goes on in the background. */
  endFile(file: StoredEntryFile, pipeline: FilePipeline): void;
  directory(path: string, mode: number): void;
  /** A link in the tree to `treeTarget`, which on the source led to `sourceTarget`. */
  symlink(path: string, treeTarget: string, sourceTarget: string): void;
  /** A promise while the background has too much to do. */
  readonly pressure: Pressure;
  /** Aborted with the first error as reason: time to stop the source. */
  readonly signal: AbortSignal;
  /** Resolves when everything handed over is stored; rejects with the first error. */
  settled(): Promise<void>;
  /** Resolves when nothing is under way any more, however it ended. */
  idle(): Promise<void>;
}

/** Small steps (directories, links, ends of files) that may wait at one time before the stream has to. */
const longestBacklog = 256;

/** @param earlier what the previous backup has stored already */
export function createEntryStore(tree: StoredTree, lists: BackupLists, earlier?: EarlierFiles): EntryStore {
  const taken = new WeakMap<StoredEntryFile, IndexedFile>();
  const pending = new Set<Promise<void>>();
  const relief = createGate();
  const failed = new AbortController();

  const background = (task: Promise<void>): void => {
    const tracked = task
      .catch((error: unknown) => {
        if (!failed.signal.aborted) failed.abort(error);
      })
      .finally(() => {
        pending.delete(tracked);
        if (pending.size < longestBacklog / 2) relief.open();
      });
    pending.add(tracked);
  };

  const finish = async (file: StoredEntryFile, pipeline: FilePipeline): Promise<void> => {
    const measures = await pipeline.finish();
    const { plainSize, plainDigest, plainCrc32c, storedSize, storedDigest, headerSize, chunks } = measures;
    const stored: IndexedFile = {
      kind: "file",
      path: file.path,
      mode: file.mode,
      size: plainSize,
      suffix: file.pipeline.suffix,
      digest: plainDigest,
      crc32c: plainCrc32c,
      storedSize,
      storedDigest,
      headerSize,
      chunks,
    };
    file.done(measures);
    await lists.add(taken.get(file) ?? stored);
  };

  const openFile = (file: StoredEntryFile): FilePipeline => {
    const { path, size, mode, pages } = file;
    const { suffix } = file.pipeline;
    const create = (): Promise<ByteSink> => tree.createFile(path + suffix);
    const candidate = earlier?.candidate({ path, mode, size, suffix });
    if (candidate === undefined) return file.pipeline.openFile(create(), { sizeHint: size, pages });
    const storedAlready = async (whole: WholePlainFile): Promise<boolean> => {
      const found = await candidate.takeFor(whole, tree);
      if (found !== undefined) taken.set(file, found);
      return found !== undefined;
    };
    return file.pipeline.openFile(create, { sizeHint: size, pages, storedAlready });
  };

  const addDirectory = async (path: string, mode: number): Promise<void> => {
    await tree.makeDirectory(path);
    await lists.add({ kind: "directory", path, mode });
  };

  const addSymlink = async (path: string, treeTarget: string, sourceTarget: string): Promise<void> => {
    await tree.makeSymlink(path, treeTarget);
    await lists.add({ kind: "symlink", path, target: sourceTarget });
  };

  const idle = async (): Promise<void> => {
    while (pending.size > 0) await Promise.all(pending);
  };

  return {
    openFile,
    endFile(file, pipeline) {
      background(finish(file, pipeline));
    },
    directory(path, mode) {
      background(addDirectory(path, mode));
    },
    symlink(path, treeTarget, sourceTarget) {
      background(addSymlink(path, treeTarget, sourceTarget));
    },
    pressure: () => (pending.size < longestBacklog ? undefined : relief.wait()),
    signal: failed.signal,
    async settled() {
      await idle();
      if (failed.signal.aborted) throw failed.signal.reason;
    },
    idle,
  };
}
