/**
 * PostgreSQL takes a record that it cannot read for the end of the WAL, and a primary without a target then opens, with
 * the rest of its rows lost. Whoever serves the WAL sees it: before it opens, PostgreSQL asks for the history of the
 * timeline after its own, to find a free number for the next one (`findNewestTimeLine`), and by then it must have asked
 * for the segment that holds the end.
 */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatLsn, type Lsn, type TimelineId } from "../postgres/index.ts";
import { attempting } from "./attempt.ts";
import { restoreErrors } from "./errors.ts";
import { endName, prefetchDirectory } from "./own-names.ts";
import type { RecoveryPlan } from "./recovery-plan.ts";

/** Takes note that the segment which begins at `start` was asked for. Throws RESTORE_WRITE_FAILED and RESTORE_NO_SPACE. */
export async function noteEnd(start: Lsn, dataDirectory: string, { to, segmentSize, toTheEnd }: RecoveryPlan): Promise<void> {
  if (!toTheEnd || start + BigInt(segmentSize) < to) return;
  const directory = join(dataDirectory, prefetchDirectory);
  await attempting("write", join(directory, endName), async () => {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, endName), "", { mode: 0o600 });
  });
}

/** Throws RECOVERY_ENDED_EARLY when a timeline after that of the recovery is asked for, but its end was not. */
export async function refuseEarlyEnd(timeline: TimelineId, dataDirectory: string, { history, to, toTheEnd }: RecoveryPlan): Promise<void> {
  if (!toTheEnd || timeline <= history.timeline) return;
  const path = join(dataDirectory, prefetchDirectory, endName);
  try {
    await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw restoreErrors.endedEarly(`recovery ends before ${formatLsn(to)}, up to where there is WAL: what PostgreSQL said right before this is the reason`, {
      to: formatLsn(to),
    });
  }
}
