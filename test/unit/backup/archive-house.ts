/** Everything an archive goes through, real, in a tree of its own; and what came of it. */
import { createArchiveReader, type ArchiveSurroundings, type ReceivedTablespace } from "../../../src/backup/archive-reader.ts";
import { openBackupLists } from "../../../src/backup/backup-lists.ts";
import { nameTablespaces } from "../../../src/backup/backup-paths.ts";
import { createEntryStore, type EntryStore } from "../../../src/backup/entry-store.ts";
import { createKeptFiles, type KeptFiles } from "../../../src/backup/kept-files.ts";
import { createFileSum, type FileSum } from "../../../src/backup/manifest-check.ts";
import { createPageCheck, type PageCheck, type PageCheckOptions } from "../../../src/backup/page-check.ts";
import { linkTablespaces } from "../../../src/backup/tablespace-links.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { createPipeline, type PipelineSpec } from "../../../src/pipeline/index.ts";
import { readChunkIndex, type ChunkIndexEntry } from "../../../src/repository/index.ts";
import { openLocalStorage, type LocalStorage } from "../../../src/storage/index.ts";
import type { TarReader } from "../../../src/tar/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

export interface ArchiveHouse {
  readonly storage: LocalStorage;
  /** Parent of the storage, to see that nothing came out of it. */
  readonly outside: string;
  readonly store: EntryStore;
  readonly kept: KeptFiles;
  readonly found: FileSum;
  readonly pages: PageCheck;
  readonly sizes: ArchiveSurroundings["sizes"];
  /** OIDs of the tablespaces of which nothing came. */
  readonly empty: readonly number[];
  /** Bytes that the meter counted. */
  readonly received: () => number;
  reader(tablespaceOid?: number): TarReader;
  /** Waits until all is stored, makes the tree visible as "b", and reads its chunk index. */
  commit(): Promise<ChunkIndexEntry[]>;
  close(): Promise<void>;
}

export interface ArchiveHouseOptions {
  readonly spec?: PipelineSpec;
  readonly tablespaces?: readonly (ReceivedTablespace & { readonly name: string })[];
  readonly pages?: PageCheckOptions;
  /** An empty directory that the caller removes; without it there is a new one for the test file. */
  readonly outside?: string;
}

export async function openArchiveHouse(options: ArchiveHouseOptions = {}): Promise<ArchiveHouse> {
  const outside = options.outside ?? temporaryDirectory().path;
  const storage = openLocalStorage(`${outside}/repository`);
  const spec = options.spec ?? { compression: "none", encryption: "none" };
  const known = options.tablespaces ?? [];
  const tablespaces = nameTablespaces(known.map(({ oid, name, location }) => ({ oid, name, location, inPlace: false })));
  const tree = await storage.openTree("b");
  const lists = await openBackupLists(tree, { label: "20261120090138", hash: "sha256", ...spec }, tablespaces.oidOf);
  const store = createEntryStore(tree, lists);
  const pipeline = await createPipeline({ spec, hash: "sha256", memoryBytes: 8 * 1024 * 1024, concurrency: 2 });
  const plain = await createPipeline({ spec: { compression: "none", encryption: "none" }, hash: "sha256", memoryBytes: 1024 * 1024, concurrency: 1 });
  const empty: number[] = [];
  let received = 0;
  const around: ArchiveSurroundings = {
    store,
    pipeline,
    plain,
    tablespaces,
    separate: new Map(known.map(({ oid, location }) => [oid, { oid, location }])),
    pages: createPageCheck(options.pages, silentLogger),
    kept: createKeptFiles(),
    found: createFileSum(),
    sizes: { files: 0, biggestFile: 0, restoredBytes: 0 },
    meter: { expect: () => undefined, add: (bytes) => void (received += bytes) },
    empty: ({ oid }) => void empty.push(oid),
  };
  const { kept, found, pages, sizes } = around;
  const closePipelines = async (): Promise<void> => {
    await Promise.all([pipeline.close(), plain.close()]);
    await store.idle();
  };
  return {
    storage,
    outside,
    store,
    kept,
    found,
    pages,
    sizes,
    empty,
    received: () => received,
    reader: (oid) => createArchiveReader(around, oid),
    async commit() {
      linkTablespaces(store, tablespaces, around.separate.values());
      await store.settled();
      await closePipelines();
      await lists.finish();
      await tree.commit();
      const entries: ChunkIndexEntry[] = [];
      const reader = await storage.openFile("b/backup.chunks");
      await readChunkIndex(reader, { onEntry: (entry) => void entries.push(entry) });
      await reader.close();
      return entries;
    },
    async close() {
      await closePipelines();
      await lists.abort();
      await tree.abort();
    },
  };
}
