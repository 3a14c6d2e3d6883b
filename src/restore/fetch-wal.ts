/**
 * `restore_command`: delivers one file of WAL to a server in recovery. PostgreSQL takes an absent file for the end of
 * the WAL, and then promotes: so absent is said only beyond the known end and of history files that do not exist.
 * Everything else is an error, which must stop recovery.
 */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemClock, type Clock } from "../common/index.ts";
import {
  classifyWalFile,
  formatLsn,
  parseHistory,
  parseSegmentName,
  rootHistory,
  segmentTimeline,
  timelineBegin,
  type Lsn,
  type TimelineHistory,
  type TimelineId,
} from "../postgres/index.ts";
import {
  layoutOfLineage,
  openDataKeys,
  openWalInventory,
  repositoryErrors,
  type SecondCopy,
  type ServerLayout,
  type WalInventory,
  type WalSource,
} from "../repository/index.ts";
import { openLocalStorage, type Storage } from "../storage/index.ts";
import { masterKeySource } from "../vault/index.ts";
import { takeAwaited } from "./awaited-segment.ts";
import { deliverSegment, writeWhole } from "./deliver-segment.ts";
import { restoreErrors } from "./errors.ts";
import { prefetchDirectory } from "./own-names.ts";
import { canBeReady, keepReady, noteAsked } from "./prefetch-wal.ts";
import { noteEnd, refuseEarlyEnd } from "./recovery-end.ts";
import { parseRecoveryPlan, type RecoveryPlan } from "./recovery-plan.ts";
import { leaveNote, secondCopyLine } from "./segment-note.ts";

export interface WalFetch {
  /** Path of the plan of recovery. */
  readonly plan: string;
  /** What PostgreSQL asks for: `%f`. */
  readonly name: string;
  /** Where it wants it: `%p`. */
  readonly destination: string;
  readonly signal?: AbortSignal | undefined;
  /** Called when a file is taken from the second copy of the WAL, with the line for the server's log that says so, and why. */
  readonly onSecondCopy?: ((line: string) => void) | undefined;
  /** Called when segments follow that nobody keeps ready: `prefetchWal` should be started, in a process of its own. */
  readonly onAhead?: (() => void) | undefined;
}

/** The file lies at its destination, whole and checked; or the archive has ended before it. */
export type FetchedWal = "delivered" | "absent";

/** Fetches one file as the plan says. Every rejection must end recovery (exit status 126). */
export async function fetchWal({ plan: path, name, destination, signal, onAhead, onSecondCopy }: WalFetch): Promise<FetchedWal> {
  const plan = parseRecoveryPlan(await readPlanText(path), path);
  const storage = openLocalStorage(plan.baseDir);
  const layout = await layoutOfLineage(storage, plan.server, plan.systemIdentifier);
  await refuseWithoutRepository(storage, plan, layout);
  const inventory = inventoryOf(storage, plan, layout, (taken, why) => onSecondCopy?.(secondCopyLine(name, taken, why)));
  const file = classifyWalFile(name);
  if (file.kind === "history") {
    await refuseEarlyEnd(file.timeline, dirname(path), plan);
    return deliverHistory(inventory, plan, file.timeline, destination);
  }
  // Notes on backups are for people, partial segments have their segment's name in an archive: neither is kept.
  if (file.kind !== "segment") return "absent";
  return fetchSegment({ storage, inventory, plan, signal, directory: dirname(path), onAhead, onSecondCopy }, name, destination);
}

export interface WalPrefetch {
  /** Path of the plan of recovery: best relative to the data directory, which then is the only one that is written to. */
  readonly plan: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps the next segments ready below the data directory for as long as recovery takes them. Rejects when it cannot go
 * on, which harms nobody: what is not ready is fetched when it is asked for.
 */
export async function prefetchWal({ plan: path, clock, signal }: WalPrefetch): Promise<void> {
  const identity = await identityOf(path);
  const plan = parseRecoveryPlan(await readPlanText(path), path);
  const storage = openLocalStorage(plan.baseDir);
  const { systemIdentifier } = plan;
  const dataDirectory = dirname(path);
  const inventory = inventoryOf(storage, plan, await layoutOfLineage(storage, plan.server, systemIdentifier), (segment, why) => {
    leaveNote(join(dataDirectory, prefetchDirectory), segment, secondCopyLine(segment, segment, why));
  });
  const source: WalSource = { storage, inventory, systemIdentifier, keys: keysOf(storage, plan), signal };
  // Another restore into the same place has a plan of its own.
  const stillWanted = async (): Promise<boolean> => (await identityOf(path)) === identity;
  await keepReady({ source, plan, dataDirectory, stillWanted, clock });
}

function inventoryOf(
  storage: Storage,
  { segmentSize, secondCopy }: RecoveryPlan,
  layout: ServerLayout,
  taken: SecondCopy["taken"],
): WalInventory {
  const second = secondCopy === undefined ? undefined : { storage: openLocalStorage(secondCopy), taken };
  return openWalInventory(storage, layout, segmentSize, second);
}

/** Which file a path names at the moment. */
async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, mtimeMs, size } = await stat(path);
    return [dev, ino, mtimeMs, size].join();
  } catch (error) {
    throw restoreErrors.planDamaged(`the plan of recovery "${path}" cannot be looked at`, { path }, error);
  }
}

