/**
 * One WAL stream, from START_REPLICATION to its end: bytes to the writer, one sync for all messages in hand, the
 * flush position back at once. It ends by a timeline switch, an error, a full disk, or because it is asked to.
 */
import { commonErrors, toMonetaError, type Clock, type MonetaError } from "../common/index.ts";
import { higherLsn, invalidLsn, type Lsn, type TimelineId } from "../postgres/index.ts";
import { startWalStream, type Connection, type TimelineEnd } from "../replication/index.ts";
import { coverageIntervalMs, createCoverageTracker, type ProvenMoment } from "./coverage.ts";
import { isWalError, walErrors } from "./errors.ts";
import type { WalWriter } from "./wal-writer.ts";

export interface StreamSessionOptions {
  readonly slot: string;
  readonly timeline: TimelineId;
  readonly start: Lsn;
  /** First position that was not stored before this session; nothing before it is reported until the comparison is through. */
  readonly existingEnd: Lsn;
  /**
   * What was reported as flushed before this session. Nothing lower is reported until the server has no more to send
   * that could reach it: a lower report moves the slot back.
   */
  readonly reported: Lsn;
  /** The server's flush position just before: a keepalive says what was sent, not what is to come. */
  readonly serverEnd: Lsn;
  readonly statusIntervalMs: number;
  readonly idleTimeoutMs: number;
}

export interface StreamSessionEvents {
  /** The server agreed to stream. */
  started(): void;
  /** The comparison with what was stored before is through: from here on WAL is new. */
  confirmed(): void;
  /** Something came from the server and nothing is wrong with it. */
  alive(): void;
  /** `flush` is what is durable here, also while it is not reported to the server; not said while stored WAL is compared. */
  progress(write: Lsn, flush: Lsn, serverEnd: Lsn): void;
  /** Everything that the server had flushed at a moment is durable here; said again while it stays the newest. */
  proven(moment: ProvenMoment): void;
}

export type StreamSessionEnd =
  | { readonly kind: "timeline-end"; readonly end: TimelineEnd }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly error: MonetaError }
  /** The connection is held, paused; `release` lets it go. */
  | { readonly kind: "disk-full"; readonly error: MonetaError; readonly release: () => Promise<void> };

/**
 * While the server has more WAL in hand than we took, up to so many bytes share one fdatasync; a commit that waits
 * for its acknowledgement waits for the transfer of these, less than a millisecond. Caught up, every batch is synced.
 */
const groupedBytes = 4 * 1024 * 1024;
/**
 * So far behind nobody waits for what is taken next, and the disk is what everything waits for: it is kept at work while
 * more is taken, and one sync covers this much (or the rest of a segment).
 */
const farBehindBytes = 16 * 1024 * 1024;
/** Far behind, so much is taken before the system is asked to write it. */
const earlyBytes = 256 * 1024;
/** A stream that stalls in the middle of a group is synced after this, milliseconds. */
const stallMs = 5;
/** How long the server may take to say goodbye, milliseconds; everything is synced and acknowledged by then. */
const farewellMs = 1_000;

