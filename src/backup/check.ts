/** The stored files against the server's manifest; a difference gives the backup up and is named. */
import { createManifestReader } from "../postgres/index.ts";
import { backupFiles, dataPath, readChunkIndex } from "../repository/index.ts";
import type { BackupOptions } from "./backup-options.ts";
import { manifestPath, type BackupTablespaces } from "./backup-paths.ts";
import { backupErrors } from "./errors.ts";
import { manifestCrc, nameDifferences, type FileLists } from "./manifest-check.ts";
import type { ReceivedBackup } from "./receive.ts";
import type { StoredTree } from "../storage/index.ts";

/** Throws BACKUP_MISMATCH naming the first files that differ. The lists of the tree must be finished. */
export async function checkAgainstManifest(
  options: BackupOptions,
  tree: StoredTree,
  received: ReceivedBackup,
  tablespaces: BackupTablespaces,
): Promise<void> {
  const { expected, found, manifest } = received;
  const { systemIdentifier } = manifest;
  if (expected.equals(found)) return;
  const differences = await nameDifferences(storedLists(options, tree, tablespaces), Math.max(expected.files, found.files));
  const named = differences.length > 0 ? differences.join("; ") : "the sums of both lists differ";
  throw backupErrors.mismatch(`what was stored is not what the server's manifest lists: ${named}`, {
    expected: expected.files,
    found: found.files,
    ...(systemIdentifier === undefined ? {} : { systemIdentifier }),
  });
}

function storedLists(options: BackupOptions, tree: StoredTree, tablespaces: BackupTablespaces): FileLists {
  const inTree = (relative: string): string => `${tree.temporaryPath}/${relative}`;
  return {
    async expected(onFile) {
      const reader = await options.storage.openFile(inTree(dataPath("backup_manifest")));
      try {
        const manifest = createManifestReader((file) => {
          onFile({ path: file.path, size: file.size, crc32c: manifestCrc(file) });
        });
        const block = 1024 * 1024;
        for (let offset = 0; offset < reader.size; offset += block) manifest.write(await reader.read(offset, block));
        manifest.finish();
      } finally {
        await reader.close();
      }
    },
    async found(onFile) {
      const reader = await options.storage.openFile(inTree(backupFiles.chunks));
      try {
        await readChunkIndex(reader, {
          onEntry: (entry) => {
            if (entry.kind !== "file") return;
            const path = manifestPath(entry.path, tablespaces.oidOf);
            if (path !== undefined && path !== "backup_manifest") onFile({ path, size: entry.size, crc32c: entry.crc32c });
          },
        });
      } finally {
        await reader.close();
      }
    },
  };
}
