/**
 * The line that the server is on: its timeline with those that it came from. After a restore to an earlier moment, or when an
 * old primary came back, the newest backup can lie on a branch that was given up: nothing leads from there to where the server
 * is, and the backups of its own line must not go because of that one.
 */
import { descendsFrom, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import {
  identityOfStoredWal,
  openServerIdentity,
  openWalCoverage,
  openWalInventory,
  repositoryErrors,
  serverLayout,
  type BackupInfo,
} from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";

export interface ServerLine {
  /** Of the cluster that the server is. */
  readonly systemIdentifier: string;
  /** The timeline that is being received, or was received last. */
  readonly timeline: TimelineId;
  /** Where that timeline comes from; undefined when nobody can say, because its history file is missing or cannot be read. */
  readonly history: TimelineHistory | undefined;
}

/** Whether the server can be reached from a backup of its cluster; undefined where that is not known. */
export function isOnLine({ timeline, history }: ServerLine, { endTimeline, endLsn }: BackupInfo): boolean | undefined {
  if (history !== undefined) return descendsFrom(history, endTimeline, endLsn);
  if (endTimeline === timeline) return true;
  return endTimeline > timeline ? false : undefined;
}

/**
 * @param timeline the one that the server is on, where somebody knows it; else the one of which the newest moment is proven
 * @returns undefined while neither is known, or no WAL is stored. Throws SERVER_IDENTITY_DAMAGED.
 */
export async function readServerLine(storage: Storage, server: string, timeline: TimelineId | undefined): Promise<ServerLine | undefined> {
  const layout = serverLayout(server);
  const live = timeline ?? (await openWalCoverage(storage, layout).read())?.timeline;
  if (live === undefined) return undefined;
  const identity = (await openServerIdentity(storage, layout).read()) ?? (await identityOfStoredWal(storage, layout));
  if (identity === undefined) return undefined;
  const { systemIdentifier, segmentSize } = identity;
  const history = await openWalInventory(storage, layout, segmentSize)
    .histories.read(live)
    .catch((error: unknown) => {
      if (repositoryErrors.historyUnreadable.is(error)) return undefined;
      throw error;
    });
  return { systemIdentifier, timeline: live, history };
}
