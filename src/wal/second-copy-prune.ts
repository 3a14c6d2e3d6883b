/** What retention removed of the WAL goes from the second copy as well; what was only lost stays there. */
import { lsn, parseSegmentName } from "../postgres/index.ts";
import { isWithin, serverLayout, walFileFromName, type WalInventory } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";

/**
 * Removes from `copy` the segments that the repository calls pruned (`wal_pruned.json`) and does not have any more, and
 * earlier forms of segments that are there in a later one. `there` are the names in the copy; what goes leaves them.
 * Returns how many files went. Can be stopped and repeated at any point.
 */
export async function pruneSecondCopy(inventory: WalInventory, copy: Storage, there: Set<string>): Promise<number> {
  const layout = serverLayout(inventory.server);
  const { segmentSize } = inventory;
  const pruned = await inventory.pruned.list();
  const stored = new Map<string, Set<string>>();
  for await (const { segment, suffix } of inventory.files()) {
    const suffixes = stored.get(segment);
    if (suffixes === undefined) stored.set(segment, new Set([suffix]));
    else suffixes.add(suffix);
  }
  let removed = 0;
  for (const name of [...there]) {
    const file = walFileFromName(name);
    if (file === undefined) continue;
    const { timeline, start } = parseSegmentName(file.segment, segmentSize);
    const forms = stored.get(file.segment);
    const gone = forms === undefined && isWithin({ timeline, from: start, to: lsn(start + BigInt(segmentSize)) }, pruned);
    // Only when the form that replaced it is there too.
    const replaced = forms !== undefined && !forms.has(file.suffix) && [...forms].some((suffix) => there.has(file.segment + suffix));
    if (!gone && !replaced) continue;
    await copy.removeFile(layout.walFile(name));
    there.delete(name);
    removed += 1;
  }
  return removed;
}
