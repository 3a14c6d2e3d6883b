/**
 * Whether a position of a followed server means the same on the server that follows it. Two standbys that are promoted apart
 * both call their timeline by the next number, and pass the same positions with WAL of their own: the number proves nothing.
 */
import type { Logger } from "../log/index.ts";
import { formatLsn, lsn, parseHistory, type Lsn, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import { timelineHistory, type Connection } from "../replication/index.ts";
import { openServerIdentity, openWalInventory } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import { walErrors } from "./errors.ts";
import { describeHistory } from "./histories.ts";
import { compareWithServer } from "./last-segment.ts";

/** The server that follows, as it answers over the connection. */
export interface OwnLine {
  readonly connection: Connection;
  readonly storage: LocalStorage;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly systemIdentifier: string;
  readonly segmentSize: number;
}

export interface StoredLine {
  /** Name of the followed server. */
  readonly server: string;
  readonly timeline: TimelineId;
}

/** What earlier looks found: a line that is one stays one until somebody is promoted. */
export interface ProvenLine {
  timeline: TimelineId | undefined;
}

/**
 * True when the WAL that is stored of the followed server before `from`, the start of a segment, is the own server's: one
 * cluster, one past of the timeline, and the same bytes in the segment before. False while that cannot be known. Throws
 * WAL_FOLLOWED_DIVERGED when it is not.
 */
export async function isOneLine(own: OwnLine, stored: StoredLine, from: Lsn, proven: ProvenLine): Promise<boolean> {
  const { connection, logger, segmentSize, signal, storage } = own;
  const { server, timeline } = stored;
  const apart = (why: string) =>
    walErrors.followedDiverged(`the WAL of ${server} is not that of the server which follows it: ${why}; its slot stays where it is`, { followed: server, timeline });
  const identity = await openServerIdentity(storage, server).read();
  if (identity === undefined) return false;
  if (identity.systemIdentifier !== own.systemIdentifier) {
    throw apart(`that is cluster ${identity.systemIdentifier}, this one ${own.systemIdentifier}`);
  }
  if (identity.segmentSize !== segmentSize) return false;
  const inventory = openWalInventory(storage, server, segmentSize);
  if (timeline > 1) {
    const there = await inventory.histories.read(timeline);
    if (there === undefined) return false;
    const here = await historyOf(own, timeline);
    const [told, known] = [describeHistory(here), describeHistory(there)];
    if (told !== known) throw apart(`timeline ${timeline} comes from ${known} there, and from ${told} here`);
  }
  if (proven.timeline === timeline) return true;
  const begin = lsn(from - BigInt(segmentSize));
  const outcome = await compareWithServer({ connection, storage, inventory, logger, signal }, { timeline, begin, end: from });
  if (outcome === "other") throw apart(`timeline ${timeline} has other bytes before ${formatLsn(from)}`);
  // The next segment may be there on both sides.
  if (outcome !== "same") return false;
  proven.timeline = timeline;
  return true;
}

async function historyOf({ connection, signal }: OwnLine, timeline: TimelineId): Promise<TimelineHistory> {
  const { content } = await timelineHistory(connection, timeline, signal);
  return parseHistory(content.toString("utf8"), timeline);
}
