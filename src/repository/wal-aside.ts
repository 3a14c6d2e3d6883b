/** Bytes that were acknowledged and then refused by the disk: no WAL for any reader, but perhaps the only copy of a commit. */
import { classifyWalFile, lsnPlus, parseSegmentName, type Lsn, type TimelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import type { WalInventory } from "./wal-inventory.ts";

/** After the name of a partial segment that the receiver set aside because it could not be synced. */
export const unsyncedSuffix = "unsynced";

export interface AsideCopy {
  readonly segment: string;
  readonly timeline: TimelineId;
  readonly path: string;
  /** First position that the file does not hold; what it holds may be damaged. */
  readonly end: Lsn;
  /** First position of its timeline that is not durably stored; undefined when nothing of it is. */
  readonly durableEnd: Lsn | undefined;
}

/** The copies set aside that reach beyond the durable end of their timeline, and so may hold what nothing else here does. */
export async function asideCopies(storage: Storage, inventory: WalInventory): Promise<AsideCopy[]> {
  const { layout } = inventory;
  const found: AsideCopy[] = [];
  for await (const { name, kind } of storage.entries(layout.wal)) {
    if (kind !== "file" || !name.endsWith(`.partial.${unsyncedSuffix}`)) continue;
    const file = classifyWalFile(name.slice(0, -unsyncedSuffix.length - 1));
    const path = layout.walFile(name);
    const size = (await storage.stat(path))?.size;
    if (file.kind !== "partial" || size === undefined) continue;
    const { timeline, start } = parseSegmentName(file.base, inventory.segmentSize);
    const durableEnd = (await inventory.durableEnd(timeline))?.lsn;
    const end = lsnPlus(start, size);
    if (durableEnd === undefined || end > durableEnd) found.push({ segment: file.base, timeline, path, end, durableEnd });
  }
  return found.sort((a, b) => (a.segment < b.segment ? -1 : 1));
}
