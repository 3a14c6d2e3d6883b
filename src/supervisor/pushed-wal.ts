/**
 * What `archive_command` brings while the daemon runs, or brought before: its processes write into the repository by
 * themselves, so the daemon looks at intervals whether they did, and says what they refused.
 */
import { messageOf, type Clock } from "../common/index.ts";
import { partialFileName } from "../postgres/index.ts";
import type { Logger } from "../log/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import { openWalInventory, openWalPushes, serverLayout, type WalConflict, type WalPushes } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { walErrors } from "../wal/index.ts";
import type { SupervisedServer } from "./server.ts";

export interface PushWatchOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Looks at every server that there is now, and every `intervalMs` until the signal fires. Resolves after the first look. */
export async function watchPushedWal(servers: readonly SupervisedServer[], options: PushWatchOptions): Promise<void> {
  const { clock, intervalMs, signal } = options;
  const watches = new WeakMap<SupervisedServer, () => Promise<void>>();
  const watchOf = (server: SupervisedServer): (() => Promise<void>) => {
    const known = watches.get(server);
    if (known !== undefined) return known;
    const look = createPushWatch(server, options);
    let looking: Promise<void> | undefined;
    /** One look at a time: storage that hangs must not gather them. */
    const once = (): Promise<void> =>
      (looking ??= look().finally(() => {
        looking = undefined;
      }));
    server.lookAtPushes = () => void once();
    watches.set(server, once);
    return once;
  };
  const lookAtAll = async (): Promise<void> => {
    for (const server of [...servers]) await watchOf(server)();
  };
  await lookAtAll();
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal);
      await lookAtAll();
    }
  };
  loop().catch(() => undefined); // Only the signal ends the sleep: the daemon stops.
}

/** Returns how to look once; that never rejects. */
export function createPushWatch(server: SupervisedServer, { storage, logger }: Pick<PushWatchOptions, "storage" | "logger">): () => Promise<void> {
  const store = openWalPushes(storage, server.name);
  /** Of the file when it was last looked at; null before the first look. */
  let print: string | undefined | null = null;
  let known: WalPushes | undefined;
  const idOf = ({ name, at }: WalConflict): string => `${name} ${at}`;

  const tell = (conflicts: readonly WalConflict[]): void => {
    const said = new Set(server.pushConflicts?.map(idOf));
    for (const conflict of conflicts) {
      if (said.has(idOf(conflict))) continue;
      logger.error(`archive_command of ${server.name}: ${conflict.message}`, { code: walErrors.segmentConflict.spec.code, file: conflict.name });
    }
    server.pushConflicts = conflicts;
  };

  /** Segments that came since the last look are in memory from now on. */
  const takeIn = async (pushes: WalPushes, before: WalPushes): Promise<void> => {
    const count = pushes.segments - before.segments;
    const { walSegmentSize } = server.state();
    if (count <= 0 || walSegmentSize === 0) return;
    server.record.add("walBytes", Math.max(0, pushes.storedBytes - before.storedBytes));
    const inventory = openWalInventory(storage, server.name, walSegmentSize);
    if (count <= pushes.recent.length) for (const name of pushes.recent.slice(-count)) server.wal.add(name, walSegmentSize);
    else server.wal.load(await inventory.stretches());
    server.record.set({ gaps: (await inventory.openGaps()).length });
    for (const name of pushes.recent.slice(-count)) {
      // The archiver takes away what the receiver had of it.
      if ((await storage.stat(serverLayout(server.name).walFile(partialFileName(name)))) !== undefined) server.archiver.wake(name);
    }
    server.secondCopy?.wake();
  };

  return async () => {
    try {
      const found = await store.print();
      if (found === print) return;
      const pushes = await store.read();
      tell(pushes.conflicts);
      // What was there at the start was counted with everything else.
      if (known !== undefined) await takeIn(pushes, known);
      known = pushes;
      print = found;
    } catch (error) {
      logger.warn(`what archive_command of ${server.name} brought cannot be looked at: ${messageOf(error)}`);
    }
  };
}

/** What an operator should know of them. */
export function pushProblems({ pushConflicts = [] }: Pick<SupervisedServer, "pushConflicts">): ProblemSummary[] {
  const { code, hint } = walErrors.segmentConflict.spec;
  return pushConflicts.map(({ message }) => ({ code, message, hint }));
}
