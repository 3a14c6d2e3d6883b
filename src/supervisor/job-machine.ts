/**
 * The life of a job, as a table.
 *
 *             dispatch           running          result
 *   waiting ───────────▶ starting ──────▶ running ───────▶ succeeded
 *      │ cancel             │ cancel         │ error ────▶ failed
 *      ▼                    ▼                │ ended ────▶ died
 *   cancelled ◀──────── cancelling ◀─────────┘ cancel
 *               aborted, ended
 */
import type { TransitionTable } from "../common/index.ts";

export type JobPhase =
  "waiting" | "starting" | "running" | "cancelling" | "succeeded" | "failed" | "cancelled" | "died";

export type JobEvent =
  /** Its turn has come: a process is started. */
  | "dispatch"
  /** The process has read its task. */
  | "running"
  /** It did what it was asked for. */
  | "result"
  /** It ended with an error of the catalogue. */
  | "error"
  /** It ended because it was told to. */
  | "aborted"
  /** Its process is gone without a word. */
  | "ended"
  | "cancel";

/** A final state takes every event and stays: what comes after the outcome changes nothing. */
const final = <State extends JobPhase>(state: State): Record<JobEvent, State> => ({
  dispatch: state,
  running: state,
  result: state,
  error: state,
  aborted: state,
  ended: state,
  cancel: state,
});

export const jobTable: TransitionTable<JobPhase, JobEvent> = {
  waiting: { dispatch: "starting", cancel: "cancelled" },
  starting: {
    running: "running",
    result: "succeeded",
    error: "failed",
    aborted: "cancelled",
    ended: "died",
    cancel: "cancelling",
  },
  running: { result: "succeeded", error: "failed", aborted: "cancelled", ended: "died", cancel: "cancelling" },
  // A result that was on its way is the truth: the work is done and visible, whatever was asked meanwhile.
  cancelling: {
    running: "cancelling",
    result: "succeeded",
    error: "failed",
    aborted: "cancelled",
    ended: "cancelled",
    cancel: "cancelling",
  },
  succeeded: final("succeeded"),
  failed: final("failed"),
  cancelled: final("cancelled"),
  died: final("died"),
};

/** Whether the job has its outcome. */
export function isFinal(state: JobPhase): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled" || state === "died";
}
