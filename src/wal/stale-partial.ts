/**
 * A partial segment beside the complete one: the receiver was stopped, and `archive_command` brought the segment. No reader
 * looks at it any more, and it would lie there in clear until its WAL is pruned.
 */
import type { KeyRing } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { parseSegmentName, partialFileName, type Lsn, type TimelineId } from "../postgres/index.ts";
import { endOfPartial, readSegment, type WalInventory } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";

/** Where the receiver writes at this moment. */
export interface ReceivingAt {
  readonly timeline: TimelineId;
  readonly lsn: Lsn;
}

export interface StalePartialOptions {
  readonly storage: Storage;
  readonly inventory: WalInventory;
  readonly systemIdentifier: string;
  readonly keys: KeyRing;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Undefined when it writes nowhere. */
  readonly receiving: ReceivingAt | undefined;
}

/**
 * Names of the segments that are there as they were being received, and complete as well. Segments that the receiver may be
 * at are left out.
 */
export async function stalePartials(inventory: WalInventory, receiving: ReceivingAt | undefined): Promise<string[]> {
  const found: string[] = [];
  for await (const { segment, form, suffix } of inventory.files()) {
    if (form !== "partial" || suffix !== ".partial" || isAt(segment, inventory.segmentSize, receiving)) continue;
    const location = await inventory.find(segment);
    // Without its record nobody vouches for the complete one.
    if (location?.form === "archived" && location.record !== undefined) found.push(segment);
  }
  return found;
}

function isAt(segment: string, segmentSize: number, receiving: ReceivingAt | undefined): boolean {
  if (receiving === undefined) return false;
  const { start, timeline } = parseSegmentName(segment, segmentSize);
  return timeline === receiving.timeline && start + BigInt(segmentSize) > receiving.lsn;
}

/** Removes it when it is the beginning of the complete one; another one is kept, for a person to look at. Only with the index in hand. */
export async function removeStalePartial(segment: string, options: StalePartialOptions): Promise<void> {
  const { inventory, keys, logger, signal, storage, systemIdentifier } = options;
  const name = partialFileName(segment);
  const path = inventory.layout.walFile(name);
  try {
    const facts = await storage.stat(path);
    if (facts === undefined) return;
    const location = { segment, form: "partial" as const, path, suffix: ".partial", size: facts.size };
    const length = Number((await endOfPartial(storage, location, inventory.segmentSize)) - parseSegmentName(segment, inventory.segmentSize).start);
    const partial = await storage.openFile(path);
    let same = true;
    let at = 0;
    try {
      await readSegment({ storage, inventory, systemIdentifier, keys: () => Promise.resolve(keys), signal }, segment, async (piece) => {
        const own = await partial.read(at, Math.min(piece.length, Math.max(0, length - at)));
        same &&= own.equals(piece.subarray(0, own.length));
        at += own.length;
      });
    } finally {
      await partial.close();
    }
    if (!same || at < length) {
      logger.error(`"${path}" is not the beginning of the complete segment beside it, and is kept: find out where either comes from`, { segment });
      return;
    }
  } catch (error) {
    // Whoever received it gave it another form meanwhile.
    if (storageErrors.notFound.is(error)) return;
    throw error;
  }
  await storage.removeFile(path);
  logger.info(`${name} is removed: the segment is stored whole`, { segment });
}
