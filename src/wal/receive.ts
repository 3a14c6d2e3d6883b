/**
 * One connection's worth of receiving, as a procedure: learn which cluster this is, prepare slot and histories, find
 * the start, compare and stream, follow timeline switches, until the stream ends.
 */
import { messageOf, type MonetaError } from "../common/index.ts";
import { formatLsn, higherLsn, invalidLsn, type Lsn, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import {
  connect,
  identifySystem,
  isInRecovery,
  readServerFacts,
  type ConnectOptions,
  type Connection,
  type Prerequisite,
  type ServerFacts,
  type SystemIdentity,
} from "../replication/index.ts";
import { openWalCoverage, serverLayout, type WalInventory } from "../repository/index.ts";
import { reportBranches } from "./branches.ts";
import { openInventoryOf, refuseOtherConnection } from "./cluster-identity.ts";
import { completeAlone, type Completing } from "./complete-alone.ts";
import { createCoverageRecorder } from "./coverage.ts";
import { walErrors } from "./errors.ts";
import { recordNewGaps, skipRemoved } from "./gaps.ts";
import { fetchHistories } from "./histories.ts";
import { refuseOtherLastSegment, type LastSegmentMemory } from "./last-segment.ts";
import type { ReceiverDependencies, ReceiverOptions } from "./receiver-options.ts";
import type { ReceiverInput } from "./receiver-state.ts";
import { refuseServerBehind, type BehindMemory } from "./server-behind.ts";
import { explainSlotRefusal, prepareSlot, refuseWithoutPrerequisites, type PreparedSlot } from "./slot.ts";
import { findDurableStart, type StartPoint } from "./start-point.ts";
import { runStreamSession, type StreamSessionEnd } from "./stream-session.ts";
import { skipStoredElsewhere } from "./stored-elsewhere.ts";
import { createWalWriter } from "./wal-writer.ts";

/** What one attempt leaves for the next. */
export interface ReceiverMemory extends BehindMemory, LastSegmentMemory {
  /** The server said that it no longer has the WAL that comes next. */
  missing: boolean;
  /** What was reported as flushed last, and on which timeline. */
  reported: { readonly timeline: TimelineId; readonly flush: Lsn } | undefined;
  /** What was logged before and is no news. */
  readonly saidPrerequisites: Set<string>;
  readonly saidBranches: Set<string>;
}

/** Before the first attempt. */
export const emptyMemory = (): ReceiverMemory => ({
  missing: false,
  reported: undefined,
  suspect: undefined,
  uncomparable: undefined,
  saidPrerequisites: new Set(),
  saidBranches: new Set(),
});

export interface ReceiveDependencies extends ReceiverDependencies {
  input(input: ReceiverInput): void;
  /** The server's process for our connection: ours to end if it outlives us. */
  connected(processId: number): Promise<void>;
  /** Something came from the server and is well: whatever was wrong is over. */
  alive(): void;
}

export type ReceiveEnd =
  | { readonly kind: "stopped" }
  | { readonly kind: "disk-full"; readonly error: MonetaError; readonly segmentSize: number; readonly release: () => Promise<void> };

/** Everything that one connection works with. */
interface Receiving {
  readonly connection: Connection;
  readonly options: ConnectOptions;
  readonly receiver: ReceiverOptions;
  readonly inventory: WalInventory;
  readonly facts: ServerFacts;
  readonly identity: SystemIdentity;
  readonly slot: PreparedSlot;
  readonly memory: ReceiverMemory;
  readonly deps: ReceiveDependencies;
}

/** Ends by the signal, by a full disk, or throws what went wrong. */
export async function receiveOnce(
  options: ConnectOptions,
  receiver: ReceiverOptions,
  memory: ReceiverMemory,
  deps: ReceiveDependencies,
): Promise<ReceiveEnd> {
  const { signal, logger } = deps;
  const learnFacts = async (): Promise<ServerFacts> => {
    const learnt = await lookAtServer(options, receiver, memory, deps);
    lacks = learnt.lacks;
    return learnt.facts;
  };
  let lacks: readonly Prerequisite[] = [];
  let facts = await learnFacts();
  const inventory = await openInventoryOf(receiver, facts, logger);

  const connection = await connect(options, signal);
  await deps.connected(connection.processId);
  let held = false;
  let ended: TimelineId | undefined;
  const forget = deps.onWake?.(lookAgain(() => lacks.length > 0, learnFacts, logger));
  try {
    deps.input("connected");
    const slot = await prepareSlot(connection, facts, receiver, logger, signal);
    const receiving = { connection, options, receiver, inventory, slot, memory, deps };
    for (;;) {
      const { identity, inRecovery } = await identify(connection, signal);
      // Promoted since it was asked: as long as it counts as a standby nothing that it says proves a moment.
      if (facts.inRecovery !== false) facts = await learnFacts();
      // Who answered then may be another server than the one that streams now: behind a balancer, or after a switch.
      facts = { ...facts, inRecovery };
      const { timeline, end } = await streamOneTimeline({ ...receiving, facts, identity }, ended);
      if (end.kind === "stopped") return { kind: "stopped" };
      if (end.kind === "failed") throw explainSlotRefusal(end.error, facts, receiver);
      if (end.kind === "disk-full") {
        held = true;
        return { ...end, segmentSize: facts.segmentSize };
      }
      ended = timeline;
      deps.input("timeline-end");
      // A standby that was promoted is a primary now.
      facts = await learnFacts();
    }
  } finally {
    forget?.();
    if (!held) await connection.terminate();
  }
}

/** What the server says of itself, and what it lacks. Throws when WAL cannot be received like that. */
export async function lookAtServer(
  options: ConnectOptions,
  receiver: ReceiverOptions,
  memory: ReceiverMemory,
  { signal, logger, report }: ReceiverDependencies,
): Promise<{ readonly facts: ServerFacts; readonly lacks: readonly Prerequisite[] }> {
  const facts = await readServerFacts(options, { slot: receiver.slot }, signal);
  report({ type: "facts", facts });
  const lacks = refuseWithoutPrerequisites(facts, receiver, memory.saidPrerequisites, logger);
  report({ type: "lacks", lacks });
  return { facts, lacks };
}

/** Who is at the other end, and whether it is in recovery: as long as it is, having less WAL than before is no reset. */
async function identify(connection: Connection, signal: AbortSignal): Promise<{ identity: SystemIdentity; inRecovery: boolean | undefined }> {
  for (;;) {
    const inRecovery = await isInRecovery(connection, signal);
    const identity = await identifySystem(connection, signal);
    // Promoted between the two: nothing fits any more, and it happens once.
    if (inRecovery !== false && (await isInRecovery(connection, signal)) === false) continue;
    return { identity, inRecovery };
  }
}

/** What the server lacks is looked at again when somebody asks, so that what was put right does not stand there for ever. */
function lookAgain(lacking: () => boolean, look: () => Promise<unknown>, logger: ReceiveDependencies["logger"]): () => void {
  let looking = false;
  return () => {
    if (looking || !lacking()) return;
    looking = true;
    look()
      // The stream goes on: what is really wrong with the server ends it, or refuses the next attempt.
      .catch((error: unknown) => logger.debug(`the server could not be looked at again: ${messageOf(error)}`))
      .finally(() => {
        looking = false;
      });
  };
}

interface TimelineSession {
  readonly timeline: TimelineId;
  readonly end: StreamSessionEnd;
}

async function streamOneTimeline(receiving: Receiving, ended: TimelineId | undefined): Promise<TimelineSession> {
  const { connection, receiver, inventory, facts, identity, slot, memory, deps } = receiving;
  const { logger, signal } = deps;
  refuseOtherConnection(receiver, facts, identity);
  const { xlogpos } = identity;
  const history = await fetchHistories({ connection, histories: inventory.histories, logger, signal }, identity.timeline);
  const found = await findDurableStart(inventory, { history, xlogpos, slotRestart: slot.restartLsn });
  if (found.timeline === ended) {
    throw walErrors.serverBehind(`the server ended timeline ${ended} but does not say where it goes on`, { timeline: ended });
  }
  refuseServerBehind(found, identity, facts, memory);
  if (!memory.missing) await refuseOtherLastSegment({ connection, storage: receiver.storage, inventory, logger, signal }, history, found, memory);
  await reportBranches(inventory, history, found, memory.saidBranches, deps);
  const own = receiver.follows === true ? await skipStoredElsewhere(inventory, found, history, slot.restartLsn) : found;
  const point = memory.missing
    ? await skipRemoved(receiving.options, own, { history, xlogpos }, inventory.segmentSize, signal)
    : own;
  // Nobody will ever send it again.
  if (point.start >= found.existingEnd) completeAlone(found, completing(receiving));
  await recordNewGaps({ storage: receiver.storage, inventory, ...deps }, history, point);
  return { timeline: point.timeline, end: await stream(receiving, point, history, xlogpos) };
}

/** How finished segments of this server are made known, whoever finishes them. */
function completing({ receiver, inventory, deps }: Receiving): Completing {
  const { segmentSize } = inventory;
  return {
    directory: receiver.storage.absolutePath(serverLayout(receiver.server).wal),
    segmentSize,
    logger: deps.logger,
    calls: deps.calls,
    onComplete: (segment) => deps.report({ type: "segment-complete", segment, bytes: segmentSize }),
  };
}

async function stream(receiving: Receiving, point: StartPoint, history: TimelineHistory, xlogpos: Lsn): Promise<StreamSessionEnd> {
  const { connection, options, receiver, inventory, facts, slot, memory, deps } = receiving;
  const { clock, logger, report, signal } = deps;
  const { segmentSize } = inventory;
  const { timeline, start, existingEnd } = point;
  const writer = createWalWriter({ ...completing(receiving), timeline, start, existingEnd });
  // A standby does not know what its primary has written by then: its clock proves nothing.
  const store = facts.inRecovery === false && timeline === history.timeline ? openWalCoverage(receiver.storage, receiver.server) : undefined;
  const coverage = store === undefined ? undefined : createCoverageRecorder(store, timeline, deps);
  const before = memory.reported?.timeline === timeline ? memory.reported.flush : invalidLsn;
  const reported = higherLsn(before, slot.restartLsn ?? invalidLsn);
  logger.info(`streaming timeline ${timeline} from ${formatLsn(start)}`, { timeline, start: formatLsn(start), stored: formatLsn(existingEnd) });
  try {
    const end = await runStreamSession(
      connection,
      writer,
      {
        slot: receiver.slot,
        timeline,
        start,
        existingEnd,
        // A slot that another server left behind can point beyond all that there is.
        reported: reported > xlogpos ? invalidLsn : reported,
        serverEnd: xlogpos,
        statusIntervalMs: receiver.statusIntervalMs ?? 10_000,
        idleTimeoutMs: options.idleTimeoutMs ?? 0,
      },
      {
        started: () => {
          report({ type: "started", timeline, start, segmentSize, slotKeepsWal: slot.keepsWal });
          deps.input(writer.comparing ? "compare" : "stream");
        },
        confirmed: () => {
          deps.input("stream");
        },
        alive: () => {
          // The server has what comes next.
          memory.missing = false;
          deps.alive();
        },
        progress: (write, flush, serverEnd) => {
          memory.reported = { timeline, flush };
          report({ type: "progress", timeline, write, flush, serverEnd });
        },
        proven: (moment) => {
          if (coverage === undefined) return;
          coverage.note(moment);
          report({ type: "covered", serverTime: moment.serverTime });
        },
      },
      { clock, signal },
    );
    if (end.kind === "timeline-end") {
      const { nextTimeline, switchLsn } = end.end;
      logger.info(`timeline ${timeline} ends at ${formatLsn(switchLsn)}, timeline ${nextTimeline} follows`);
      report({ type: "timeline-switch", from: timeline, to: nextTimeline, at: switchLsn });
    }
    return end;
  } finally {
    await coverage?.finish();
    writer.close();
  }
}
