/** The life of a receiver as a table; doc/wal-receiver.md tells it in words. */
import type { TransitionTable } from "../common/index.ts";

/**
 * - `disconnected`: waiting for the next attempt.
 * - `connecting`: opening the connection, learning which cluster this is.
 * - `preparing`: slot, history files, continuity, start position.
 * - `comparing`: reading again what is there already, byte by byte; nothing is acknowledged.
 * - `streaming`: new WAL is written, synced, acknowledged.
 * - `paused`: the disk is full; the connection is held and answered with an unchanged flush position.
 * - `refused`: something that only a person can put right; looked at again slowly, nothing is touched.
 * - `stopped`: asked to end.
 */
export type ReceiverState =
  | "disconnected"
  | "connecting"
  | "preparing"
  | "comparing"
  | "streaming"
  | "paused"
  | "refused"
  | "stopped";

export type ReceiverInput =
  | "connect"
  | "connected"
  | "compare"
  | "stream"
  | "timeline-end"
  | "disk-full"
  | "space-back"
  | "lost"
  | "refuse"
  | "stop";

export const receiverTable: TransitionTable<ReceiverState, ReceiverInput> = {
  disconnected: { connect: "connecting", stop: "stopped" },
  connecting: { connected: "preparing", lost: "disconnected", refuse: "refused", stop: "stopped" },
  preparing: {
    compare: "comparing",
    stream: "streaming",
    // A timeline that has nothing more to send ends without a stream.
    "timeline-end": "preparing",
    lost: "disconnected",
    refuse: "refused",
    stop: "stopped",
  },
  comparing: {
    stream: "streaming",
    "timeline-end": "preparing",
    "disk-full": "paused",
    lost: "disconnected",
    refuse: "refused",
    stop: "stopped",
  },
  streaming: {
    "timeline-end": "preparing",
    "disk-full": "paused",
    lost: "disconnected",
    refuse: "refused",
    stop: "stopped",
  },
  paused: { "space-back": "disconnected", lost: "disconnected", stop: "stopped" },
  refused: { connect: "connecting", stop: "stopped" },
  stopped: {},
};
