/** What the management commands work with. */
import type { LoadedConfiguration } from "../config/index.ts";
import type { BundlePart } from "../diagnose/index.ts";
import type { RotatedKey } from "../repository/index.ts";
import type { CatalogCache } from "./catalog-cache.ts";
import type { Checks } from "./checks.ts";
import type { Converter } from "./converter.ts";
import type { Jobs } from "./jobs.ts";
import type { Lineages } from "./lineages.ts";
import type { Notifications } from "./notifications.ts";
import type { Reloads } from "./reloads.ts";
import type { IntervalRun } from "./schedule-command.ts";
import type { SupervisedServer } from "./server.ts";
import type { StatusSources } from "./status.ts";

/** Collects what only the daemon, or only its machine, has for a support bundle; without secrets. */
export type Diagnosis = (servers: readonly SupervisedServer[], loaded: LoadedConfiguration, sources: StatusSources) => Promise<readonly BundlePart[]>;

export interface HandlerContext {
  readonly servers: readonly SupervisedServer[];
  readonly jobs: Jobs;
  readonly catalog: CatalogCache;
  readonly sources: StatusSources;
  /** Takes a server out of service or back; durable when it resolves. */
  readonly setOnline: (server: SupervisedServer, online: boolean) => Promise<void>;
  /** Reads what drills of the server proved. */
  readonly rememberDrills: (server: SupervisedServer) => Promise<void>;
  readonly lineages: {
    /** As they are on the disk now. */
    readonly read: (server: SupervisedServer) => Promise<Lineages>;
    /** After a change: what was known of the WAL of the server is of another cluster. */
    readonly lookAnew: (server: SupervisedServer) => Promise<void>;
  };
  /** What runs of the server at intervals. */
  readonly intervals: (server: SupervisedServer) => readonly IntervalRun[];
  /** Makes another data key for a server; durable when it resolves. */
  readonly rotateKey: (server: SupervisedServer) => Promise<RotatedKey>;
  readonly converter: Converter;
  readonly checks: Pick<Checks, "check">;
  readonly notifications: Pick<Notifications, "notifier">;
  /** What a support bundle has of the daemon. */
  readonly diagnosis: Diagnosis;
  /** Reads and changes the configuration; throws as long as the daemon starts. */
  readonly reloads: () => Reloads;
  /** `clear prometheus`. */
  readonly clearMetrics: () => void;
  readonly shutdown: (reason: string) => void;
  /** A signal that fires after `ms`, or when the daemon stops. */
  readonly timeout: (ms: number) => AbortSignal;
}
