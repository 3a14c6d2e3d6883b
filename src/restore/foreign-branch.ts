/**
 * Two servers that went on from one ancestor: the newest backup can lie on the branch that was given up, while the
 * other one lives. Which of the two is meant, nothing in the repository says.
 */
import type { MonetaError } from "../common/index.ts";
import { descendsFrom, formatLsn, type TimelineId } from "../postgres/index.ts";
import { repositoryErrors } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import type { RecoveryPosition } from "./recovery-position.ts";
import type { Way } from "./way.ts";

/**
 * Why this way may lead into a world that was given up: WAL of a later timeline is stored that does not go on from the
 * backup. Undefined when there is none, and when the position names the timeline.
 */
export async function foreignBranch({ backup, inventory, history }: Way, { timeline, target }: RecoveryPosition): Promise<MonetaError | undefined> {
  if (timeline !== undefined && timeline !== "latest") return undefined;
  const { label, endTimeline, endLsn } = backup.info;
  const foreign: TimelineId[] = [];
  for (const other of await inventory.histories.list()) {
    if (other <= history.timeline) continue;
    const its = await inventory.histories.read(other).catch((error: unknown) => {
      // At the end of the backup itself no branch has begun: one that cannot be read has no part in it.
      if (target.kind === "immediate" && repositoryErrors.historyUnreadable.is(error)) return undefined;
      throw error;
    });
    if (its === undefined || descendsFrom(its, endTimeline, endLsn)) continue;
    if ((await inventory.durableEnd(other)) !== undefined) foreign.push(other);
  }
  if (foreign.length === 0) return undefined;
  const names = foreign.join(" and ");
  const others = foreign.map((other) => `timeline=${other}`).join(" or ");
  return restoreErrors.unreachable(
    `the repository has WAL of timeline ${names}, which does not go on from backup ${label}: it ended at ${formatLsn(endLsn)} on timeline ${endTimeline}, which the other branch does not contain; say which one is meant: ${others} or timeline=${history.timeline}`,
    { label, timeline: foreign.at(-1) ?? null },
  );
}