export async function runStreamSession(
  connection: Connection,
  writer: WalWriter,
  options: StreamSessionOptions,
  events: StreamSessionEvents,
  deps: { clock: Clock; signal: AbortSignal },
): Promise<StreamSessionEnd> {
  const { clock, signal } = deps;
  const { slot, timeline, start, idleTimeoutMs, statusIntervalMs, existingEnd } = options;
  let serverEnd = options.serverEnd;
  let started = false;
  let comparing = writer.comparing;
  let floor = options.reported;
  let acknowledged: Lsn = invalidLsn;
  let stalled: NodeJS.Timeout | undefined;
  let farewell: NodeJS.Timeout | undefined;
  let held = false;
  const coverage = createCoverageTracker();

  return await new Promise<StreamSessionEnd>((resolve) => {
    const settle = (end: StreamSessionEnd): void => {
      clearTimeout(stalled);
      clearTimeout(farewell);
      clearInterval(question);
      if (end.kind !== "disk-full") clearInterval(pulse);
      signal.removeEventListener("abort", onAbort);
      resolve(end);
    };

    /** Rule: write = flush = the last durable byte, apply = 0; never lower than before, nothing while comparing. */
    const reportable = (): Lsn => {
      if (held) return acknowledged;
      if (writer.flushed >= floor || writer.received >= serverEnd) floor = invalidLsn;
      return floor === invalidLsn ? writer.flushed : invalidLsn;
    };

    const acknowledge = (askForReply = false): void => {
      const flush = reportable();
      stream.sendStatus({ write: flush, flush, apply: invalidLsn }, askForReply);
      acknowledged = flush;
      // Until the comparison is through nothing says that what was stored before is on disk.
      if (writer.comparing) return;
      // A segment that a full disk had given up is received from its start again; what is durable of it was written.
      events.progress(higherLsn(writer.received, writer.flushed), writer.flushed, serverEnd);
    };

    /** WAL that was not here before, or nothing left to send, shows that the server has what comes next. */
    const noteAlive = (): void => {
      if (!comparing && (writer.received > existingEnd || writer.received >= serverEnd)) events.alive();
    };

    const sync = (): void => {
      clearTimeout(stalled);
      stalled = undefined;
      writer.sync();
      if (!comparing || writer.comparing) return;
      comparing = false;
      events.confirmed();
    };

    const report = (): void => {
      noteAlive();
      if (reportable() !== acknowledged) acknowledge();
      noteProven();
    };

    const syncAndReport = (): void => {
      unlessFull(sync);
      if (!held) report();
    };

    const awaitMore = (): void => {
      stalled ??= setTimeout(guarded(syncAndReport), stallMs);
    };

    const noteProven = (): void => {
      const moment = coverage.proven(writer.flushed);
      if (moment !== undefined) events.proven(moment);
    };

    /** A server that hears from us often enough never speaks by itself. */
    const ask = (): void => {
      if (held || comparing) return;
      acknowledge(true);
    };

    /** Runs a step that writes; a full disk holds the stream instead of ending it. */
    const unlessFull = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        if (!walErrors.diskFull.is(error)) throw error;
        hold(error);
      }
    };

    /** For timers and the signal, whose errors would otherwise end the process. */
    const guarded = (step: () => void) => (): void => {
      try {
        step();
      } catch (error) {
        connection.destroy(toMonetaError(error));
      }
    };

    const hold = (error: MonetaError): void => {
      held = true;
      stream.pause();
      const release = async (): Promise<void> => {
        clearInterval(pulse);
        connection.destroy();
        await connection.closed;
      };
      settle({ kind: "disk-full", error, release });
    };

    const onAbort = guarded(() => {
      farewell = setTimeout(() => {
        connection.destroy(commonErrors.aborted("the server did not say goodbye in time"));
      }, farewellMs);
      // What is in hand is synced and acknowledged, then the goodbye: a fast shutdown of the server waits for this.
      syncAndReport();
      stream.stop();
    });

    /**
     * What came before the end counts: it is made durable now, and not only when there is a server again. A disk that refuses
     * is worse than a connection that ended, and nobody would hear of it again.
     */
    const settleAfterSync = (end: StreamSessionEnd): void => {
      if (held) return;
      try {
        writer.sync();
        settle(end);
      } catch (error) {
        settle(end.kind === "failed" && isWalError(end.error) ? end : { kind: "failed", error: toMonetaError(error) });
      }
    };

    const stream = startWalStream(
      connection,
      { slot, timeline, start, idleTimeoutMs, clock },
      {
        onStarted: () => {
          started = true;
          events.started();
          // The answer shows at once that both directions work, also when there is nothing to send.
          acknowledge(true);
        },
        onData(_, piece) {
          if (held) return;
          unlessFull(() => {
            writer.take(piece);
          });
        },
        onMessageEnd(_, state) {
          serverEnd = state.serverEnd;
          coverage.data(state);
        },
        onBatchEnd() {
          if (held || !started) return;
          const { received, unsynced } = writer;
          if (!comparing && serverEnd - received >= farBehindBytes && unsynced < farBehindBytes) {
            if (unsynced >= earlyBytes) writer.writeEarly();
            // A segment that is complete is durable.
            if (reportable() !== acknowledged) report();
            awaitMore();
            stalled?.refresh();
          } else if (received < serverEnd && unsynced < groupedBytes) awaitMore();
          else syncAndReport();
        },
        onAsked: () => coverage.asked(),
        onKeepalive(keepalive) {
          // A keepalive tells how far the server has sent, a data message how far it could.
          serverEnd = higherLsn(serverEnd, keepalive.serverEnd);
          if (held) return;
          // A server that shuts down waits until the flush position has caught up: sync at once.
          unlessFull(sync);
          if (held) return;
          noteAlive();
          if (keepalive.replyRequested || reportable() !== acknowledged) acknowledge();
          if (coverage.keepalive(keepalive)) ask();
          noteProven();
        },
        onTimelineEnd(end) {
          settleAfterSync({ kind: "timeline-end", end });
        },
        onClosed(error) {
          settleAfterSync(error === undefined ? { kind: "stopped" } : { kind: "failed", error });
        },
      },
    );
    const pulse = setInterval(guarded(acknowledge), statusIntervalMs);
    const question = setInterval(guarded(ask), coverageIntervalMs);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
