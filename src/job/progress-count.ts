/**
 * Since when the bytes of a job have been counted. A job waits before its first byte (hooks, the server's checkpoint, a restart point
 * of a standby): time that says nothing of how fast the rest will go.
 */
import type { Clock } from "../common/index.ts";
import type { ProgressUpdate } from "./job.ts";

/** Hands updates on with the moment (`countedFrom`, milliseconds since 1970) at which their count last stood at its beginning; 0 while it does. */
export function createProgressCount(
  clock: Pick<Clock, "now">,
  tell: (update: ProgressUpdate & { readonly countedFrom: number }) => void,
): (update: ProgressUpdate) => void {
  let emptyAt = clock.now();
  let done = 0;
  return (update) => {
    done = update.bytesDone ?? done;
    // A later phase may count anew.
    if (done === 0) emptyAt = clock.now();
    tell({ ...update, countedFrom: done === 0 ? 0 : emptyAt });
  };
}
