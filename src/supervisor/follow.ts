/**
 * `follow`: a server streams only while the one that it follows does not. It takes over when that one has not been streaming for
 * as long as a silent connection may be (`receiver_timeout`), and hands back when that one streams again and has all that was
 * received meanwhile. Until then it waits, and its slot keeps what it would need.
 */
import type { Clock } from "../common/index.ts";
import type { ReceiverRole } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import { formatLsn, lsn } from "../postgres/index.ts";
import type { ServerState } from "../state/index.ts";
import type { ChildState } from "./child-machine.ts";

/** What is looked at of either server. */
export interface FollowSide {
  readonly name: string;
  readonly online: boolean;
  readonly state: () => ServerState;
  readonly receiver: { readonly child: { readonly state: ChildState } };
}

export interface FollowOptions {
  readonly own: FollowSide;
  readonly followed: FollowSide;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the followed server may be without a stream at the moment, milliseconds. */
  readonly patienceMs: () => number;
  /** Tells the receiver. */
  readonly tell: (role: ReceiverRole) => void;
}

export interface Follow {
  /** Name of the followed server. */
  readonly followed: string;
  /** It receives in the place of the followed server; since when, milliseconds since 1970. */
  readonly since: number | undefined;
  role(): ReceiverRole;
  /** Begins to look; ends with the signal. */
  start(signal: AbortSignal): void;
  /** It follows another server from now on, or none. */
  stop(): void;
}

/** How often it is looked whether patience is at its end; what is stored is told as often at most. */
const LOOK_MS = 1000;

/** The role of a receiver whose server follows none. */
export const streaming: ReceiverRole = { follows: false, streams: true };

export function createFollow({ own, followed, clock, logger, patienceMs, tell }: FollowOptions): Follow {
  let lastStreaming = clock.monotonic();
  let since: number | undefined;
  /** What was received here when the followed server began to stream again. */
  let goal: { readonly timeline: number; readonly lsn: bigint } | undefined;
  let told = "";
  const stopped = new AbortController();

  /** A full disk of ours is no failure of its server: another one could not be stored either. */
  const streams = (): boolean =>
    followed.online &&
    followed.receiver.child.state === "running" &&
    ["streaming", "comparing", "paused"].includes(followed.state().receiver);

  /**
   * What was received here when it came back is durable there: it has gone through all that it missed. What comes meanwhile
   * comes there too, a moment later than here perhaps.
   */
  const hasCaughtUp = (): boolean => {
    const [there, here] = [followed.state(), own.state()];
    if (!streams() || there.receiver !== "streaming") {
      goal = undefined;
      return false;
    }
    goal ??= { timeline: here.timeline, lsn: here.flushLsn };
    return there.timeline >= goal.timeline && there.flushLsn >= goal.lsn;
  };

  const role = (): ReceiverRole => {
    const { timeline, flushLsn } = followed.state();
    const stored = timeline > 0 ? { stored: { server: followed.name, timeline, lsn: formatLsn(lsn(flushLsn)) } } : {};
    return { follows: true, streams: since !== undefined, ...stored };
  };

  const announce = (): void => {
    const now = role();
    const text = JSON.stringify(now);
    if (text === told) return;
    told = text;
    tell(now);
  };

  const look = (): void => {
    const now = clock.monotonic();
    if (streams()) lastStreaming = now;
    if (since === undefined && now - lastStreaming >= patienceMs()) {
      since = clock.now();
      logger.warn(`${own.name} takes over the WAL stream: ${followed.name} has not been streaming for ${Math.round((now - lastStreaming) / 1000)} s`, {
        server: own.name,
        followed: followed.name,
      });
      goal = undefined;
    } else if (since !== undefined && hasCaughtUp()) {
      since = undefined;
      logger.warn(`${own.name} hands the WAL stream back: ${followed.name} streams again and has all that was received`, {
        server: own.name,
        followed: followed.name,
      });
    }
    announce();
  };

  return {
    followed: followed.name,
    get since() {
      return since;
    },
    role,
    stop: () => stopped.abort(),
    start(until) {
      const { signal } = stopped;
      until.addEventListener("abort", () => stopped.abort(), { once: true });
      if (until.aborted) stopped.abort();
      lastStreaming = clock.monotonic();
      const again = (): void => {
        if (signal.aborted) return;
        look();
        clock.sleep(LOOK_MS, signal).then(again, () => undefined); // The end.
      };
      again();
    },
  };
}
