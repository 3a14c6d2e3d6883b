/**
 * Room in the repository. A backup that cannot fit is refused before its first byte, and one that eats up the room
 * which the WAL receiver needs is given up: a missing backup can be taken again, missing WAL never comes back.
 */
import { formatByteSize } from "../common/index.ts";
import type { PipelineSpec } from "../pipeline/index.ts";
import type { BackupInfo } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { backupErrors } from "./errors.ts";

export interface SpaceOptions {
  readonly storage: Storage;
  /** Where the backup goes. */
  readonly path: string;
  readonly spec: PipelineSpec;
  /** Bytes of a WAL segment. */
  readonly segmentSize: number;
  /** Backups of the server, oldest first. */
  readonly backups: readonly BackupInfo[];
}

export interface SpaceWatch {
  /**
   * Compares the server's estimate of its files with the room that there is. Throws BACKUP_NO_SPACE when the backup
   * cannot fit; a sentence when it is not sure to, because nothing tells how far this server's data can be compressed.
   */
  judge(estimatedBytes: number): string | undefined;
  /** Counts bytes that arrived, and looks at the room now and then. */
  arrived(bytes: number): void;
  /** Aborted with BACKUP_NO_SPACE when only the receiver's reserve is left, or with what asking failed with. */
  readonly signal: AbortSignal;
}

/** The receiver pauses when fewer than two segments fit; it shall not come to that. */
const segmentsInReserve = 4;
const bytesBetweenLooks = 16 * 1024 * 1024;

/** Asks how much room there is now. */
export async function openSpaceWatch(options: SpaceOptions): Promise<SpaceWatch> {
  const { storage, path, spec } = options;
  const reserve = segmentsInReserve * options.segmentSize;
  const { free } = await storage.freeSpace(path);
  const ratio = spec.compression === "none" ? 1 : knownRatio(options);
  const stop = new AbortController();
  let sinceLook = 0;
  let looking = false;

  const look = async (): Promise<void> => {
    looking = true;
    try {
      const now = await storage.freeSpace(path);
      if (now.free >= reserve) return;
      stop.abort(
        backupErrors.space(
          `only ${formatByteSize(now.free)} are free in "${storage.root}", and the WAL receiver needs ${formatByteSize(reserve)} of them`,
          { free: now.free, reserve },
        ),
      );
    } catch (error) {
      stop.abort(error);
    } finally {
      looking = false;
    }
  };

  return {
    judge(estimatedBytes) {
      const needed = Math.ceil(estimatedBytes * (ratio ?? 1)) + reserve;
      if (needed <= free) return undefined;
      const figures = `${formatByteSize(free)} are free in "${storage.root}"`;
      if (ratio === undefined) {
        return `the backup may not fit: the server has ${formatByteSize(estimatedBytes)} of files, and ${figures}`;
      }
      throw backupErrors.space(
        `the backup needs about ${formatByteSize(needed)} with room for WAL meanwhile, but only ${figures}: ${formatByteSize(needed - free)} are missing`,
        { path: storage.root, needed, free, missing: needed - free },
      );
    },
    arrived(bytes) {
      sinceLook += bytes;
      if (sinceLook < bytesBetweenLooks || looking || stop.signal.aborted) return;
      sinceLook = 0;
      void look();
    },
    signal: stop.signal,
  };
}

/** Stored bytes for each plain one in the newest backup of the same form; undefined without such a backup. */
function knownRatio({ spec, backups }: SpaceOptions): number | undefined {
  const alike = backups.findLast(
    ({ valid, compression, encryption, restoredBytes }) =>
      valid && compression === spec.compression && encryption === spec.encryption && restoredBytes > 0,
  );
  if (alike === undefined) return undefined;
  // How much of the next one can be linked is not known before it has come.
  const shared = (alike.own?.shared ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
  return (alike.storedBytes + shared) / alike.restoredBytes;
}
