/** The server's manifest as it comes: stored, and read for what it lists, in the same pass. */
import type { FilePipeline, Pipeline } from "../pipeline/index.ts";
import { createManifestReader, type ManifestSummary } from "../postgres/index.ts";
import { storedPath, type BackupTablespaces } from "./backup-paths.ts";
import type { EntryStore, StoredEntryFile } from "./entry-store.ts";
import { backupErrors } from "./errors.ts";
import { createFileSum, manifestCrc, type FileSum } from "./manifest-check.ts";

export interface ManifestIntake {
  write(piece: Uint8Array): void;
  /** Ends the stored file; throws BACKUP_MISMATCH when none came. */
  end(): void;
  /** Throws BACKUP_MANIFEST_DAMAGED; only after it has returned may `expected` be believed. */
  summary(): ManifestSummary;
  /** Sum of the files that it lists. */
  readonly expected: FileSum;
}

/**
 * Remembering that no path comes twice takes up to 32 bytes a path. Files that arrived take room on the disk, names in
 * a manifest do not: so many may be missing before it is not believed, rather than filling the memory.
 */
const mostMissing = 100_000;

export interface ManifestIntakeOptions {
  readonly store: EntryStore;
  /** The pipeline for what stays readable by itself. */
  readonly plain: Pipeline;
  readonly tablespaces: BackupTablespaces;
  /** Files that have arrived in the archives, which come before the manifest. */
  readonly arrived: () => number;
}

export function createManifestIntake({ store, plain, tablespaces, arrived }: ManifestIntakeOptions): ManifestIntake {
  const expected = createFileSum();
  const reader = createManifestReader((file) => {
    if (expected.files >= arrived() + mostMissing) {
      throw backupErrors.mismatch(`the manifest lists more than ${expected.files} files, but only ${arrived()} have arrived`);
    }
    expected.add({ path: file.path, size: file.size, crc32c: manifestCrc(file) });
  });
  const path = storedPath("backup_manifest", undefined, tablespaces);
  const file: StoredEntryFile = { path, mode: 0o600, size: 0, pipeline: plain, done: () => undefined };
  let pipeline: FilePipeline | undefined;
  return {
    write(piece) {
      pipeline ??= store.openFile(file);
      reader.write(piece);
      void pipeline.write(piece);
    },
    end() {
      if (pipeline === undefined) throw backupErrors.mismatch("the server sent no manifest");
      store.endFile(file, pipeline);
    },
    summary: () => reader.finish(),
    expected,
  };
}
