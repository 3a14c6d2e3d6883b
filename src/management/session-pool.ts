/** The connections of one listener, and the limits on them. */
import type { Socket } from "node:net";
import type { Logger } from "../log/index.ts";
import type { RunningSession } from "./session.ts";

export interface PoolLimits {
  /** Connections that have not sent their request yet; beyond it the oldest of them makes room for the new one. */
  readonly maxWaiting: number;
  /** The same of one address; beyond it a new one is refused, so that nobody can push all others out. */
  readonly maxWaitingPerAddress?: number;
  /** All connections, those that wait for the end of a job included; beyond it new ones are refused. */
  readonly maxConnections: number;
}

export interface SessionPool {
  readonly size: number;
  /** Starts a session on a connection that was accepted, or closes it. */
  admit(socket: Socket, start: (id: number) => RunningSession, address?: string): void;
  /** Drops those that have not asked yet, or all; resolves when every session has ended. */
  close(force: boolean): Promise<void>;
}

/** Numbers of sessions, over all listeners of the process. */
let lastId = 0;

export function createSessionPool(limits: () => PoolLimits, logger: Logger): SessionPool {
  const sessions = new Map<RunningSession, string | undefined>();

  const makeRoom = (address: string | undefined): boolean => {
    const { maxConnections, maxWaiting, maxWaitingPerAddress = Number.POSITIVE_INFINITY } = limits();
    const waiting = [...sessions].filter(([session]) => session.waiting);
    const same = waiting.filter(([, from]) => from !== undefined && from === address);
    if (same.length >= maxWaitingPerAddress) {
      logger.warn("too many connections of one address that have not asked yet", { address, waiting: same.length });
      return false;
    }
    if (waiting.length < maxWaiting && sessions.size < maxConnections) return true;
    logger.warn("too many management connections", { waiting: waiting.length, connections: sessions.size });
    const oldest = waiting[0]?.[0];
    if (oldest === undefined) return false;
    oldest.drop("room is needed for a new connection");
    sessions.delete(oldest);
    return true;
  };
  return {
    get size() {
      return sessions.size;
    },
    admit(socket, start, address) {
      if (!makeRoom(address)) {
        socket.destroy();
        return;
      }
      lastId += 1;
      const session = start(lastId);
      sessions.set(session, address);
      void session.ended.then(() => sessions.delete(session));
    },
    async close(force) {
      const open = [...sessions.keys()];
      for (const session of open) if (force || session.waiting) session.drop("the daemon stops");
      await Promise.all(open.map((session) => session.ended));
    },
  };
}
