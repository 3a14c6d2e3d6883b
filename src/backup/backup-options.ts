/** What a backup is told, and what it tells. */
import type { Clock } from "../common/index.ts";
import type { DataKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import type { HashAlgorithm, PipelineSpec } from "../pipeline/index.ts";
import type { Lsn, TimelineHistory, TimelineId } from "../postgres/index.ts";
import type { ConnectOptions } from "../replication/index.ts";
import type { BackupInfo } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";

/** Compression by the server itself, for a slow link; what arrives is stored in the configured form all the same. */
export interface ServerCompression {
  readonly method: "gzip" | "lz4" | "zstd";
  readonly level?: number;
}

export interface BackupOptions {
  readonly server: string;
  readonly connect: Omit<ConnectOptions, "replication" | "applicationName">;
  readonly storage: Storage;
  readonly spec: PipelineSpec;
  /** Current data key of the server; required when the specification encrypts. */
  readonly dataKey?: DataKey | undefined;
  readonly serverCompression?: ServerCompression | undefined;
  readonly hash: HashAlgorithm;
  /** Whether files that did not change since the previous backup are linked to what that one stored. */
  readonly link: boolean;
  /** Absolute paths of files and directories of the database host that are stored as well. */
  readonly extra?: readonly string[] | undefined;
  /** Chunks in compression at the same time, at least 1. */
  readonly workers: number;
  /** Bound of all chunks on their way, bytes. */
  readonly memoryBytes?: number;
  /** Bytes a second that the server may send, at the moment; 0 for no limit. It may change while the backup runs. */
  readonly maxRateBytes: () => number;
  /** Moneta's own version, for backup.info. */
  readonly version: string;
}

/** The receiver as seen by a backup: it holds the WAL without which the backup is worth nothing. */
export interface WalDurability {
  /** True while the receiver streams. */
  receiverRunning(): boolean;
  /**
   * Resolves when every byte from the start of the segment holding `from` up to `to` is durable in the repository.
   * Rejects when the receiver is not running, when WAL in between is missing, or with ABORTED.
   */
  waitUntilDurable(range: WalNeededByBackup, signal: AbortSignal): Promise<void>;
}

export interface WalNeededByBackup {
  readonly timeline: TimelineId;
  readonly from: Lsn;
  readonly to: Lsn;
  readonly segmentSize: number;
  readonly history?: TimelineHistory;
}

export type BackupPhase = "prepare" | "checkpoint" | "receive" | "check" | "wal" | "commit";

export interface BackupProgress {
  readonly phase: BackupPhase;
  /** Bytes of the server's files received. */
  readonly bytesDone: number;
  /** The server's estimate; 0 while it is not known. Files grow and shrink, so it is never below `bytesDone`. */
  readonly bytesTotal: number;
}

export interface BackupDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly progress: (progress: BackupProgress) => void;
  readonly wal: WalDurability;
  /** Called when the server has begun to send: with what must stay until the backup is visible. */
  readonly started?: (need: BackupNeed) => void;
}

/** What a backup that is not finished rests on. */
export interface BackupNeed {
  /** Label of the backup whose files it links to. */
  readonly previous: string | undefined;
  readonly timeline: TimelineId;
  /** Where its WAL begins. */
  readonly from: Lsn;
}

export interface BackupResult {
  readonly info: BackupInfo;
  /** For the operator: what is not as it should be although the backup is valid. */
  readonly warnings: readonly string[];
}
