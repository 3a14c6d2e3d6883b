/** Bringing a backup back: to the end of its WAL, or to any moment that is covered. */
export { restoreErrors } from "./errors.ts";
export { planRestore, restore } from "./restore.ts";
export { consistencyHistory } from "./way.ts";
export type {
  KeyRing,
  ReplicaConnection,
  RestoreDependencies,
  RestoreOptions,
  RestorePhase,
  RestoreProgram,
  RestoreProgress,
  RestoreResult,
} from "./restore-options.ts";
export type { TablespaceMap } from "./tablespace-map.ts";
export { refreshStandby } from "./standby/refresh-standby.ts";
export type { StandbyOptions, StandbyResult } from "./standby/standby-options.ts";
export { openClusterStream, type ClusterSink, type ClusterStream } from "./stream-cluster.ts";
export type { PlannedTablespace, RestorePlan } from "./restore-plan.ts";
export { describePlan, refusedPlan } from "./describe-plan.ts";
export { parsePosition } from "./parse-position.ts";
export type { RecoveryPosition, RecoveryTarget } from "./recovery-position.ts";
export { fetchWal, prefetchWal, type FetchedWal, type WalFetch, type WalPrefetch } from "./fetch-wal.ts";
export { recoveryPlanFile } from "./recovery-plan.ts";
