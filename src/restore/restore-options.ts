/** What a restore is told, and what it tells. */
import type { Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { KeyRing, SecondCopy } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import type { RestorePlan } from "./restore-plan.ts";
import type { TablespaceMap } from "./tablespace-map.ts";

export type { KeyRing };

/** How a replica reaches its primary; a password is never among it. */
export interface ReplicaConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** File with passwords that the restored server shall use (`passfile`). */
  readonly passFile?: string | undefined;
  readonly applicationName?: string | undefined;
}

/** The program that the restored server calls for WAL: `<node> <script> <arguments> wal-get …`. */
export interface RestoreProgram {
  readonly node: string;
  readonly script: string;
  readonly arguments?: readonly string[] | undefined;
}

export interface RestoreOptions {
  readonly storage: Storage;
  readonly server: string;
  /** Where WAL is read from that the repository lacks or has damaged. */
  readonly secondCopy?: SecondCopy | undefined;
  /** `oldest`, `newest`, `latest` or a label. */
  readonly backup: string;
  /** See `parsePosition`. */
  readonly position: string | null;
  /** Where `<server>-<label>` is made; absolute. */
  readonly directory: string;
  /** WAL is copied into pg_wal, and the restored server needs the repository no more. */
  readonly copyWal: boolean;
  /** What of the WAL is looked at and copied: all that is there (default), or no more than the target needs. */
  readonly walTo?: "end" | "target" | undefined;
  /** Undefined: tablespaces lie beside the cluster. */
  readonly tablespaceMap?: TablespaceMap | undefined;
  /** Files and chunks in work at the same time, at least 1. */
  readonly workers: number;
  /** Asked for once, and only when something is encrypted. */
  readonly keys: () => Promise<KeyRing>;
  /** Where the restored server finds the master key. */
  readonly masterKeyFile?: string | undefined;
  readonly program: RestoreProgram;
  /** Plain bytes of WAL that are read at most to find a transaction or a restore point; default 1 GiB. */
  readonly searchBytes?: number | undefined;
  readonly replica?: ReplicaConnection | undefined;
}

export type RestorePhase = "plan" | "files" | "wal" | "settings" | "sync";

export interface RestoreProgress {
  readonly phase: RestorePhase;
  /** Plain bytes written. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface RestoreDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly progress: (progress: RestoreProgress) => void;
  /** Called with the plan before anything is written; what it throws refuses the restore. */
  readonly planned?: (plan: RestorePlan) => Promise<void>;
}

export interface RestoreResult {
  readonly plan: RestorePlan;
  readonly files: number;
  readonly bytes: number;
  readonly elapsedMs: number;
}
