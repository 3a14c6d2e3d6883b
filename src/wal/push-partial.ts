/**
 * The last segment of a timeline that a promotion ended, which PostgreSQL archives as `<segment>.partial`: whole in length,
 * with WAL up to the promotion and whatever the recycled file held before behind it. Only what can be read as WAL counts.
 */
import { createWalRecordReader, parseSegmentName } from "../postgres/index.ts";
import { readSegment, serverLayout, type ServerIdentity, type WalInventory } from "../repository/index.ts";
import type { DurableSink, Storage } from "../storage/index.ts";
import { throughPipeline } from "./archive-segment.ts";
import { walErrors } from "./errors.ts";
import type { PushedWal, Pushing } from "./push-options.ts";
import { withPipeline } from "./push-pipeline.ts";
import { findPushed, pushedFileName, readPushed } from "./pushed-beside.ts";

const block = 1024 * 1024;
const pageSize = 8192;

/**
 * Only while the index of the WAL is ours; `sink` is closed. What is stored of the segment, complete or not, must begin in the
 * same way (WAL_SEGMENT_CONFLICT); when it is less than what was pushed, the receiver may be at it: then the pushed file is
 * kept beside it, in the form that archived segments have.
 */
export async function pushPartial(pushing: Pushing, inventory: WalInventory, identity: ServerIdentity, sink: DurableSink): Promise<PushedWal> {
  const { clock, keys, name, pushes, server, signal, storage } = pushing;
  const layout = serverLayout(server);
  const segment = name.slice(0, 24);
  const length = await lengthOfWal(storage, sink.temporaryPath, segment, inventory.segmentSize);
  const pushed = await storage.openFile(sink.temporaryPath);
  let common = 0;
  let found: Awaited<ReturnType<typeof readSegment>>;
  try {
    const source = {
      storage,
      inventory,
      systemIdentifier: identity.systemIdentifier,
      keys: async () => (await keys?.ring()) ?? (() => undefined),
      signal,
    };
    found = await readSegment(source, segment, async (piece) => {
      const own = await pushed.read(common, Math.max(0, Math.min(piece.length, length - common)));
      if (!own.equals(piece.subarray(0, own.length))) {
        throw otherWal(name);
      }
      common += own.length;
    });
  } finally {
    await pushed.close();
  }
  let outcome: PushedWal = "same";
  if (found === undefined) {
    await storeBeginning(storage, sink.temporaryPath, layout.walFile(name), length);
    outcome = "stored";
  } else if (common < length) outcome = await keepBeside(pushing, inventory, sink.temporaryPath, length);
  await pushes.taken(name, clock.now(), undefined);
  return outcome;
}

/** Bytes up to the end of the last record, or of what the segment has of a record that goes on behind it. */
async function lengthOfWal(storage: Storage, path: string, segment: string, segmentSize: number): Promise<number> {
  const { start } = parseSegmentName(segment, segmentSize);
  const records = createWalRecordReader({ start, segmentSize, verify: true });
  const reader = await storage.openFile(path);
  try {
    for (let at = 0; at < reader.size && records.stopped === undefined; at += block) records.write(await reader.read(at, block));
  } finally {
    await reader.close();
  }
  records.finish();
  if (records.stopped === undefined) return segmentSize;
  const end = records.last?.end;
  // Before the first record of a segment there may be the end of one that began earlier: at least its page counts.
  return end === undefined ? Math.min(pageSize, segmentSize) : Number(end - start);
}

const otherWal = (name: string): Error =>
  walErrors.segmentConflict(`"${name}" was pushed with other WAL than is stored of that segment, which stays as it is`, { segment: name });

/** One that was pushed before must begin in the same way; the longer of the two stays. */
async function keepBeside(pushing: Pushing, inventory: WalInventory, path: string, length: number): Promise<PushedWal> {
  const { keys, name, signal, storage } = pushing;
  const { layout } = inventory;
  const segment = name.slice(0, 24);
  const before = await findPushed(storage, layout, segment);
  if (before !== undefined) {
    const pushed = await storage.openFile(path);
    try {
      const reading = { storage, keys: (await keys?.ring()) ?? (() => undefined), signal };
      const stored = await readPushed(layout.walFile(before), reading, async (piece, at) => {
        const own = await pushed.read(at, Math.max(0, Math.min(piece.length, length - at)));
        if (!own.equals(piece.subarray(0, own.length))) throw otherWal(name);
      });
      if (stored >= length) return "same";
    } finally {
      await pushed.close();
    }
  }
  await withPipeline(pushing, inventory, async (options) => {
    const kept = pushedFileName(segment) + options.pipeline.suffix;
    if (options.pipeline.suffix === "") await storeBeginning(storage, path, layout.walFile(kept), length, before === kept);
    else await throughPipeline(path, pushedFileName(segment), { ...options, taken: length });
    if (before !== undefined && before !== kept) await storage.removeFile(layout.walFile(before));
  });
  return "stored";
}

async function storeBeginning(storage: Storage, from: string, to: string, length: number, replace = false): Promise<void> {
  const source = await storage.openFile(from);
  const sink = await storage.createFile(to);
  try {
    for (let at = 0; at < length; at += block) await sink.write(await source.read(at, Math.min(block, length - at)));
    await sink.commit({ replace });
  } catch (error) {
    await sink.abort().catch(() => undefined);
    throw error;
  } finally {
    await source.close();
  }
}
