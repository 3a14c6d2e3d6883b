/** What a drill is told, what it needs of its surroundings, and what it tells. */
import type { Clock, MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";

/** What is known of the restore before it writes anything. Sizes are bytes. */
export interface DrillPlan {
  readonly label: string;
  /** Of PostgreSQL, `15.18`. */
  readonly version: string;
  /** The data directory that will be. */
  readonly directory: string;
  readonly bytes: number;
  readonly freeBytes: number;
  /** Of the WAL that recovery reads. */
  readonly walBytes: number;
  /** When the backup ended, milliseconds since 1970. */
  readonly endTime: number;
  /** Where recovery stops, in a sentence. */
  readonly target: string;
  /** The timeline that recovery ends on. */
  readonly timeline: number;
  /** What the server would do at the target. */
  readonly role: "primary" | "replica";
  readonly action: "pause" | "promote" | "shutdown" | "follow";
  readonly notes: readonly string[];
}

/**
 * Restores the backup into a directory. `planned` is called once everything is known and nothing is written; what it
 * throws refuses the restore.
 */
export type DrillRestore = (
  directory: string,
  planned: (plan: DrillPlan) => Promise<void>,
) => Promise<{ readonly files: number; readonly bytes: number }>;

export interface DrillOptions {
  readonly server: string;
  /** As it was asked for. */
  readonly position: string | null;
  /** Directory for scratch space; absolute. */
  readonly workspace: string;
  /** Directories with the programs of a major, where they are not to be looked for. */
  readonly programDirectories: ReadonlyMap<number, string>;
  /** What the programs that are started get, `PATH` above all; nothing of it names the source. */
  readonly environment: Readonly<Record<string, string>>;
  /** The operator's file, run by psql in `database`; undefined for none. */
  readonly sqlFile: string | undefined;
  readonly database: string;
  /** `shared_preload_libraries` of the drilled server. */
  readonly preloadLibraries: string;
  /** Logins that may exist on the server, to ask it for a superuser. */
  readonly knownUsers: readonly string[];
  /** Connections of pg_amcheck, at least 1. */
  readonly workers: number;
  /** Version of Moneta. */
  readonly writer: string;
  /** Id of the key that the report will be signed with; null when it will not be. */
  readonly signer: string | null;
}

export type DrillPhase = "restore" | "replay" | "check" | "cleanup";

export interface DrillDependencies {
  readonly restore: DrillRestore;
  /** True for an error of the restore that lies with what was asked for, or with this machine. */
  readonly saysNothingOfBackup: (error: MonetaError) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly phase: (phase: DrillPhase) => void;
}
