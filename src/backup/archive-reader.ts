/** One archive of a base backup: tar entries to entries of the backup, checked and summed up on their way. */
import type { FilePipeline, Pipeline } from "../pipeline/index.ts";
import { pathFromBytes } from "../postgres/index.ts";
import { createTarReader, type TarEntry, type TarReader } from "../tar/index.ts";
import { manifestPath, storedPath, type BackupTablespaces } from "./backup-paths.ts";
import type { EntryStore, StoredEntryFile } from "./entry-store.ts";
import { backupErrors } from "./errors.ts";
import type { KeptFiles } from "./kept-files.ts";
import type { FileSum } from "./manifest-check.ts";
import type { PageCheck } from "./page-check.ts";
import type { ProgressMeter } from "./progress-meter.ts";

/** What all archives of a backup share. */
export interface ArchiveSurroundings {
  readonly store: EntryStore;
  /** For the files of the cluster. */
  readonly pipeline: Pipeline;
  /** For those that stay readable by themselves: the labels. */
  readonly plain: Pipeline;
  readonly tablespaces: BackupTablespaces;
  /** The tablespaces that come in archives of their own, by OID. */
  readonly separate: ReadonlyMap<number, ReceivedTablespace>;
  readonly pages: PageCheck;
  readonly kept: KeptFiles;
  /** Sum of what was stored. */
  readonly found: FileSum;
  readonly sizes: ClusterSizes;
  readonly meter: ProgressMeter;
  /** Takes the tablespaces of which nothing came. */
  readonly empty: (tablespace: ReceivedTablespace) => void;
}

export interface ReceivedTablespace {
  readonly oid: number;
  /** Where it was on the source. */
  readonly location: string;
}

/** Sizes as pgmoneta means them. */
export interface ClusterSizes {
  files: number;
  biggestFile: number;
  /** Bytes of all files, each rounded up to file system blocks, without pg_wal. */
  restoredBytes: number;
}

/** Files that pgmoneta's layout keeps neither compressed nor encrypted. */
const plainFiles: ReadonlySet<string> = new Set(["backup_label", "tablespace_map"]);
const fileSystemBlock = 4096;

interface OpenFile {
  readonly file: StoredEntryFile;
  readonly pipeline: FilePipeline;
  readonly keep: ((piece: Uint8Array) => void) | undefined;
}

/**
 * A reader for the archive of a tablespace, or of the data directory when `tablespaceOid` is undefined. Besides what a
 * tar reader throws, BACKUP_MISMATCH for what no server sends.
 */
export function createArchiveReader(around: ArchiveSurroundings, tablespaceOid: number | undefined): TarReader {
  const { store, tablespaces, pages, sizes } = around;
  const ofData = tablespaceOid === undefined;
  const tablespace = ofData ? undefined : around.separate.get(tablespaceOid);
  if (!ofData && tablespace === undefined) throw backupErrors.mismatch(`the server sent an archive of tablespace ${tablespaceOid}, which it had not named`);
  let open: OpenFile | undefined;
  let entries = 0;

  const openFile = (entry: TarEntry, path: string): OpenFile => {
    const name = manifestPath(path, tablespaces.oidOf) ?? entry.path;
    const file: StoredEntryFile = {
      path,
      mode: entry.mode,
      size: entry.size,
      pages: pages.optionsOf(entry.path),
      pipeline: ofData && plainFiles.has(entry.path) ? around.plain : around.pipeline,
      done: ({ plainSize, plainCrc32c, pages: report }) => {
        pages.add(name, report);
        around.found.add({ path: name, size: plainSize, crc32c: plainCrc32c });
      },
    };
    const keep = ofData ? around.kept.begin(entry.path, entry.size) : undefined;
    sizes.files += 1;
    sizes.biggestFile = Math.max(sizes.biggestFile, entry.size);
    if (!name.startsWith("pg_wal/")) sizes.restoredBytes += Math.ceil(entry.size / fileSystemBlock) * fileSystemBlock;
    return { file, pipeline: store.openFile(file), keep };
  };

  const reader = createTarReader({
    decodePath: pathFromBytes,
    onEntry(entry) {
      entries += 1;
      if (ofData) refuseBelowLink(entry, around.separate);
      const path = storedPath(entry.path, tablespaceOid, tablespaces);
      if (entry.kind === "directory") store.directory(path, entry.mode);
      else if (entry.kind === "file") open = openFile(entry, path);
      else if (!ofData || !isTablespaceLink(entry, around.separate)) {
        throw backupErrors.mismatch(`the server sent the symbolic link "${entry.path}", which leads to no tablespace of it`, {
          path: entry.path,
        });
      }
    },
    onData(piece) {
      if (open === undefined) return;
      open.keep?.(piece);
      // Its wish to wait is heeded once for each piece of the socket.
      void open.pipeline.write(piece);
    },
    onEnd() {
      if (open === undefined) return;
      store.endFile(open.file, open.pipeline);
      open = undefined;
    },
  });
  return {
    write(piece) {
      around.meter.add(piece.length);
      reader.write(piece);
    },
    finish() {
      reader.finish();
      if (entries > 0) return;
      if (tablespace === undefined) throw backupErrors.mismatch("the server sent nothing of the data directory");
      around.empty(tablespace);
    },
  };
}

/** Such a link says nothing new: the list of tablespaces is the truth, and a server that sends the map sends no links. */
function isTablespaceLink(entry: TarEntry, separate: ReadonlyMap<number, unknown>): boolean {
  const oid = Number(/^pg_tblspc\/([1-9][0-9]{0,9})$/.exec(entry.path)?.[1]);
  return separate.has(oid);
}

/** Where a tablespace has an archive of its own, nothing may come through the place of its link. */
function refuseBelowLink(entry: TarEntry, separate: ReadonlyMap<number, unknown>): void {
  const oid = Number(/^pg_tblspc\/([0-9]+)\//.exec(entry.path)?.[1]);
  if (!separate.has(oid)) return;
  throw backupErrors.mismatch(`the server sent "${entry.path}" in the archive of the data directory, but the tablespace has one of its own`, {
    path: entry.path,
  });
}
