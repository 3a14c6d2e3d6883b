/** Files of pg_wal that are no segments: timeline histories, and notes on backups that somebody took. */
import { messageOf } from "../common/index.ts";
import type { TimelineId } from "../postgres/index.ts";
import { openWalInventory, repositoryErrors, serverLayout } from "../repository/index.ts";
import { walErrors } from "./errors.ts";
import type { PushedWal, Pushing } from "./push-options.ts";

/** Histories do not depend on the size of segments. */
const anySegmentSize = 16 * 1024 * 1024;

const conflict = (name: string): Error =>
  walErrors.segmentConflict(`"${name}" was pushed with other content than is stored under that name, which stays as it is`, { segment: name });

/** Throws WAL_PUSH_REFUSED for what cannot be read as a history, WAL_SEGMENT_CONFLICT for one that is stored otherwise. */
export async function pushHistory({ name, server, storage }: Pushing, timeline: TimelineId, content: Buffer): Promise<PushedWal> {
  const { histories } = openWalInventory(storage, server, anySegmentSize);
  let outcome: "stored" | "same" | "other";
  try {
    outcome = await histories.add(timeline, content);
  } catch (error) {
    if (!repositoryErrors.historyUnreadable.is(error) || (await histories.find(timeline)) !== undefined) throw error;
    throw walErrors.pushRefused(`"${name}" cannot be read as a timeline history: ${messageOf(error)}`, { name }, error);
  }
  if (outcome === "other") throw conflict(name);
  return outcome;
}

/** `….backup`, which PostgreSQL writes for every base backup: recovery never asks for it, a person may. */
export async function pushNote({ name, server, storage }: Pushing, content: Buffer): Promise<PushedWal> {
  const path = serverLayout(server).walFile(name);
  return storage.exclusively(serverLayout(server).wal, async () => {
    const facts = await storage.stat(path);
    if (facts !== undefined) {
      if (facts.size === content.length && (await storage.readFile(path, facts.size)).equals(content)) return "same";
      throw conflict(name);
    }
    await storage.replaceFile(path, content);
    return "stored";
  });
}
