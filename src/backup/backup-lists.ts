/** The three lists that grow while a backup runs: chunk index, plain digests, stored digests. */
import {
  backupFiles,
  createChunkIndexWriter,
  createDigestListWriter,
  createManifestWriter,
  type ChunkIndexEntry,
  type ChunkIndexHeader,
  type SharedBytes,
} from "../repository/index.ts";
import type { ByteSink, StoredTree } from "../storage/index.ts";
import { manifestPath } from "./backup-paths.ts";

export interface ListTotals {
  readonly files: number;
  readonly bytes: number;
  /** Bytes of the files that this backup stored itself, the lists included. */
  readonly storedBytes: number;
  /** Bytes of those that it shares with the backups that stored them. */
  readonly shared: readonly SharedBytes[];
  /** Digests of the lists by name, for backup.info. */
  readonly digests: Readonly<Record<string, string>>;
}

export interface BackupLists {
  /** Adds an entry to the lists; awaiting it bounds the memory. */
  add(entry: ChunkIndexEntry): Promise<void>;
  /** Ends the lists, each digest in place. */
  finish(): Promise<ListTotals>;
  abort(): Promise<void>;
}

/** Opens the lists in `tree`; `tablespaces` maps the tablespace directories of the backup to their OIDs. */
export async function openBackupLists(
  tree: StoredTree,
  header: ChunkIndexHeader,
  tablespaceOid: (directory: string) => number | undefined,
): Promise<BackupLists> {
  const digestsName = backupFiles.digests(header.hash);
  const [chunksSink, manifestSink, digestsSink] = await createAll(tree, [backupFiles.chunks, backupFiles.manifest, digestsName]);
  const chunks = createChunkIndexWriter(chunksSink, header);
  const manifest = createManifestWriter(manifestSink, header.hash);
  const digests = createDigestListWriter(digestsSink, header.hash);
  const shared = new Map<string, number>();
  return {
    async add(entry) {
      const waits = [chunks.add(entry)];
      if (entry.kind === "file") {
        const { owner, storedSize } = entry;
        if (owner !== undefined) shared.set(owner, (shared.get(owner) ?? 0) + storedSize);
        const named = manifestPath(entry.path, tablespaceOid);
        // The server's manifest is no part of the cluster.
        if (named !== undefined && named !== "backup_manifest") waits.push(manifest.add(named, entry.digest));
        waits.push(digests.add(entry.path + entry.suffix, entry.storedDigest));
      }
      for (const wait of waits) if (wait !== undefined) await wait;
    },
    async finish() {
      const index = await chunks.finish();
      const plain = await manifest.finish();
      await digests.add(backupFiles.chunks, index.digest);
      await digests.add(backupFiles.manifest, plain.digest);
      const stored = await digests.finish();
      const owners = [...shared].sort(([a], [b]) => (a < b ? -1 : 1)).map(([owner, bytes]) => ({ owner, bytes }));
      const sharedBytes = owners.reduce((sum, { bytes }) => sum + bytes, 0);
      return {
        files: index.files,
        bytes: index.bytes,
        shared: owners,
        storedBytes: index.storedBytes - sharedBytes + index.size + plain.size + stored.size,
        digests: {
          [backupFiles.chunks]: index.digest,
          [backupFiles.manifest]: plain.digest,
          [digestsName]: stored.digest,
        },
      };
    },
    async abort() {
      await Promise.all([chunks.abort(), manifest.abort(), digests.abort()]);
    },
  };
}

/** All files or none: what was opened before a failure is closed again. */
async function createAll(tree: StoredTree, names: readonly [string, string, string]): Promise<[ByteSink, ByteSink, ByteSink]> {
  const opened: ByteSink[] = [];
  try {
    for (const name of names) opened.push(await tree.createFile(name));
  } catch (error) {
    await Promise.allSettled(opened.map((sink) => sink.abort()));
    throw error;
  }
  return opened as [ByteSink, ByteSink, ByteSink];
}
