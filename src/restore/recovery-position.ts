/** Where recovery shall stop, on which timeline, and what the server shall be then. */
import type { Lsn, TimelineId } from "../postgres/index.ts";
import type { TargetTime } from "./target-time.ts";

export type RecoveryTarget =
  /** No target: everything that the archive holds, the unfinished segment included. */
  | { readonly kind: "end" }
  /** As soon as the backup is consistent. */
  | { readonly kind: "immediate" }
  /** A restore point (`pg_create_restore_point`). */
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "xid"; readonly xid: bigint }
  | { readonly kind: "lsn"; readonly lsn: Lsn }
  | { readonly kind: "time"; readonly time: TargetTime };

export type RecoveryAction = "pause" | "promote" | "shutdown";

export interface RecoveryPosition {
  readonly target: RecoveryTarget;
  /** Undefined: PostgreSQL's default, which includes the target. */
  readonly inclusive: boolean | undefined;
  /** Undefined: `promote` for a primary, PostgreSQL's `pause` for a replica. */
  readonly action: RecoveryAction | undefined;
  /** Undefined: the newest one that descends from the backup, as `latest`; `current` is the one of the backup. */
  readonly timeline: TimelineId | "latest" | "current" | undefined;
  readonly role: "primary" | "replica";
}

/** A restore without a position. */
export const noPosition: RecoveryPosition = {
  target: { kind: "end" },
  inclusive: undefined,
  action: undefined,
  timeline: undefined,
  role: "primary",
};
