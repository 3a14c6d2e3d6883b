/**
 * Files that did not change since the previous backup: what it stored of them gets a second name in the new one. The
 * bytes arrive all the same, and their digest decides; nothing is linked that is not as the previous backup recorded it.
 */
import { messageOf, MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { WholePlainFile } from "../pipeline/index.ts";
import { doubtedOwners, openCatalog, openChunkLookup, openVerifications, ownersOf, repositoryErrors, serverLayout, type BackupInfo, type IndexedFile } from "../repository/index.ts";
import type { StoredTree } from "../storage/index.ts";
import type { BackupOptions } from "./backup-options.ts";
import { backupErrors } from "./errors.ts";

/** A file that is about to arrive. */
export interface ArrivingFile {
  /** Path in the backup. */
  readonly path: string;
  readonly mode: number;
  /** As announced. */
  readonly size: number;
  /** Of the stored form. */
  readonly suffix: string;
}

export interface EarlierFiles {
  /** The backup that they are of. */
  readonly label: string;
  /** Undefined when the previous backup has no file that could be this one; else how to have it decided. */
  candidate(file: ArrivingFile): EarlierFile | undefined;
  /** For the operator: how many unchanged files could not be linked, and why. */
  notes(): string[];
  close(): Promise<void>;
}

export interface EarlierFile {
  /** Gives the earlier file its name in `tree` if it has the same bytes; undefined if it has not, or could not be linked. */
  takeFor(whole: WholePlainFile, tree: StoredTree): Promise<IndexedFile | undefined>;
}

/**
 * Looks up the newest valid backup that has no file in common with one which a verification found bad or could not read;
 * undefined when nothing of it could be linked. `backups` from the oldest.
 */
export async function openEarlierFiles(
  options: BackupOptions,
  systemIdentifier: string,
  backups: readonly BackupInfo[],
  logger: Logger,
): Promise<EarlierFiles | undefined> {
  const { server, storage } = options;
  const doubted = doubtedOwners(backups, await openVerifications(storage, server).read());
  const newest = backups.findLast(({ valid }) => valid);
  const source = backups.findLast((info) => info.valid && !ownersOf(info).some((owner) => doubted.has(owner)));
  if (newest !== undefined && newest !== source) {
    const why = `files of backup ${newest.label} are among those of a backup in which a verification found damage, or which it could not read`;
    logger.warn(`${why}: nothing of it is linked`, { label: newest.label });
  }
  const own = source?.own;
  if (source === undefined || own === undefined || !sameForm(options, source) || own.systemIdentifier !== systemIdentifier) return undefined;
  const { label } = source;
  let lookup: Awaited<ReturnType<typeof openChunkLookup>>;
  try {
    lookup = await openChunkLookup(storage, server, source);
  } catch (error) {
    if (!(error instanceof MonetaError) || !repositoryErrors.backupDamaged.is(error)) throw error;
    logger.warn(`nothing is linked to backup ${label}, every file is stored anew: ${messageOf(error)}`, { label });
    return undefined;
  }
  const layout = serverLayout(server);
  let refused = 0;
  let firstReason = "";

  return {
    label,
    candidate({ path, mode, size, suffix }) {
      const finding = lookup.find(path, size);
      if (finding === undefined) return undefined;
      // Whether it can be read is a question of the moment when it is needed.
      finding.catch(() => undefined);
      return {
        async takeFor({ plainSize, plainDigest }, tree) {
          const file = await finding;
          if (file === undefined || file.digest !== plainDigest || file.size !== plainSize) return undefined;
          if (file.mode !== mode || file.suffix !== suffix) return undefined;
          const why = await tree.shareFile(path + suffix, {
            path: layout.backupFile(label, path + suffix),
            size: file.storedSize,
            completeSince: own.endTime,
          });
          if (why === undefined) return { ...file, owner: file.owner ?? label };
          refused += 1;
          if (refused === 1) firstReason = why;
          return undefined;
        },
      };
    },
    notes() {
      if (refused === 0) return [];
      const [what, others] = refused === 1 ? ["one file that did not change was", ""] : [`${refused} files that did not change were`, " (the first of them)"];
      return [`${what} stored again instead of linked to backup ${label}: ${firstReason}${others}`];
    },
    close: () => lookup.close(),
  };
}

/**
 * Throws BACKUP_SHARES_DAMAGE when a verification found meanwhile that files which `info` shares are not to be relied on, as far
 * as that is on disk already.
 */
export async function refuseDoubted({ server, storage }: Pick<BackupOptions, "server" | "storage">, info: BackupInfo): Promise<void> {
  const owners = ownersOf(info).slice(1);
  if (owners.length === 0) return;
  const doubted = doubtedOwners(await openCatalog(storage, server).list(), await openVerifications(storage, server).read());
  const owner = owners.find((label) => doubted.has(label));
  if (owner === undefined) return;
  throw backupErrors.sharedDamaged(`backup ${info.label} of ${server} has files that backup ${owner} stored, and a verification found meanwhile that they are not to be relied on`, { server, label: info.label, owner });
}

/** Stored bytes are of use to another backup only in the same form, readable with the same key, and proven by the same digest. */
function sameForm({ hash, spec, dataKey }: BackupOptions, { compression, encryption, own }: BackupInfo): boolean {
  if (own?.hash !== hash || compression !== spec.compression || encryption !== spec.encryption) return false;
  return encryption === "none" || (dataKey !== undefined && own.keyId === dataKey.id);
}
