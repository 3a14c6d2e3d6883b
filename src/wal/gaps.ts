/** WAL that cannot be had any more: skipped, so that receiving goes on, and recorded, so that nobody relies on it. */
import type { Logger } from "../log/index.ts";
import { formatLsn, type Lsn, type TimelineHistory } from "../postgres/index.ts";
import type { ConnectOptions } from "../replication/index.ts";
import { messageOf, setAsideSync } from "../common/index.ts";
import { repositoryErrors, serverLayout, type WalInventory } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import { findNewHoles } from "./continuity.ts";
import { firstAvailable } from "./first-available.ts";
import type { ReceiverDependencies } from "./receiver-options.ts";
import type { StartPoint } from "./start-point.ts";

/** The server removed what comes next: the oldest segment it still has, from which streaming goes on. */
export async function skipRemoved(
  options: ConnectOptions,
  found: StartPoint,
  server: { readonly history: TimelineHistory; readonly xlogpos: Lsn },
  segmentSize: number,
  signal: AbortSignal,
): Promise<StartPoint> {
  const { history, xlogpos } = server;
  const wanted = { timeline: found.timeline, missing: found.start, history, newest: xlogpos, segmentSize };
  const { timeline, start } = await firstAvailable(options, wanted, signal);
  // The segment at hand is the newest one: whatever was missing, it was not this.
  if (timeline === found.timeline && start <= found.start) return found;
  return { timeline, start, existingEnd: start, durable: found.durable };
}

export interface GapRecorder {
  readonly storage: LocalStorage;
  readonly inventory: WalInventory;
  readonly logger: Logger;
  readonly clock: ReceiverDependencies["clock"];
  readonly report: ReceiverDependencies["report"];
}

/** Looks at what is stored and at where streaming goes on, and records every hole that was not known. */
export async function recordNewGaps(recorder: GapRecorder, history: TimelineHistory, next: StartPoint): Promise<void> {
  const { storage, inventory, clock, logger, report } = recorder;
  await setDamagedAside(recorder);
  // Of WAL that nothing needs any more it does not matter what was missing.
  await inventory.gaps.forget(await inventory.pruned.list());
  for (const { timeline, from, to, beforeNext } of await findNewHoles(storage, inventory, history, next)) {
    const reason = beforeNext ? "the server had removed this WAL before it was received" : "segments that were stored before are missing";
    await inventory.gaps.add({ timeline, from, to, detectedAt: clock.now(), reason });
    logger.error(`WAL of timeline ${timeline} from ${formatLsn(from)} to ${formatLsn(to)} is missing: ${reason}; take a new full backup`, { timeline });
    report({ type: "gap", timeline, from, to, reason });
  }
}

/**
 * A list of gaps that cannot be read must not keep WAL from being received, which would only make a larger one: it is
 * kept for a person, and what is missing in the stored WAL is found again, now or after a crash.
 */
async function setDamagedAside({ storage, inventory, logger }: GapRecorder): Promise<void> {
  try {
    await inventory.gaps.list();
  } catch (error) {
    if (!repositoryErrors.walGapsDamaged.is(error)) throw error;
    const aside = setAsideSync(storage.absolutePath(serverLayout(inventory.server).walGaps), "damaged");
    logger.error(`${messageOf(error)}; it is kept as "${aside}", and what is missing is looked for anew`, { path: aside });
  }
}
