/** What a receiver is told, and what it tells. */
import type { Clock, MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Lsn, TimelineId } from "../postgres/index.ts";
import type { ConnectOptions, Prerequisite, ServerFacts } from "../replication/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { ReceiverState } from "./receiver-state.ts";
import type { SegmentCalls } from "./segment-calls.ts";

export interface ReceiverOptions {
  /** Name of the server: its section in the configuration, its directory in the repository. */
  readonly server: string;
  /** How to reach it; the receiver sets `replication` and `applicationName` (the slot's name, which makes it usable in synchronous_standby_names). */
  readonly connect: Omit<ConnectOptions, "replication" | "applicationName">;
  readonly slot: string;
  /** Create the slot when it is missing, also after a reconnect: a promoted standby has none. */
  readonly createSlot: boolean;
  /**
   * The server follows another one: WAL between what is stored here and what the slot keeps was received of that one, and is no
   * gap.
   */
  readonly follows?: boolean;
  /** A receiver writes in place, so its repository is a local directory. */
  readonly storage: LocalStorage;
  /** Longest time between two status updates, milliseconds; PostgreSQL gives up after wal_sender_timeout (60 s). */
  readonly statusIntervalMs?: number;
  /** Waiting times between attempts. */
  readonly firstRetryMs?: number;
  readonly longestRetryMs?: number;
  /** Waiting time after something that only a person can put right. */
  readonly refusedRetryMs?: number;
}

/** What happens, for the state segment, the archiver and the log; typed, so that nobody has to read log lines. */
export type ReceiverEvent =
  | { readonly type: "state"; readonly state: ReceiverState; readonly error?: MonetaError; readonly retryInMs?: number }
  | { readonly type: "facts"; readonly facts: ServerFacts }
  /** What the server lacks although WAL can be received: all of it, each time it was looked at. */
  | { readonly type: "lacks"; readonly lacks: readonly Prerequisite[] }
  | {
      readonly type: "started";
      readonly timeline: TimelineId;
      readonly start: Lsn;
      readonly segmentSize: number;
      /** False when the slot lost its WAL and this version of PostgreSQL never lets it keep WAL again. */
      readonly slotKeepsWal: boolean;
    }
  | { readonly type: "progress"; readonly timeline: TimelineId; readonly write: Lsn; readonly flush: Lsn; readonly serverEnd: Lsn }
  /** Everything that the server had flushed at this moment of its clock, milliseconds since 1970, is durable here. */
  | { readonly type: "covered"; readonly serverTime: number }
  | { readonly type: "segment-complete"; readonly segment: string; readonly bytes: number }
  | { readonly type: "timeline-switch"; readonly from: TimelineId; readonly to: TimelineId; readonly at: Lsn }
  /** Stored WAL that is no part of the server's past; `foreign`: of a timeline that the server does not descend from. */
  | { readonly type: "dead-branch"; readonly timeline: TimelineId; readonly from: Lsn; readonly to: Lsn; readonly foreign: boolean }
  /** The slot is kept and as far as it should be; only told while nothing is received. */
  | { readonly type: "held" }
  | { readonly type: "gap"; readonly timeline: TimelineId; readonly from: Lsn; readonly to: Lsn; readonly reason: string };

export interface ReceiverDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the receiver: what is received is synced, acknowledged, and the connection is closed politely. */
  readonly signal: AbortSignal;
  readonly report: (event: ReceiverEvent) => void;
  /** Calls the listener when somebody wants an attempt now, whatever wait is on; returns how to stop listening. */
  readonly onWake?: (listener: () => void) => () => void;
  /** Writes and syncs segments; tests pass calls that fail. */
  readonly calls?: SegmentCalls;
}
