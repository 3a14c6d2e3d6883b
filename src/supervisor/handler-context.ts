/** What the management commands work with. */
import type { CatalogCache } from "./catalog-cache.ts";
import type { Converter } from "./converter.ts";
import type { Jobs } from "./jobs.ts";
import type { IntervalRun } from "./schedule-command.ts";
import type { SupervisedServer } from "./server.ts";
import type { StatusSources } from "./status.ts";

export interface HandlerContext {
  readonly servers: readonly SupervisedServer[];
  readonly jobs: Jobs;
  readonly catalog: CatalogCache;
  readonly sources: StatusSources;
  /** Takes a server out of service or back; durable when it resolves. */
  readonly setOnline: (server: SupervisedServer, online: boolean) => Promise<void>;
  /** Reads what drills of the server proved. */
  readonly rememberDrills: (server: SupervisedServer) => Promise<void>;
  /** What runs of the server at intervals. */
  readonly intervals: (server: SupervisedServer) => readonly IntervalRun[];
  readonly convert: Converter;
  readonly shutdown: (reason: string) => void;
  /** A signal that fires after `ms`, or when the daemon stops. */
  readonly timeout: (ms: number) => AbortSignal;
}
