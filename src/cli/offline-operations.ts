/**
 * What the command line can do without a daemon, from the repository, the configuration and the master key alone:
 * the day the backup server itself was lost. This is the only seam between the command line and the operations.
 */
import type { ArchiveSummary, BackupDetails, BackupSummary, JobSummary, RestoreSummary, RetentionSummary, ServerIdentity } from "../management/index.ts";
import type { TablespaceMap } from "../restore/index.ts";
import type { PlainReport } from "../verify/index.ts";

export interface OfflineRestore {
  readonly server: string;
  readonly backup: string;
  readonly position: string | null;
  readonly directory: string;
  readonly dryRun: boolean;
  readonly copyWal: boolean;
  readonly tablespaceMap: TablespaceMap;
  readonly onProgress: (job: JobSummary) => void;
  readonly signal: AbortSignal;
}

export type OfflineArchive = Omit<OfflineRestore, "dryRun" | "copyWal" | "tablespaceMap">;

export interface OfflineVerify {
  readonly server: string;
  readonly backup: string;
  readonly all: boolean;
  readonly onProgress: (job: JobSummary) => void;
  readonly signal: AbortSignal;
}

export interface OfflineOperations {
  listBackups(
    server: string,
  ): Promise<{ readonly identity: ServerIdentity; readonly backups: readonly BackupSummary[] }>;
  describeBackup(server: string, backup: string): Promise<BackupDetails>;
  /** What the retention would keep and remove. */
  planRetention(
    server: string,
    signal: AbortSignal,
  ): Promise<{ readonly identity: ServerIdentity; readonly retention: RetentionSummary }>;
  restore(request: OfflineRestore): Promise<{ readonly identity: ServerIdentity; readonly restore: RestoreSummary }>;
  archive(request: OfflineArchive): Promise<{ readonly identity: ServerIdentity; readonly archive: ArchiveSummary }>;
  /** Writes nothing: neither what came of it nor a mark on the backup. Throws when it cannot say yes. */
  verify(request: OfflineVerify): Promise<PlainReport>;
  close(): Promise<void>;
}

/** Where the offline operations find configuration and key. */
export interface OfflineSurroundings {
  /** `-D`, else `PGMONETA_CONFIG_DIR`, else the default directory. */
  readonly directory: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly defaultDirectory: string | undefined;
  /** What a restored server calls for its WAL; see `RestoreProgram`. */
  readonly program: { readonly node: string; readonly script: string };
  /** Tells the operator of something that does not stop the work. */
  readonly warn: (message: string) => void;
}
