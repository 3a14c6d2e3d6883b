/**
 * The life of a child that must always run (a receiver), as a table.
 *
 *              start            running           drain             ended
 *   stopped ─────────▶ starting ────────▶ running ───────▶ draining ───────▶ stopped
 *                        ▲  │ ended          │ ended
 *                 waited │  ▼                ▼
 *                       backoff ◀────────────┘          refused: ──▶ failed ──▶ starting (waited, slowly)
 */
import type { TransitionTable } from "../common/index.ts";

export type ChildState = "stopped" | "starting" | "running" | "draining" | "backoff" | "failed";

export type ChildEvent =
  /** Somebody wants it to run. */
  | "start"
  /** It has read its settings and works. */
  | "running"
  /** Its process is gone, for whatever reason. */
  | "ended"
  /** Its process is gone after an error that no new attempt can mend by itself. */
  | "refused"
  /** The wait before the next attempt is over. */
  | "waited"
  /** Nobody wants it to run any more. */
  | "drain";

export const childTable: TransitionTable<ChildState, ChildEvent> = {
  stopped: { start: "starting", drain: "stopped" },
  starting: { start: "starting", running: "running", ended: "backoff", refused: "failed", drain: "draining" },
  running: { start: "running", ended: "backoff", refused: "failed", drain: "draining" },
  // A start that comes while it drains is remembered by the owner and given again when it has ended.
  draining: { running: "draining", ended: "stopped", refused: "stopped", drain: "draining" },
  backoff: { start: "starting", waited: "starting", drain: "stopped" },
  // Somebody may have mended it: a receiver is never given up for good.
  failed: { start: "starting", waited: "starting", drain: "stopped" },
};
