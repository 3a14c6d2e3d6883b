/** Stored WAL that is no part of the server's past: kept as it is, and said so once. */
import { formatLsn, type TimelineHistory } from "../postgres/index.ts";
import type { WalInventory } from "../repository/index.ts";
import type { ReceiverDependencies } from "./receiver-options.ts";
import { foreignBranches, type StartPoint } from "./start-point.ts";

/** Reports what the server left behind at its switch, and timelines of which it knows nothing; each once a process. */
export async function reportBranches(
  inventory: WalInventory,
  history: TimelineHistory,
  found: StartPoint,
  said: Set<string>,
  { logger, report }: Pick<ReceiverDependencies, "logger" | "report">,
): Promise<void> {
  const isNews = (text: string): boolean => {
    const news = !said.has(text);
    said.add(text);
    return news;
  };
  if (found.deadBranch !== undefined) {
    const { timeline, from, to } = found.deadBranch;
    const text = `WAL of timeline ${timeline} from ${formatLsn(from)} to ${formatLsn(to)} is on a branch that the server left; it is kept`;
    if (isNews(text)) {
      logger.warn(text, { timeline });
      report({ type: "dead-branch", timeline, from, to, foreign: false });
    }
  }
  for (const { timeline, from, to } of await foreignBranches(inventory, history)) {
    const text = `the server is on timeline ${history.timeline} and does not descend from timeline ${timeline}, whose WAL is stored here`;
    if (!isNews(text)) continue;
    logger.error(`${text} from ${formatLsn(from)} to ${formatLsn(to)}: an old primary that came back, or another branch? Both are kept apart`, {
      timeline,
      serverTimeline: history.timeline,
    });
    report({ type: "dead-branch", timeline, from, to, foreign: true });
  }
}
