/**
 * One finished segment gets its final form: through the pipeline into a file that nobody sees yet, read back, made
 * visible, recorded, and only then the raw one goes. A crash between any two steps leaves at least one whole form,
 * and the next run begins where the last one can be proven to have come.
 */
import type { KeyRing } from "../encryption/index.ts";
import { readStoredFile, type FileMeasures, type HashAlgorithm, type Pipeline } from "../pipeline/index.ts";
import type { WalInventory, WalRecord } from "../repository/index.ts";
import { storageErrors, type RandomReader, type Storage } from "../storage/index.ts";
import { walErrors } from "./errors.ts";
import { earlierForms, isOfPartial, lookUp, recordedForm } from "./earlier-forms.ts";

export interface ArchiveSegmentOptions extends StoringOptions {
  /** Where the segment lies if it does not have its name yet; without it under its name, which goes at the end. */
  readonly unnamed?: UnnamedSegment | undefined;
}

export interface StoringOptions {
  readonly storage: Storage;
  readonly inventory: WalInventory;
  readonly pipeline: Pipeline;
  readonly hash: HashAlgorithm;
  readonly keys: KeyRing;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** What raw segments are read into, piece by piece; one of them at a time. */
  readonly block: Buffer;
  /** So many bytes count; without it all that are there. */
  readonly taken?: number;
  /** So many zeros follow them. */
  readonly zeros?: number;
}

/** A whole segment under a name that nobody looks for. */
export interface UnnamedSegment {
  readonly path: string;
  /** Gives it its name, durably: it is stored as it is. */
  readonly publish: () => Promise<void>;
}

/**
 * Resolves with the record of the segment. Throws WAL_SEGMENT_MALFORMED, WAL_SEGMENT_CONFLICT (a stored form of the
 * segment has other content), WAL_READ_BACK_FAILED, or what the storage throws; the raw segment is still there then.
 */
export async function archiveSegment(segment: string, options: ArchiveSegmentOptions): Promise<WalRecord> {
  const { storage, inventory, pipeline } = options;
  const { layout } = inventory;
  const rawPath = options.unnamed?.path ?? layout.walFile(segment);
  await refuseWrongSize(rawPath, options);

  const finished = await recordedForm(segment, options);
  const record = finished ?? (await makeAndRecord(segment, options));
  if (record.suffix === "" || options.unnamed !== undefined) return record;
  await storage.removeFile(rawPath);
  return record;

  async function makeAndRecord(name: string, around: ArchiveSegmentOptions): Promise<WalRecord> {
    const earlier = await earlierForms(name, around);
    const before = await lookUp(name, inventory);
    const made = recordOf(name, await throughPipeline(rawPath, name, around), around);
    if (made.suffix === "") await around.unnamed?.publish();
    await inventory.record(made);
    if (before !== undefined && isOfPartial(before)) await storage.removeFile(layout.walFile(name + before.suffix));
    for (const suffix of earlier) if (suffix !== pipeline.suffix) await storage.removeFile(layout.walFile(name + suffix));
    return made;
  }
}

async function refuseWrongSize(path: string, { storage, inventory }: ArchiveSegmentOptions): Promise<void> {
  const size = (await storage.stat(path))?.size;
  if (size === inventory.segmentSize) return;
  throw walErrors.segmentMalformed(`"${path}" has ${size ?? 0} bytes instead of ${inventory.segmentSize}`, { path, size: size ?? 0 });
}

/** Stores what lies at `rawPath` under `name` and the suffix of the pipeline, read back before it is visible. */
export async function throughPipeline(rawPath: string, name: string, options: StoringOptions): Promise<FileMeasures> {
  const { storage, inventory, pipeline } = options;
  const path = inventory.layout.walFile(name + pipeline.suffix);
  if (pipeline.suffix === "") return await feed(rawPath, pipeline.openFile(nowhere), options);
  const sink = await storage.createFile(path);
  try {
    const measures = await feed(rawPath, pipeline.openFile(sink), options);
    await readBack(sink.temporaryPath, measures, options);
    // What a run that was cut off made visible was compared before, and is replaced by what is about to be recorded.
    await sink.commit({ replace: true });
    return measures;
  } catch (error) {
    // What is left of it is recognised by its name and removed later; the reason is what matters.
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

async function feed(rawPath: string, file: ReturnType<Pipeline["openFile"]>, { storage, signal, block, taken, zeros = 0 }: StoringOptions): Promise<FileMeasures> {
  let raw: RandomReader | undefined;
  try {
    raw = await storage.openFile(rawPath);
    const end = taken ?? raw.size;
    for (let offset = 0; offset < end; offset += block.length) {
      signal.throwIfAborted();
      // It takes a copy.
      await file.write(await raw.read(offset, Math.min(block.length, end - offset), block));
    }
    if (zeros > 0) block.fill(0);
    for (let left = zeros; left > 0; left -= block.length) await file.write(block.subarray(0, Math.min(left, block.length)));
  } catch (error) {
    await file.abort();
    throw error;
  } finally {
    await raw?.close();
  }
  return await file.finish();
}

/** What lies there must decode to what was received: a compressor, a disk or a memory that lies is found now, not at a restore. */
async function readBack(path: string, measures: FileMeasures, options: StoringOptions): Promise<void> {
  const { storage, pipeline, keys, hash, signal } = options;
  const source = await storage.openFile(path);
  const { plainSize, plainDigest, storedSize, storedDigest, headerSize, chunks } = measures;
  try {
    await readStoredFile(
      {
        source,
        format: { compression: pipeline.spec.compression, encrypted: pipeline.spec.encryption !== "none" },
        keys,
        chunks,
        headerSize,
        hash,
        expected: { plainSize, plainDigest, storedSize, storedDigest },
        concurrency: 2,
        signal,
      },
      () => Promise.resolve(),
    );
  } catch (error) {
    if (signal.aborted || storageErrors.inputOutput.is(error)) throw error;
    throw walErrors.readBackFailed(`"${source.name}" does not read back as what was received`, { path }, error);
  } finally {
    await source.close();
  }
}

export function recordOf(segment: string, measures: FileMeasures, options: StoringOptions): WalRecord {
  const { plainSize, plainDigest, plainCrc32c, storedSize, storedDigest, headerSize, chunks } = measures;
  return {
    segment,
    suffix: options.pipeline.suffix,
    hash: options.hash,
    plainSize,
    plainDigest,
    plainCrc32c,
    storedSize,
    storedDigest,
    headerSize,
    chunks,
    archivedAt: options.now(),
  };
}

/** A segment that is stored as it is only gets measured. */
const nowhere = {
  write: (): Promise<void> => Promise.resolve(),
  close: (): Promise<void> => Promise.resolve(),
  abort: (): Promise<void> => Promise.resolve(),
};
