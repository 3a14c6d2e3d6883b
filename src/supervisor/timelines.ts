/** The timelines of a server, remembered from its history files, so that neither status nor metrics touch the disk. */
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { lsn, timelineId, type TimelineHistory } from "../postgres/index.ts";
import { openWalInventory } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";

export interface KnownTimeline {
  readonly timeline: number;
  /** 0 for the first one. */
  readonly parent: number;
  /** Where it left its parent; 0 for the first one. */
  readonly switchLsn: bigint;
}

/** The history of a timeline as far as it is known; undefined when the timeline is not. */
export function historyOf(timeline: number, timelines: readonly KnownTimeline[]): TimelineHistory | undefined {
  const entries: TimelineHistory["entries"][number][] = [];
  const known = new Map(timelines.map((one) => [one.timeline, one]));
  if (!known.has(timeline)) return undefined;
  for (let at = known.get(timeline); at !== undefined && at.parent > 0 && at.parent < at.timeline; at = known.get(at.parent))
    entries.unshift({ timeline: timelineId(at.parent), switchLsn: lsn(at.switchLsn), reason: "" });
  return { timeline: timelineId(timeline), entries };
}

/** A server as far as its timelines are concerned. */
export interface TimelinesOwner {
  readonly name: string;
  timelines: readonly KnownTimeline[];
}

/** The timeline at which the files were last read. */
const readAt = new WeakMap<TimelinesOwner, number>();

/** The server is on this timeline: when it is another one than before, there are other files. */
export function noteTimeline(server: TimelinesOwner, timeline: number, storage: LocalStorage, logger: Logger): void {
  if (timeline === 0 || readAt.get(server) === timeline) return;
  readAt.set(server, timeline);
  void rememberTimelines(server, storage, logger);
}

/** The newest so many; one comes with each promotion. */
const mostTimelines = 100;
/** The segment size matters for nothing that is asked here. */
const anySegmentSize = 16 * 1024 * 1024;

/** Reads the history files; one that cannot be read is said and left out. */
export async function rememberTimelines(server: TimelinesOwner, storage: LocalStorage, logger: Logger): Promise<void> {
  const { histories } = openWalInventory(storage, server.name, anySegmentSize);
  const found: KnownTimeline[] = [{ timeline: 1, parent: 0, switchLsn: 0n }];
  try {
    for (const timeline of (await histories.list()).slice(-mostTimelines)) {
      const parent = (await histories.read(timeline))?.entries.at(-1);
      if (parent !== undefined) found.push({ timeline, parent: parent.timeline, switchLsn: parent.switchLsn });
    }
  } catch (error) {
    logger.warn(`the timelines of ${server.name} are not all known: ${messageOf(error)}`);
  }
  server.timelines = found;
}
