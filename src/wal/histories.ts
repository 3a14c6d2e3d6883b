/** Timeline history files: fetched and durable before WAL of their timeline is, and never two of one name. */
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { formatLsn, parseHistory, rootHistory, timelineId, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import { sqlStateOf, timelineHistory, type Connection } from "../replication/index.ts";
import { repositoryErrors, type WalHistories } from "../repository/index.ts";
import { walErrors } from "./errors.ts";

export interface HistorySource {
  readonly connection: Connection;
  readonly histories: WalHistories;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Of the timelines that the server does not descend from, so many are asked for: each question is a round trip. */
const strangersAskedFor = 100;

/**
 * Stores every history file up to `timeline` that the server has and we do not: recovery probes the ids upwards and
 * stops at the first missing one. Returns the history of `timeline`. Throws WAL_HISTORY_MISSING when the server does
 * not have that one, which it needs itself, and WAL_DIVERGED when its past is another one than the stored files tell:
 * two timelines of one number.
 */
export async function fetchHistories(source: HistorySource, timeline: TimelineId): Promise<TimelineHistory> {
  if (timeline === 1) return rootHistory(timeline);
  const own = await fetchOwn(source, timeline);
  await refuseOtherPast(source, own);
  // The oldest first, so that a stored file never names an ancestor whose own file is not there yet.
  const ancestors = own.history.entries.map((entry) => entry.timeline).filter((id) => id > 1);
  for (const ancestor of ancestors) await store(source, ancestor);
  if ((await source.histories.find(timeline)) === undefined) {
    await source.histories.write(timeline, own.content);
    source.logger.info(`stored the history of timeline ${timeline}`, { timeline });
  }
  const first = Math.max(2, timeline - strangersAskedFor);
  for (let id = first; id < timeline; id += 1) {
    if (!ancestors.includes(timelineId(id))) await store(source, timelineId(id));
  }
  return own.history;
}

interface OwnHistory {
  readonly content: Buffer;
  readonly history: TimelineHistory;
}

async function fetchOwn({ connection, signal }: HistorySource, timeline: TimelineId): Promise<OwnHistory> {
  try {
    const { content } = await timelineHistory(connection, timeline, signal);
    return { content, history: parseHistory(content.toString("utf8"), timeline) };
  } catch (error) {
    if (sqlStateOf(error) === undefined || connection.isClosed) throw error;
    throw walErrors.historyMissing(`the server has no history file of its timeline ${timeline}`, { timeline }, error);
  }
}

/** Fetches what is not stored; the server answers with an error for a timeline that it has never seen. */
async function store({ connection, histories, logger, signal }: HistorySource, timeline: TimelineId): Promise<void> {
  if ((await histories.find(timeline)) !== undefined) return;
  try {
    const { content } = await timelineHistory(connection, timeline, signal);
    await histories.write(timeline, content);
    logger.info(`stored the history of timeline ${timeline}`, { timeline });
  } catch (error) {
    if (sqlStateOf(error) === undefined || connection.isClosed) throw error;
    logger.debug(`the server has no history file of timeline ${timeline}`, { timeline });
  }
}

/** Two standbys that were promoted apart give their timelines the same number: their WAL must never share a directory. */
async function refuseOtherPast(source: HistorySource, own: OwnHistory): Promise<void> {
  const { histories } = source;
  const { history } = own;
  const ids = [...history.entries.map((entry) => entry.timeline), history.timeline].filter((id) => id > 1);
  for (const id of ids) {
    if ((await histories.find(id)) === undefined) continue;
    const stored = await readOrReplace(source, id, own);
    if (stored === undefined) continue;
    const length = id === history.timeline ? history.entries.length : history.entries.findIndex((entry) => entry.timeline === id);
    const told = describeHistory({ timeline: id, entries: history.entries.slice(0, length) });
    const known = describeHistory(stored);
    if (told === known) continue;
    throw walErrors.diverged(`the server's timeline ${id} comes from ${told}, the one whose WAL is stored here from ${known}`, { timeline: id });
  }
}

/**
 * A stored file that cannot be read serves no restore, and must not keep WAL from being received: the server's own
 * takes its place. Undefined when the server does not have that one any more; restores will name the file.
 */
async function readOrReplace(source: HistorySource, id: TimelineId, own: OwnHistory): Promise<TimelineHistory | undefined> {
  const { connection, histories, logger, signal } = source;
  try {
    return (await histories.read(id)) ?? rootHistory(id);
  } catch (error) {
    if (!repositoryErrors.historyUnreadable.is(error)) throw error;
    logger.error(`${messageOf(error)}; it is replaced by the server's own, if it has one`, { timeline: id });
  }
  try {
    const content = id === own.history.timeline ? own.content : (await timelineHistory(connection, id, signal)).content;
    await histories.write(id, content);
    return await histories.read(id);
  } catch (error) {
    if (sqlStateOf(error) === undefined || connection.isClosed) throw error;
    return undefined;
  }
}

/** Where a timeline comes from, in words: two of one number are the same when these are. */
export function describeHistory({ entries }: TimelineHistory): string {
  if (entries.length === 0) return "nowhere";
  return entries.map(({ timeline, switchLsn }) => `timeline ${timeline} at ${formatLsn(switchLsn)}`).join(", ");
}