async function readPlanText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw restoreErrors.planDamaged(`the plan of recovery "${path}" cannot be read`, { path }, error);
  }
}

/** Where a disk is not mounted everything is absent, and nothing of that is the end of the archive. */
async function refuseWithoutRepository(storage: Storage, { baseDir, server, secondCopy }: RecoveryPlan, { wal }: ServerLayout): Promise<void> {
  if ((await storage.stat(wal))?.kind === "directory") return;
  if (secondCopy !== undefined && (await openLocalStorage(secondCopy).stat(wal))?.kind === "directory") return;
  throw restoreErrors.walMissing(`the repository "${baseDir}" has no WAL of ${server} at the moment`, { server });
}

async function deliverHistory(
  { histories }: WalInventory,
  plan: RecoveryPlan,
  timeline: TimelineId,
  destination: string,
): Promise<FetchedWal> {
  const content = await histories.content(timeline);
  if (content === undefined) {
    if (timeline !== plan.history.timeline || timeline === 1) return "absent";
    throw restoreErrors.walMissing(`the history of timeline ${timeline} is no longer in the repository`, { timeline });
  }
  if (timeline === plan.history.timeline) refuseOtherHistory(parseHistory(content.toString("utf8"), timeline), plan);
  await writeWhole(destination, async (write) => {
    await write(content);
    return true;
  });
  return "delivered";
}

/** What PostgreSQL reads must be what the restore was planned by. */
function refuseOtherHistory({ timeline, entries }: TimelineHistory, { history }: RecoveryPlan): void {
  const same = ({ timeline: parent, switchLsn }: TimelineHistory["entries"][number], index: number): boolean =>
    history.entries[index]?.timeline === parent && history.entries[index].switchLsn === switchLsn;
  if (entries.length === history.entries.length && entries.every(same)) return;
  throw repositoryErrors.walDamaged(`the history of timeline ${timeline} is not what it was when the restore was planned`, { timeline });
}

interface Delivery {
  readonly storage: Storage;
  readonly inventory: WalInventory;
  readonly plan: RecoveryPlan;
  readonly signal: AbortSignal | undefined;
  /** Where the plan lies: the data directory. */
  readonly directory: string;
  readonly onAhead: WalFetch["onAhead"];
  readonly onSecondCopy: WalFetch["onSecondCopy"];
}

async function fetchSegment({ storage, inventory, plan, signal, directory, onAhead, onSecondCopy }: Delivery, name: string, destination: string): Promise<FetchedWal> {
  const { timeline, start } = parseSegmentName(name, plan.segmentSize);
  if (!(await isOwner(inventory, plan, timeline, start))) return "absent";
  await noteEnd(start, directory, plan);
  // What came later is not part of this restore: a primary must not chase a source that goes on writing.
  if (start >= plan.to && !plan.follows) return "absent";
  const { systemIdentifier } = plan;
  const source: WalSource = { storage, inventory, systemIdentifier, keys: keysOf(storage, plan), signal };
  if (onAhead !== undefined) {
    if (await noteAsked(name, directory, plan)) onAhead();
    else if (canBeReady(name, plan)) {
      const { segmentSize } = plan;
      const request = { name, segmentSize, destination, dataDirectory: directory, clock: systemClock, onNote: onSecondCopy };
      if (await takeAwaited(request)) return "delivered";
    }
  }
  if (await deliverSegment(source, name, destination, plan)) return "delivered";
  if (start >= plan.to) return "absent";
  throw restoreErrors.walMissing(`WAL segment ${name} is missing in the repository; recovery needs WAL up to ${formatLsn(plan.to)}`, {
    segment: name,
  });
}

/** Derived once, however many segments are read; a master key that is rotated meanwhile is read again. */
function keysOf(storage: Storage, { masterKeyFile, server }: RecoveryPlan): WalSource["keys"] {
  const keys = openDataKeys(storage, server, masterKeyFile === undefined ? undefined : masterKeySource(masterKeyFile));
  return () => keys.ring();
}

/**
 * A segment is taken only from the timeline that owns its end in the history of this recovery: with the parent's copy
 * of the segment in which a timeline forked, recovery would replay what was committed after the fork.
 */
async function isOwner(inventory: WalInventory, plan: RecoveryPlan, timeline: TimelineId, start: Lsn): Promise<boolean> {
  if (segmentTimeline(plan.history, start, plan.segmentSize) === timeline) return true;
  if (!plan.follows || timeline <= plan.history.timeline) return false;
  const younger = (await inventory.histories.read(timeline)) ?? rootHistory(timeline);
  return timelineBegin(younger, plan.history.timeline) !== undefined && segmentTimeline(younger, start, plan.segmentSize) === timeline;
}
