/** What the supervisor must know about each command that runs as a job, besides how to do it. */
import type { JobCommand } from "../state/index.ts";

export interface JobTraits {
  /** What the first signal to stop does to a job of this kind that runs. */
  readonly onShutdown: "cancel" | "finish";
  /** Whether a job that did not succeed may leave something that a `clean` job has to remove. */
  readonly leavesRemains: boolean;
  /** Whether operators see it in progress and status, and may cancel it. */
  readonly visible: boolean;
  /** The daemon begins it by itself after another job, whose outcome is what is asked for afterwards. */
  readonly follows?: true;
}

export const jobTraits: Readonly<Record<JobCommand, JobTraits>> = {
  // Hours may be left of it, nothing of it is lost that a new one would not bring, and nothing of it is visible.
  backup: { onShutdown: "cancel", leavesRemains: true, visible: true },
  restore: { onShutdown: "cancel", leavesRemains: false, visible: true },
  // It removes what it has written when it is told to end.
  archive: { onShutdown: "cancel", leavesRemains: false, visible: true },
  // One that the daemon began goes on where it was stopped.
  verify: { onShutdown: "cancel", leavesRemains: false, visible: true },
  // What is out of view already is quickly gone; what is left would be removed at the next start anyway.
  delete: { onShutdown: "finish", leavesRemains: true, visible: true },
  // Ends after the segment in hand: told to cancel, it does exactly that.
  "archive-wal": { onShutdown: "cancel", leavesRemains: false, visible: false },
  // Ends after the file in hand; the next one gets what is missing.
  "ship-wal": { onShutdown: "cancel", leavesRemains: false, visible: false },
  // A copy that is half brought up to date is not startable, and the next run repairs it.
  "hot-standby": { onShutdown: "cancel", leavesRemains: false, visible: true, follows: true },
  clean: { onShutdown: "cancel", leavesRemains: false, visible: false },
  // Ends between two files; the next run goes on.
  retention: { onShutdown: "cancel", leavesRemains: true, visible: true },
  // A few renames: what a kill interrupts is finished at the next start, or by the receiver.
  lineage: { onShutdown: "finish", leavesRemains: false, visible: true },
  "retention-plan": { onShutdown: "cancel", leavesRemains: false, visible: false },
  // Takes its scratch space and its server away when it is told to end; killed, it cannot.
  drill: { onShutdown: "cancel", leavesRemains: true, visible: true },
};
