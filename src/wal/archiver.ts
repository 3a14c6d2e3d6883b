/** The archiver of one server: every finished segment in order, until there has been nothing to do for a while. */
import { messageOf, throwIfAborted, toMonetaError, type Clock, type ErrorFactory } from "../common/index.ts";
import type { KeyRing } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { createPipeline, type HashAlgorithm, type Pipeline, type PipelineSpec } from "../pipeline/index.ts";
import { formerLineages, identityOfStoredWal, openServerIdentity, openWalInventory, serverLayout, type DataKeyStore, type WalInventory, type WalRecord } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { archivePartial } from "./archive-partial.ts";
import { archiveSegment, type StoringOptions } from "./archive-segment.ts";
import { walErrors } from "./errors.ts";
import { createNews } from "./news.ts";
import { outlivedPushes, removeOutlivedPush } from "./pushed-beside.ts";
import { removeStalePartial, stalePartials, type ReceivingAt } from "./stale-partial.ts";

export interface ArchiverOptions {
  readonly server: string;
  readonly storage: Storage;
  readonly spec: PipelineSpec;
  /** Data keys of the server; required when the specification encrypts. */
  readonly keys?: ArchiverKeys | undefined;
  readonly hash: HashAlgorithm;
  readonly workers: number;
  readonly memoryBytes?: number;
  /** Ends after so long without work, milliseconds. */
  readonly idleMs: number;
  /** Where the receiver writes now; undefined when it writes nowhere. */
  readonly receiving?: () => ReceivingAt | undefined;
}

/** The data keys as an archiver that runs for days needs them: the one in use can be replaced meanwhile. */
export type ArchiverKeys = Pick<DataKeyStore, "current" | "currentId" | "ring">;

export interface ArchiverDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Has `listener` called for every segment that is announced; returns how to stop that. */
  readonly onSegment: (listener: () => void) => () => void;
  /** A segment has its final form. */
  readonly archived: (segment: string, storedBytes: number) => void;
  /** Everything that was finished has its final form: what an earlier archiver stumbled over is overcome. */
  readonly caughtUp?: () => void;
  /** What the operator wants done around each segment; what `before` throws leaves that one, and those after it, as they are. */
  readonly around?: SegmentHooks | undefined;
}

/** Programs of an operator: nobody waits for the index of the WAL while one runs. */
export interface SegmentHooks {
  /** `path` is that of the raw segment, in the repository. */
  before(segment: string, path: string): Promise<void>;
  /** `path` is that of the archived one. Never rejects. */
  after(segment: string, path: string): Promise<void>;
}

export interface ArchiverResult {
  readonly segments: number;
  readonly storedBytes: number;
}

const readBlock = 1024 * 1024;
/** The index has one writer at a time: whoever pushes a segment waits no longer than this, and the segment in hand. Milliseconds. */
const turnMs = 1000;
const standardMemoryBytes = 32 * 1024 * 1024;

/** Troubles of one segment: the others can be archived all the same. */
const ofOneSegment: readonly ErrorFactory[] = [
  walErrors.segmentMalformed,
  walErrors.segmentConflict,
  walErrors.readBackFailed,
  storageErrors.inputOutput,
];

/**
 * Archives what is finished, oldest first, and waits for more. A segment that cannot be archived keeps its raw form,
 * which readers accept; the first such error is thrown after the others have been archived, any other one at once.
 */
