/**
 * The connections of the listener, bounded in number and in time: each has so long for its handshake and its request, so
 * long to take the answer, so long until the next request. A silent or slow client is felt by nobody else.
 */
import type { Socket } from "node:net";

export interface ConnectionLimits {
  readonly mostConnections: number;
  /** From the first byte of nothing to a complete request, the TLS handshake included. Milliseconds. */
  readonly requestMs: number;
  /** For the client to take the answer. */
  readonly answerMs: number;
  /** Until the next request on the same connection. */
  readonly idleMs: number;
}

type Phase = "request" | "answer" | "idle";

export interface Connections {
  /** Takes a connection in; false when there is no room for it and it was cut off. */
  take(socket: Socket): boolean;
  /** Something goes on with a connection. */
  phase(socket: Socket, phase: Phase): void;
  /** Cuts those off that wait for a request; with `all` every one. */
  close(all: boolean): void;
  readonly count: number;
}

export function createConnections(limits: () => ConnectionLimits): Connections {
  /** In the order of their last change: the first one has waited longest. */
  const open = new Map<Socket, { readonly phase: Phase; readonly timer: NodeJS.Timeout }>();

  const phase = (socket: Socket, now: Phase): void => {
    const known = open.get(socket);
    if (known === undefined) return;
    clearTimeout(known.timer);
    open.delete(socket);
    open.set(socket, { phase: now, timer: timerOf(socket, now) });
  };
  const timerOf = (socket: Socket, now: Phase): NodeJS.Timeout => {
    const { requestMs, answerMs, idleMs } = limits();
    const ms = { request: requestMs, answer: answerMs, idle: idleMs }[now];
    return setTimeout(() => socket.destroy(), ms).unref();
  };
  const oldest = (): Socket | undefined => {
    const waiting = [...open].filter(([, { phase: now }]) => now !== "answer");
    return (waiting.find(([, { phase: now }]) => now === "idle") ?? waiting[0])?.[0];
  };
  const forget = (socket: Socket): void => {
    clearTimeout(open.get(socket)?.timer);
    open.delete(socket);
  };

  return {
    take(socket) {
      if (open.size >= limits().mostConnections) {
        const leaving = oldest();
        if (leaving === undefined) {
          socket.destroy();
          return false;
        }
        forget(leaving);
        leaving.destroy();
      }
      open.set(socket, { phase: "request", timer: timerOf(socket, "request") });
      socket.on("close", () => forget(socket));
      // Whoever resets a connection has nothing to be told.
      socket.on("error", () => undefined);
      return true;
    },
    phase,
    close(all) {
      for (const [socket, { phase: now }] of open) if (all || now !== "answer") socket.destroy();
    },
    get count() {
      return open.size;
    },
  };
}
