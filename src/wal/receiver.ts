/**
 * The receiver of one server: receives WAL, makes it durable, acknowledges exactly that, and does nothing else.
 * The states are a table (receiver-state.ts), the reasons stand in doc/wal-receiver.md.
 */
import {
  createBackoff,
  createStateMachine,
  commonErrors,
  messageOf,
  messageWithHint,
  throwIfAborted,
  toMonetaError,
  type MonetaError,
  type StateMachine,
} from "../common/index.ts";
import { invalidLsn, type Lsn } from "../postgres/index.ts";
import { replicationErrors, type ConnectOptions } from "../replication/index.ts";
import { serverLayout } from "../repository/index.ts";
import { waitForSpace } from "./disk-space.ts";
import { isWalError, walErrors } from "./errors.ts";
import { createOwnWalsender } from "./own-walsender.ts";
import { emptyMemory, lookAtServer, receiveOnce, type ReceiveEnd } from "./receive.ts";
import type { ReceiverDependencies, ReceiverOptions } from "./receiver-options.ts";
import { receiverTable, type ReceiverInput, type ReceiverState } from "./receiver-state.ts";

/** Errors that only a person can put right: the stored WAL stays untouched and the server is asked again slowly. */
const refusals: ReadonlySet<string> = new Set([
  walErrors.otherCluster.spec.code,
  walErrors.diverged.spec.code,
  walErrors.segmentExists.spec.code,
  walErrors.segmentMalformed.spec.code,
]);

/** The server itself is away or on its way up or down: asking often costs next to nothing, and it may be back at once. */
const away: ReadonlySet<string> = new Set([
  replicationErrors.unreachable.spec.code,
  replicationErrors.nameUnresolved.spec.code,
  replicationErrors.serverStopped.spec.code,
  replicationErrors.serverUnavailable.spec.code,
  replicationErrors.connectionLost.spec.code,
]);
/** Longest wait for a server that is away, for as long as a restart can take. */
const awayRetryMs = 2_000;
const awayPatienceMs = 10 * 60_000;
/** Shortest time between two attempts that somebody asked for. */
const wokenRetryMs = 250;

const standardRefusedRetryMs = 60_000;
const firstSpaceCheckMs = 1_000;

type DiskFull = Extract<ReceiveEnd, { kind: "disk-full" }>;

/**
 * Runs until the signal fires; then everything received is synced and acknowledged. Never rejects for a failure of
 * the server, the network or the disk: these are reported and tried again. Rejects only for a defect.
 */
export async function runReceiver(options: ReceiverOptions, deps: ReceiverDependencies): Promise<void> {
  const { clock, logger, signal } = deps;
  const longestMs = options.longestRetryMs ?? 30_000;
  const backoff = createBackoff({ firstMs: options.firstRetryMs ?? 100, factor: 2, maxMs: longestMs, jitter: 0.3 });
  const spaceWaits = createBackoff({ firstMs: Math.min(firstSpaceCheckMs, longestMs), factor: 2, maxMs: longestMs, jitter: 0.3 });
  const connect: ConnectOptions = { ...options.connect, replication: true, applicationName: options.slot };
  const own = createOwnWalsender(options.storage, options.server, logger);
  const memory = emptyMemory();
  let lastError: MonetaError | undefined;
  let failingSince: number | undefined;
  let flushed: Lsn = invalidLsn;
  let flushedWhenFull: Lsn | undefined;

  const report: ReceiverDependencies["report"] = (event) => {
    if (event.type === "progress") flushed = event.flush;
    deps.report(event);
  };
  const machine: StateMachine<ReceiverState, ReceiverInput> = createStateMachine(receiverTable, "disconnected", (_, __, state) => {
    // These three are reported with the error that led to them.
    if (state !== "disconnected" && state !== "refused" && state !== "paused") report({ type: "state", state });
  });

  /** The first time for the operator, again only after something else happened. */
  const tell = (error: MonetaError, retryInMs?: number): void => {
    const fields = { code: error.code, ...(retryInMs === undefined ? {} : { retryInMs }) };
    if (error.code !== lastError?.code) logger.error(messageWithHint(error), fields);
    else logger.debug(error.message, fields);
    lastError = error;
    report({ type: "state", state: machine.state, error, ...(retryInMs === undefined ? {} : { retryInMs }) });
  };

  const retryAfter = (error: MonetaError): number => {
    if (machine.state === "refused") return options.refusedRetryMs ?? standardRefusedRetryMs;
    const wait = backoff.next();
    failingSince ??= clock.monotonic();
    const restarting = away.has(error.code) && clock.monotonic() - failingSince < awayPatienceMs;
    return restarting ? Math.min(wait, awayRetryMs) : wait;
  };

  /** Ends early when somebody wants an attempt now. */
  const sleep = async (ms: number): Promise<void> => {
    const woken = new AbortController();
    const forget = deps.onWake?.(() => woken.abort());
    try {
      await clock.sleep(ms, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (!woken.signal.aborted || signal.aborted) throw error;
      await clock.sleep(Math.min(ms, wokenRetryMs), signal);
    } finally {
      forget?.();
    }
  };

  const waitAfter = async (error: MonetaError): Promise<void> => {
    const retryInMs = retryAfter(error);
    tell(error, retryInMs);
    await sleep(retryInMs);
  };

  let looking = false;
  /** Nobody waits for it: a server that does not answer must not hold up what it is for. */
  const lookAtSlot = (): void => {
    if (looking) return;
    looking = true;
    lookAtServer(connect, options, memory, { ...deps, report })
      .catch((error: unknown) => logger.debug(`cannot look at the server: ${messageOf(error)}`))
      .finally(() => (looking = false));
  };

  const pause = async ({ error, segmentSize, release }: DiskFull): Promise<void> => {
    machine.handle("disk-full");
    // Something could be stored since the last time: the disk has moved.
    if (flushedWhenFull !== flushed) spaceWaits.reset();
    else lastError = error;
    flushedWhenFull = flushed;
    tell(error);
    // Nothing is received meanwhile, so the slot makes the server keep ever more.
    const waiting = { ...clock, sleep: async (ms: number): Promise<void> => (lookAtSlot(), sleep(ms)) };
    try {
      await waitForSpace(options.storage, serverLayout(options.server).wal, segmentSize, spaceWaits, waiting, signal);
    } finally {
      await release();
    }
    machine.handle("space-back");
  };

  try {
    for (;;) {
      throwIfAborted(signal);
      machine.handle("connect");
      try {
        const end = await receiveOnce(connect, options, memory, {
          ...deps,
          report,
          input: (input) => machine.handle(input),
          connected: (processId) => own.remember(processId),
          alive: () => {
            backoff.reset();
            failingSince = undefined;
            if (lastError !== undefined) logger.info("receiving again", { after: lastError.code });
            lastError = undefined;
          },
        });
        if (end.kind === "stopped") return;
        await pause(end);
      } catch (thrown) {
        const error = toMonetaError(thrown);
        // What was received last was not stored: no later attempt of this process will say so.
        if (signal.aborted && isWalError(error)) logger.error(messageWithHint(error), { code: error.code });
        throwIfAborted(signal);
        machine.handle(refusals.has(error.code) ? "refuse" : "lost");
        if (replicationErrors.slotActive.is(error)) await own.free(connect, options.slot, signal);
        if (replicationErrors.walRemoved.is(error)) memory.missing = true;
        await waitAfter(error);
      }
    }
  } catch (error) {
    if (!signal.aborted || !commonErrors.aborted.is(error)) throw error;
  } finally {
    if (machine.accepts("stop")) machine.handle("stop");
  }
}
