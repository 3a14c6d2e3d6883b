import { systemClock, type Clock, type MonetaError } from "../common/index.ts";
import { formatLsn, invalidLsn, parseLsn, timelineId, type Lsn, type TimelineId } from "../postgres/index.ts";
import type { Connection } from "./connection.ts";
import { replicationErrors } from "./errors.ts";
import type { QueryResult } from "./query.ts";
import { quoteIdentifier } from "./quoting.ts";
import { createWalMessageDecoder, encodeStandbyStatus, type Keepalive, type StandbyStatus, type WalServerState } from "./wal-message.ts";

export interface WalStreamOptions {
  /** Physical slot; without one the server may remove WAL that was not received yet. */
  readonly slot?: string;
  readonly timeline: TimelineId;
  readonly start: Lsn;
  /** Half of it without a byte makes the stream ask the server for a sign of life. The connection's own by default. */
  readonly idleTimeoutMs?: number;
  readonly clock?: Clock;
}

/** Where the WAL of a timeline that the server has left goes on. */
export interface TimelineEnd {
  readonly nextTimeline: TimelineId;
  readonly switchLsn: Lsn;
}

/**
 * Receives a WAL stream. Whatever a callback throws ends the connection and comes back in `onClosed`.
 * The end is told exactly once: by `onTimelineEnd`, or by `onClosed`.
 */
export interface WalStreamHandler {
  /** The server agreed to stream. */
  onStarted?(): void;
  /** WAL beginning at `walStart`, always where the last piece ended; any split. Valid during the call only. */
  onData(walStart: Lsn, piece: Buffer): void;
  /** One XLogData message is complete. */
  onMessageEnd?(endLsn: Lsn, server: WalServerState): void;
  /** No more data in hand: time to flush and report. Also called before `onTimelineEnd`. */
  onBatchEnd?(): void;
  onKeepalive(keepalive: Keepalive): void;
  /** The server was asked for a keepalive, by whoever: each question is answered by exactly one, in order. */
  onAsked?(): void;
  /** All of this timeline was delivered; the connection is free for the next command. */
  onTimelineEnd(end: TimelineEnd): void;
  /**
   * Without an error: after `stop`, and the connection is free for the next command. With one: the server
   * refused or broke off, or the connection died (`connection.isClosed` tells). WAL delivered before counts.
   */
  onClosed(error?: MonetaError): void;
}

export interface WalStream {
  /** True while status updates are taken. */
  readonly isOpen: boolean;
  /** Standby status update; `requestReply` asks for a keepalive. Without effect before the start and after the end. */
  sendStatus(status: StandbyStatus, requestReply?: boolean): void;
  /** Ends the stream politely; what is under way is still delivered, then `onClosed()`. */
  stop(): void;
  pause(): void;
  resume(): void;
}

/** Status updates that the server has not read are not piled up: the newest says all. */
const maximumUnsentBytes = 64 * 1024;

/** START_REPLICATION … PHYSICAL (PostgreSQL manual, "Streaming Replication Protocol"). Throws when the connection is closed or busy. */
export function startWalStream(connection: Connection, options: WalStreamOptions, handler: WalStreamHandler): WalStream {
  const { slot, timeline, start, idleTimeoutMs = connection.idleTimeoutMs, clock = systemClock } = options;
  let expected = start;
  let stopping = false;
  let askedAt = Number.NEGATIVE_INFINITY;
  let last: StandbyStatus = { write: invalidLsn, flush: invalidLsn, apply: invalidLsn };
  let unsent: StandbyStatus | undefined;

  const decoder = createWalMessageDecoder({
    data(walStart, piece) {
      if (walStart !== expected) {
        throw replicationErrors.streamBroken(`WAL at ${formatLsn(walStart)} came where ${formatLsn(expected)} is next`, {
          expected: formatLsn(expected),
          received: formatLsn(walStart),
        });
      }
      expected = (walStart + BigInt(piece.length)) as Lsn;
      handler.onData(walStart, piece);
    },
    dataEnd: (end, state) => handler.onMessageEnd?.(end, state),
    keepalive: (keepalive) => {
      handler.onKeepalive(keepalive);
    },
  });

  const send = (status: StandbyStatus, requestReply: boolean): void => {
    last = status;
    if (!stream.isOpen) return;
    if (stream.unsentBytes > maximumUnsentBytes) {
      unsent = status;
      return;
    }
    unsent = undefined;
    stream.send(encodeStandbyStatus(status, clock.now(), requestReply));
    if (requestReply) handler.onAsked?.();
  };

  const stream = connection.copyBoth(command(slot, timeline, start), {
    onStarted() {
      handler.onStarted?.();
      if (stopping) stream.end();
    },
    onMessageStart: (length) => {
      decoder.start(length);
    },
    onPiece: (piece) => {
      decoder.piece(piece);
    },
    onMessageEnd: () => {
      decoder.end();
    },
    onDrained: () => handler.onBatchEnd?.(),
    onServerDone: () => handler.onBatchEnd?.(),
    onFinished(results) {
      clearInterval(pulse);
      const end = timelineEnd(results);
      if (end !== undefined) handler.onTimelineEnd(end);
      else if (stopping) handler.onClosed();
      else handler.onClosed(replicationErrors.protocol("server ended the stream without a reason"));
    },
    onFailed(error) {
      clearInterval(pulse);
      handler.onClosed(error);
    },
  });

  // A server that hears from us often enough never speaks by itself: silence proves nothing before it was asked.
  const askAfterMs = idleTimeoutMs / 2;
  const pulse = setInterval(
    () => {
      if (unsent !== undefined) send(unsent, false);
      const now = clock.monotonic();
      if (askAfterMs === 0 || stream.idleMs() < askAfterMs || now - askedAt < askAfterMs) return;
      askedAt = now;
      send(last, true);
    },
    askAfterMs > 0 ? Math.min(1_000, askAfterMs / 2) : 1_000,
  );

  return {
    get isOpen() {
      return stream.isOpen;
    },
    sendStatus: (status, requestReply = false) => {
      send(status, requestReply);
    },
    stop() {
      stopping = true;
      stream.end();
    },
    pause: () => {
      stream.pause();
    },
    resume: () => {
      stream.resume();
    },
  };
}

function command(slot: string | undefined, timeline: TimelineId, start: Lsn): string {
  const through = slot === undefined ? "" : `SLOT ${quoteIdentifier(slot)} `;
  return `START_REPLICATION ${through}PHYSICAL ${formatLsn(start)} TIMELINE ${timeline}`;
}

/** The result row `next_tli`, `next_tli_startpos` that ends the stream of a historic timeline. */
function timelineEnd(results: readonly QueryResult[]): TimelineEnd | undefined {
  const result = results.find((each) => each.columns[0] === "next_tli");
  const [next, position] = result?.rows[0] ?? [];
  if (typeof next !== "string" || typeof position !== "string") return undefined;
  return { nextTimeline: timelineId(Number(next)), switchLsn: parseLsn(position) };
}
