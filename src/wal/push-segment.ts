/** A whole segment that was pushed: compared with whatever is stored of it, else taken through the pipeline. */
import { commonErrors, messageOf } from "../common/index.ts";
import { lsnPlus, parseSegmentName, partialFileName } from "../postgres/index.ts";
import { endOfPartial, hashStoredFile, repositoryErrors, serverLayout, type WalInventory, type WalRecord } from "../repository/index.ts";
import { storageErrors, type DurableSink, type RandomReader, type Storage } from "../storage/index.ts";
import { archiveSegment, type UnnamedSegment } from "./archive-segment.ts";
import { walErrors } from "./errors.ts";
import type { PushedWal, Pushing } from "./push-options.ts";
import { withPipeline } from "./push-pipeline.ts";

const block = 1024 * 1024;

/** Only while the index of the WAL is ours; `sink` is closed. Throws WAL_SEGMENT_CONFLICT. */
export async function pushSegment(pushing: Pushing, inventory: WalInventory, sink: DurableSink): Promise<PushedWal> {
  const { clock, name, pushes, storage } = pushing;
  await refuseOtherBeginning(storage, inventory, name, sink.temporaryPath);
  const received = await isThereRaw(pushing, inventory, sink.temporaryPath);
  const before = await inventory.find(name);
  const complete = before !== undefined && before.form !== "partial";
  let stored: WalRecord | undefined;
  // One that is stored as it was received, and recorded, is compared by now.
  if (!(received && before?.form === "archived")) {
    stored = await archive(pushing, inventory, received ? undefined : unnamed(pushing, inventory, sink));
  }
  await fillGap(pushing, inventory);
  await pushes.taken(name, clock.now(), complete ? undefined : stored?.storedSize);
  return complete ? "same" : "stored";
}

const archive = (pushing: Pushing, inventory: WalInventory, from: UnnamedSegment | undefined): Promise<WalRecord> =>
  withPipeline(pushing, inventory, (options) => archiveSegment(pushing.name, { ...options, unnamed: from }));

/** Where the pushed bytes lie, and how they get the name of the segment: unless the receiver was quicker, with the same bytes. */
function unnamed(pushing: Pushing, inventory: WalInventory, sink: DurableSink): UnnamedSegment {
  return {
    path: sink.temporaryPath,
    async publish() {
      try {
        await sink.commit();
      } catch (error) {
        if (!commonErrors.targetExists.is(error) || !(await isThereRaw(pushing, inventory, sink.temporaryPath))) throw error;
      }
    },
  };
}

const conflict = (segment: string, stored: string): Error =>
  walErrors.segmentConflict(`segment ${segment} was pushed with other content than "${stored}" has, which stays as it is`, { segment, stored });

/** Whether the segment is there as it was received, with the same content. It is synced then, whoever wrote it. */
async function isThereRaw({ hash, name, server, storage }: Pushing, inventory: WalInventory, pushed: string): Promise<boolean> {
  const path = serverLayout(server).walFile(name);
  try {
    const facts = await storage.stat(path);
    if (facts === undefined) return false;
    if (facts.size !== inventory.segmentSize || (await hashStoredFile(storage, path, hash)) !== (await hashStoredFile(storage, pushed, hash)))
      throw conflict(name, path);
    await storage.syncFile(path);
    return true;
  } catch (error) {
    // Whoever does not know the lock took it away: it has its next form.
    if (storageErrors.notFound.is(error)) return false;
    throw error;
  }
}

/** What is being received of the segment must be its beginning. Bytes that come while this looks are the server's, as these are. */
async function refuseOtherBeginning(storage: Storage, inventory: WalInventory, name: string, pushed: string): Promise<void> {
  const { path, length } = await partialOf(storage, inventory, name);
  const received = length === 0 ? undefined : await openIfThere(storage, path);
  if (received === undefined) return;
  const other = await storage.openFile(pushed);
  try {
    for (let at = 0; at < length; at += block) {
      const bytes = Math.min(block, length - at);
      if (!(await received.read(at, bytes)).equals(await other.read(at, bytes))) throw conflict(name, path);
    }
  } finally {
    await received.close();
    await other.close();
  }
}

/** Bytes of WAL in the partial segment; 0 when there is none, or a complete form has taken its place meanwhile. */
async function partialOf(
  storage: Storage,
  { server, segmentSize }: WalInventory,
  name: string,
): Promise<{ readonly path: string; readonly length: number }> {
  const path = serverLayout(server).walFile(partialFileName(name));
  const facts = await storage.stat(path);
  if (facts === undefined) return { path, length: 0 };
  const location = { segment: name, form: "partial" as const, path, suffix: ".partial", size: facts.size };
  try {
    const end = await endOfPartial(storage, location, segmentSize);
    return { path, length: Number(end - parseSegmentName(name, segmentSize).start) };
  } catch (error) {
    if (storageErrors.notFound.is(error)) return { path, length: 0 };
    throw error;
  }
}

async function openIfThere(storage: Storage, path: string): Promise<RandomReader | undefined> {
  try {
    return await storage.openFile(path);
  } catch (error) {
    if (storageErrors.notFound.is(error)) return undefined;
    throw error;
  }
}

/** All of the segment is there: a gap that it lay in is smaller now, or gone. */
async function fillGap({ logger, name }: Pushing, inventory: WalInventory): Promise<void> {
  const { timeline, start } = parseSegmentName(name, inventory.segmentSize);
  try {
    const filled = await inventory.gaps.fill({ timeline, from: start, to: lsnPlus(start, inventory.segmentSize) });
    if (filled) logger.info(`segment ${name} was missing, and is there now`, { segment: name });
  } catch (error) {
    // The receiver keeps the list for a person and looks anew; the segment is safe all the same.
    if (!repositoryErrors.walGapsDamaged.is(error)) throw error;
    logger.warn(messageOf(error), { segment: name });
  }
}
