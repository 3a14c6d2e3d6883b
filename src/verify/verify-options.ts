/** What a verification is told, and what it tells. */
import type { Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { TimelineHistory } from "../postgres/index.ts";
import type { BackupInfo, HashAlgorithm, KeyRing, WalInventory } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Finding, Unread } from "./finding.ts";

export interface VerifyOptions {
  readonly storage: Storage;
  readonly server: string;
  /** `oldest`, `newest`, `latest` or a label. */
  readonly backup: string;
  /** Files in work, and threads that hash, at the same time; at least 1. */
  readonly workers: number;
  /** Stored bytes read in a second at most; 0: as fast as it goes. */
  readonly rateBytes: number;
  /** Asked for once, and only when something is encrypted. */
  readonly keys: () => Promise<KeyRing>;
  /** The timelines along which a restore of this backup reaches consistency. */
  readonly historyOf: (info: BackupInfo, inventory: WalInventory) => Promise<TimelineHistory>;
  /** It was a verification that marked this backup as not valid. */
  readonly marked?: boolean | undefined;
  /** Where an earlier verification of the same backup was stopped. */
  readonly resume?: VerifyState | undefined;
  /** Labels of backups whose own files are proven: what this backup shares with them is not read again. */
  readonly proven?: ReadonlySet<string> | undefined;
}

/** How far a verification is, so that another can go on there. */
export interface VerifyState {
  /** Entries of the chunk index, from the first on, that are dealt with. */
  readonly entries: number;
  readonly files: number;
  /** Plain bytes of those files. */
  readonly bytes: number;
  /** Files that were not read because a proven backup has them, and their plain bytes. */
  readonly skipped: number;
  readonly skippedBytes: number;
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  readonly harmful: number;
}

export interface VerifyProgress {
  /** Plain bytes read. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** A file that is as it was stored. */
export interface VerifiedFile {
  /** Plain path, relative to the directory of the backup. */
  readonly path: string;
  readonly digest: string;
}

export interface VerifyDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly progress: (progress: VerifyProgress) => void;
  /** Told now and then, with a state in which nothing could not be read: kept, another verification goes on there. */
  readonly checkpoint?: ((state: VerifyState) => Promise<void>) | undefined;
  readonly onFile?: ((file: VerifiedFile) => void) | undefined;
}

export interface VerifyReport {
  readonly info: BackupInfo;
  readonly hash: HashAlgorithm;
  /** Files of the backup that were read, metadata not counted. */
  readonly files: number;
  /** Plain bytes of them. */
  readonly bytes: number;
  /** Files that are shared with a proven backup and were not read. */
  readonly skipped: number;
  /** Segments of WAL that the backup needs to become consistent. */
  readonly segments: number;
  /** The directory in the storage where they are, of the cluster that the backup was taken of. */
  readonly walPath: string;
  /** The first of them; all are counted. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  /** Findings that make a restore impossible. */
  readonly harmful: number;
  readonly unread: readonly Unread[];
  readonly unreadCount: number;
  readonly elapsedMs: number;
}