export async function runArchiver(options: ArchiverOptions, deps: ArchiverDependencies): Promise<ArchiverResult> {
  const { server, storage, hash } = options;
  const { clock, logger, signal } = deps;
  // Without the file that says so, the segments themselves do.
  const identity = (await openServerIdentity(storage, server).read()) ?? (await identityOfStoredWal(storage, server));
  if (identity === undefined) return { segments: 0, storedBytes: 0 };
  const inventory = openWalInventory(storage, server, identity.segmentSize);
  const shaper = createShaper(options, logger);
  // One for all: a backlog is read as fast as the disk is, and the garbage collector frees no faster than it is asked to.
  const block = Buffer.allocUnsafeSlow(readBlock);
  const news = createNews(deps.onSegment);
  let segments = 0;
  let storedBytes = 0;
  let failure: unknown;
  /** Works through names of the WAL directory of a cluster, the index of its WAL in hand for a while at a time. */
  const workThrough = async (
    of: WalInventory,
    waiting: string[],
    store: (name: string, options: StoringOptions) => Promise<WalRecord | undefined>,
    stored: (name: string, record: WalRecord) => void,
    hooks?: SegmentHooks,
  ): Promise<void> => {
    while (waiting.length > 0) {
      const [next] = waiting;
      let done: { readonly segment: string; readonly suffix: string } | undefined;
      if (next !== undefined) await hooks?.before(next, of.layout.walFile(next));
      await storage.exclusively(of.layout.walIndex, async () => {
        const until = clock.monotonic() + turnMs;
        do {
          const segment = waiting.shift();
          if (segment === undefined) return;
          throwIfAborted(signal);
          try {
            const { pipeline, keys } = await shaper.pipeline();
            const record = await store(segment, { storage, inventory: of, pipeline, hash, keys, now: () => clock.now(), signal, block });
            if (record === undefined) continue;
            stored(segment, record);
            done = { segment, suffix: record.suffix };
          } catch (error) {
            throwIfAborted(signal);
            if (!ofOneSegment.some((kind) => kind.is(error))) throw error;
            logger.error(`segment ${segment} is not archived: ${messageOf(error)}`, { segment });
            failure ??= error;
          }
        } while (hooks === undefined && clock.monotonic() < until);
      });
      if (done !== undefined) await hooks?.after(done.segment, of.layout.walFile(done.segment + done.suffix));
    }
  };
  /** Unless it was in somebody else's hands, and has its form. */
  const archive = async (segment: string, around: StoringOptions): Promise<WalRecord | undefined> =>
    (await storage.stat(around.inventory.layout.walFile(segment))) === undefined ? undefined : archiveSegment(segment, around);
  const archiveFormer = async (): Promise<void> => {
    for (const id of await formerLineages(storage, server)) {
      const former = await openFormer(storage, server, id);
      if (former === undefined) continue;
      const stored = (segment: string): void => logger.info(`segment ${segment} of the earlier cluster ${id} has its final form`, { segment });
      await workThrough(former, await former.unarchived(), archive, stored);
      await workThrough(former, await unfinishedIn(former), archivePartial, stored);
    }
  };
  const clearStale = async (): Promise<void> => {
    const receiving = options.receiving?.();
    const { systemIdentifier } = identity;
    await workThrough(
      inventory,
      await stalePartials(inventory, receiving),
      async (segment, { keys }) => {
        await removeStalePartial(segment, { storage, inventory, systemIdentifier, keys, logger, signal, receiving });
        return undefined;
      },
      () => undefined,
    );
    await workThrough(
      inventory,
      await outlivedPushes(storage, inventory),
      async (name, { keys }) => {
        await removeOutlivedPush(name, { storage, inventory, systemIdentifier, keys, logger, signal });
        return undefined;
      },
      () => undefined,
    );
  };
  try {
    // What a change to another cluster cut off; nothing comes into it any more.
    await archiveFormer();
    for (let first = true; ; first = false) {
      news.reset();
      const waiting = await inventory.unarchived();
      // Looked for when there is nothing else to do.
      if (first || waiting.length === 0) await clearStale();
      const stored = (segment: string, { storedSize }: WalRecord): void => {
        segments += 1;
        storedBytes += storedSize;
        deps.archived(segment, storedSize);
        logger.debug(`archived segment ${segment}`, { segment, stored: storedSize });
      };
      await workThrough(inventory, waiting, archive, stored, deps.around);
      if (failure !== undefined) throw toMonetaError(failure);
      deps.caughtUp?.();
      if (!(await news.wait(options.idleMs, clock, signal))) return { segments, storedBytes };
    }
  } finally {
    news.close();
    await shaper.close();
  }
}

async function openFormer(storage: Storage, server: string, id: string): Promise<WalInventory | undefined> {
  const layout = serverLayout(server, id);
  const identity = (await openServerIdentity(storage, layout).read()) ?? (await identityOfStoredWal(storage, layout));
  return identity === undefined ? undefined : openWalInventory(storage, layout, identity.segmentSize);
}

/** Names of the segments that are there as they were being received, and in no later form. */
async function unfinishedIn(inventory: WalInventory): Promise<string[]> {
  const found: string[] = [];
  for await (const { segment, form, suffix } of inventory.files()) {
    if (form === "partial" && suffix === ".partial" && (await inventory.find(segment))?.form === "partial") found.push(segment);
  }
  return found.sort();
}

interface Shaper {
  /** The pipeline with the data key that is in use now. */
  pipeline(): Promise<{ readonly pipeline: Pipeline; readonly keys: KeyRing }>;
  close(): Promise<void>;
}

/** Looks at the id of the data key before every segment, and makes a new pipeline when it is another one. */
function createShaper({ spec, keys, hash, memoryBytes, workers }: ArchiverOptions, logger: Logger): Shaper {
  const encrypts = spec.encryption !== "none";
  let pipeline: Pipeline | undefined;
  let keyId: string | undefined;
  return {
    async pipeline() {
      const wanted = encrypts ? await keys?.currentId() : undefined;
      if (pipeline === undefined || wanted !== keyId) {
        const dataKey = encrypts ? await keys?.current() : undefined;
        if (pipeline !== undefined && keyId !== undefined) logger.info("segments are encrypted with a new data key from now on", { key: dataKey?.id ?? "" });
        await pipeline?.close();
        pipeline = undefined;
        pipeline = await createPipeline({
          spec,
          dataKey,
          hash,
          memoryBytes: memoryBytes ?? standardMemoryBytes,
          concurrency: Math.max(1, workers),
        });
        keyId = dataKey?.id;
      }
      return { pipeline, keys: (await keys?.ring()) ?? (() => undefined) };
    },
    close: async () => pipeline?.close(),
  };
}
