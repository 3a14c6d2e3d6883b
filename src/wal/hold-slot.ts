/**
 * What the receiver of a server that follows another one does while that one streams: nothing is received, but its slot is kept
 * there and moved on. It keeps all WAL from what is durable of the followed server on, so that none is missing when this one
 * takes over, and no more, so that the server's disk does not fill up.
 */
import { createBackoff, messageWithHint, throwIfAborted, toMonetaError, type MonetaError } from "../common/index.ts";
import { formatLsn, invalidLsn, lowerLsn, segmentStart, type Lsn, type TimelineId } from "../postgres/index.ts";
import { connect, identifySystem, startWalStream, type ConnectOptions, type Connection } from "../replication/index.ts";
import { emptyMemory, lookAtServer, type ReceiverMemory } from "./receive.ts";
import type { ReceiverDependencies, ReceiverOptions } from "./receiver-options.ts";
import { isOneLine, type ProvenLine } from "./same-line.ts";
import { prepareSlot } from "./slot.ts";

/** Up to where the WAL of the followed server is durable. */
export interface StoredElsewhere {
  /** Name of the followed server. */
  readonly server: string;
  readonly timeline: TimelineId;
  readonly lsn: Lsn;
}

export interface HoldDependencies extends ReceiverDependencies {
  /** As it is told last; undefined while it is not known. */
  readonly stored: () => StoredElsewhere | undefined;
}

const standardIntervalMs = 10_000;

/** Holds until the signal fires. Whatever fails is reported and tried again; rejects only for a defect. */
export async function runSlotHolder(options: ReceiverOptions, deps: HoldDependencies): Promise<void> {
  const { clock, logger, report, signal } = deps;
  const settings: ConnectOptions = { ...options.connect, replication: true, applicationName: options.slot };
  const longestMs = options.longestRetryMs ?? 30_000;
  const backoff = createBackoff({ firstMs: options.firstRetryMs ?? 500, factor: 2, maxMs: longestMs, jitter: 0.3 });
  const memory = emptyMemory();
  const proven: ProvenLine = { timeline: undefined };
  let last: MonetaError | undefined;
  while (!signal.aborted) {
    let waitMs = options.statusIntervalMs ?? standardIntervalMs;
    try {
      await holdOnce(settings, options, { memory, proven }, deps);
      if (last !== undefined) logger.info(`the slot "${options.slot}" is kept again`, { after: last.code });
      last = undefined;
      backoff.reset();
      report({ type: "held" });
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toMonetaError(thrown);
      waitMs = backoff.next();
      if (error.code !== last?.code) logger.warn(messageWithHint(error), { code: error.code, retryInMs: waitMs });
      last = error;
      report({ type: "state", state: "disconnected", error, retryInMs: waitMs });
    }
    const woken = new AbortController();
    const forget = deps.onWake?.(() => woken.abort());
    // Both end the wait, and neither is a failure.
    await clock.sleep(waitMs, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
    forget?.();
  }
}

/** Makes sure that the slot is there, and moves it on to the segment that the followed server is stored to. */
async function holdOnce(
  settings: ConnectOptions,
  options: ReceiverOptions,
  { memory, proven }: { readonly memory: ReceiverMemory; readonly proven: ProvenLine },
  deps: HoldDependencies,
): Promise<void> {
  const { logger, signal } = deps;
  const { facts } = await lookAtServer(settings, options, memory, deps);
  const connection = await connect(settings, signal);
  try {
    const { restartLsn } = await prepareSlot(connection, facts, options, logger, signal);
    const stored = deps.stored();
    if (stored === undefined) return;
    const { systemIdentifier, timeline, xlogpos } = await identifySystem(connection, signal);
    // Of another timeline a position says nothing: what it leaves out may be missing on this one.
    if (timeline !== stored.timeline) return;
    const from = segmentStart(lowerLsn(stored.lsn, xlogpos), facts.segmentSize);
    if (restartLsn !== undefined && from <= restartLsn) return;
    const line = { connection, storage: options.storage, logger, signal, systemIdentifier, segmentSize: facts.segmentSize };
    if (!(await isOneLine(line, stored, from, proven))) return;
    await moveOn(connection, options.slot, timeline, from, signal);
    logger.debug(`the slot "${options.slot}" keeps WAL from ${formatLsn(from)} on`, { slot: options.slot });
  } finally {
    await connection.terminate();
  }
}

/** A slot moves by what is reported as flushed through it: the stream is opened for that alone. */
async function moveOn(connection: Connection, slot: string, timeline: TimelineId, from: Lsn, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const giveUp = (): void => connection.destroy();
  signal.addEventListener("abort", giveUp, { once: true });
  await new Promise<void>((resolve, reject) => {
    const stream = startWalStream(
      connection,
      { slot, timeline, start: from },
      {
        onStarted() {
          stream.sendStatus({ write: from, flush: from, apply: invalidLsn });
          stream.stop();
        },
        // It is stored for the other server.
        onData: () => undefined,
        onKeepalive: () => undefined,
        onTimelineEnd: () => resolve(),
        onClosed: (error) => (error === undefined ? resolve() : reject(error)),
      },
    );
  }).finally(() => signal.removeEventListener("abort", giveUp));
}
