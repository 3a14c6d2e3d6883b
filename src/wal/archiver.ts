/** The archiver of one server: every finished segment in order, until there has been nothing to do for a while. */
import { messageOf, throwIfAborted, toMonetaError, type Clock, type ErrorFactory } from "../common/index.ts";
import type { DataKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { createPipeline, type HashAlgorithm, type PipelineSpec } from "../pipeline/index.ts";
import { identityOfStoredWal, openServerIdentity, openWalInventory } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { archiveSegment } from "./archive-segment.ts";
import { walErrors } from "./errors.ts";
import { createNews } from "./news.ts";

export interface ArchiverOptions {
  readonly server: string;
  readonly storage: Storage;
  readonly spec: PipelineSpec;
  /** Current data key of the server; required when the specification encrypts. */
  readonly dataKey?: DataKey | undefined;
  readonly hash: HashAlgorithm;
  readonly workers: number;
  readonly memoryBytes?: number;
  /** Ends after so long without work, milliseconds. */
  readonly idleMs: number;
}

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
}

export interface ArchiverResult {
  readonly segments: number;
  readonly storedBytes: number;
}

const readBlock = 1024 * 1024;
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
  const { server, storage, spec, dataKey, hash } = options;
  const { clock, logger, signal } = deps;
  // Without the file that says so, the segments themselves do.
  const identity = (await openServerIdentity(storage, server).read()) ?? (await identityOfStoredWal(storage, server));
  if (identity === undefined) return { segments: 0, storedBytes: 0 };
  const inventory = openWalInventory(storage, server, identity.segmentSize);
  const pipeline = await createPipeline({
    spec,
    dataKey,
    hash,
    memoryBytes: options.memoryBytes ?? standardMemoryBytes,
    concurrency: Math.max(1, options.workers),
  });
  // One for all: a backlog is read as fast as the disk is, and the garbage collector frees no faster than it is asked to.
  const block = Buffer.allocUnsafeSlow(readBlock);
  const news = createNews(deps.onSegment);
  let segments = 0;
  let storedBytes = 0;
  try {
    for (;;) {
      news.reset();
      let failure: unknown;
      for (const segment of await inventory.unarchived()) {
        throwIfAborted(signal);
        try {
          const record = await archiveSegment(segment, { storage, inventory, pipeline, hash, dataKey, now: () => clock.now(), signal, block });
          segments += 1;
          storedBytes += record.storedSize;
          deps.archived(segment, record.storedSize);
          logger.debug(`archived segment ${segment}`, { segment, stored: record.storedSize });
        } catch (error) {
          throwIfAborted(signal);
          if (!ofOneSegment.some((kind) => kind.is(error))) throw error;
          logger.error(`segment ${segment} is not archived: ${messageOf(error)}`, { segment });
          failure ??= error;
        }
      }
      if (failure !== undefined) throw toMonetaError(failure);
      deps.caughtUp?.();
      if (!(await news.wait(options.idleMs, clock, signal))) return { segments, storedBytes };
    }
  } finally {
    news.close();
    await pipeline.close();
  }
}
