/** The archiver of one server: every finished segment in order, until there has been nothing to do for a while. */
import { messageOf, throwIfAborted, toMonetaError, type Clock, type ErrorFactory } from "../common/index.ts";
import type { KeyRing } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { createPipeline, type HashAlgorithm, type Pipeline, type PipelineSpec } from "../pipeline/index.ts";
import { identityOfStoredWal, openServerIdentity, openWalInventory, serverLayout, type DataKeyStore } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { archiveSegment } from "./archive-segment.ts";
import { walErrors } from "./errors.ts";
import { createNews } from "./news.ts";

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
  const layout = serverLayout(server);
  // One for all: a backlog is read as fast as the disk is, and the garbage collector frees no faster than it is asked to.
  const block = Buffer.allocUnsafeSlow(readBlock);
  const news = createNews(deps.onSegment);
  let segments = 0;
  let storedBytes = 0;
  try {
    for (;;) {
      news.reset();
      let failure: unknown;
      const waiting = await inventory.unarchived();
      while (waiting.length > 0) {
        const [next] = waiting;
        let done: { readonly segment: string; readonly suffix: string } | undefined;
        if (next !== undefined) await deps.around?.before(next, layout.walFile(next));
        await storage.exclusively(layout.walIndex, async () => {
          const until = clock.monotonic() + turnMs;
          do {
            const segment = waiting.shift();
            if (segment === undefined) return;
            throwIfAborted(signal);
            // It was in somebody else's hands, and has its form.
            if ((await storage.stat(layout.walFile(segment))) === undefined) continue;
            try {
              const { pipeline, keys } = await shaper.pipeline();
              const record = await archiveSegment(segment, { storage, inventory, pipeline, hash, keys, now: () => clock.now(), signal, block });
              segments += 1;
              storedBytes += record.storedSize;
              deps.archived(segment, record.storedSize);
              done = { segment, suffix: record.suffix };
              logger.debug(`archived segment ${segment}`, { segment, stored: record.storedSize });
            } catch (error) {
              throwIfAborted(signal);
              if (!ofOneSegment.some((kind) => kind.is(error))) throw error;
              logger.error(`segment ${segment} is not archived: ${messageOf(error)}`, { segment });
              failure ??= error;
            }
          } while (deps.around === undefined && clock.monotonic() < until);
        });
        if (done !== undefined) await deps.around?.after(done.segment, layout.walFile(done.segment + done.suffix));
      }
      if (failure !== undefined) throw toMonetaError(failure);
      deps.caughtUp?.();
      if (!(await news.wait(options.idleMs, clock, signal))) return { segments, storedBytes };
    }
  } finally {
    news.close();
    await shaper.close();
  }
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
