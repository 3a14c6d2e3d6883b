/** What every handler of a job gets, and what it gives. */
import type { Clock } from "../common/index.ts";
import type {
  JobRequest,
  JobResult,
  RepositorySettings,
  Secrets,
  SegmentComplete,
  ServerSettings,
  WalUse,
} from "../ipc/index.ts";
import type { Hooks } from "../hooks/index.ts";
import type { Logger } from "../log/index.ts";
import type { JobCommand, ServerConfiguration, ServerState } from "../state/index.ts";
import type { LocalStorage } from "../storage/index.ts";

/** How far a job is; what is left out stays as it was. */
export interface ProgressUpdate {
  /** In words, best one of pgmoneta's phases. */
  readonly phase?: string;
  readonly bytesDone?: number;
  /** 0 while unknown. */
  readonly bytesTotal?: number;
}

export interface JobEnvironment {
  readonly server: ServerSettings;
  readonly repository: RepositorySettings;
  readonly secrets: Secrets;
  readonly storage: LocalStorage;
  /** Version of Moneta. */
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Fires when the job is cancelled or the supervisor is gone. */
  readonly signal: AbortSignal;
  readonly progress: (update: ProgressUpdate) => void;
  /** The server as the supervisor last described it. */
  readonly serverState: () => ServerState;
  readonly serverConfiguration: () => ServerConfiguration;
  /** Has `listener` called at each change of `serverState`; returns how to stop that. */
  readonly onServerChange: (listener: () => void) => () => void;
  /** Has `listener` called for each segment that is announced, and for the last one before; returns how to stop that. */
  readonly onSegment: (listener: (segment: SegmentComplete) => void) => () => void;
  /**
   * Tells the supervisor which backups, by their labels, the job needs to stay from now on, and which WAL besides theirs.
   * Until then it keeps everything from going.
   */
  readonly uses: (backups: readonly string[], wal?: readonly WalUse[]) => void;
  /** Tells the supervisor that the job takes nothing out of view any more. */
  readonly settled: () => void;
  /** Tells the supervisor of segments that have their final form; of none, that all that were finished have it. */
  readonly archived: (segments: number, storedBytes: number) => void;
  /** Programs of the operator around what is done. */
  readonly hooks: Hooks;
}

export type RequestOf<Command extends JobCommand> = Extract<JobRequest, { readonly command: Command }>;
export type JobHandler<Command extends JobCommand> = (
  request: RequestOf<Command>,
  environment: JobEnvironment,
) => Promise<JobResult>;
