/**
 * One end of the conversation between the supervisor and a child, over Node's own channel (`serialization: "json"`).
 *
 * Messages keep their order. Only a small window is handed to Node at a time, so that a reader that has stopped
 * shows here as back-pressure instead of as memory: what must arrive waits in line (`send`), what may be lost is
 * refused once the line is long (`offer`).
 */
import type { Check } from "./check.ts";
import { ipcErrors } from "./errors.ts";

/** What `process` in a child and a `ChildProcess` in its parent have in common. */
export interface Endpoint {
  readonly connected: boolean;
  send?(message: unknown, callback: (error: Error | null) => void): boolean;
  disconnect?(): void;
  on(event: "message" | "disconnect", listener: (value: unknown) => void): unknown;
  off(event: "message" | "disconnect", listener: (value: unknown) => void): unknown;
}

export interface ChannelOptions<In> {
  readonly endpoint: Endpoint;
  /** The format of what arrives. */
  readonly check: Check<In>;
  readonly onMessage: (message: In) => void;
  /** Something arrived that is no message; the channel is closed already. */
  readonly onInvalid: (error: unknown) => void;
  /** The other end is gone; called once. */
  readonly onDisconnect: () => void;
  /** Messages in hand (window and line) from which on `offer` refuses; default 1000. */
  readonly offerLimit?: number;
}

export interface Channel<Out> {
  /** Puts a message in line; resolves when the system has it, rejects with `IPC_DISCONNECTED` if it never will. */
  send(message: Out): Promise<void>;
  /** Puts a message in line unless that is too long already; returns whether it did. */
  offer(message: Out): boolean;
  /** Resolves when everything put in line so far was taken by the system or lost with the channel. */
  flush(): Promise<void>;
  /** Ends the conversation from this side; what is still in line is lost (flush first). */
  close(): void;
  readonly open: boolean;
}

/** Messages handed to Node and not yet written to the pipe. */
const WINDOW = 32;

interface Entry<Out> {
  readonly message: Out;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function createChannel<Out, In>(options: ChannelOptions<In>): Channel<Out> {
  const { endpoint } = options;
  const limit = options.offerLimit ?? 1000;
  const line: Entry<Out>[] = [];
  let inFlight = 0;
  let open = endpoint.connected;
  let idle: (() => void)[] = [];

  const settle = (): void => {
    if (line.length > 0 || inFlight > 0) return;
    const waiting = idle;
    idle = [];
    for (const resolve of waiting) resolve();
  };
  const lose = (): void => {
    for (const entry of line.splice(0)) entry.reject(ipcErrors.disconnected("the process at the other end is gone"));
    settle();
  };
  const end = (): void => {
    open = false;
    endpoint.off("message", receive);
    endpoint.off("disconnect", disconnected);
    lose();
  };
  const disconnected = (): void => {
    if (!open) return;
    end();
    options.onDisconnect();
  };
  const receive = (value: unknown): void => {
    let message: In;
    try {
      message = options.check(value, "message");
    } catch (error) {
      close();
      options.onInvalid(error);
      return;
    }
    options.onMessage(message);
  };
  const close = (): void => {
    if (!open) return;
    end();
    // Not within the delivery of a message: Node 20 then goes on with the channel that it has just let go of, and throws.
    setImmediate(() => {
      if (endpoint.connected) endpoint.disconnect?.();
    });
  };
  const pump = (): void => {
    while (open && inFlight < WINDOW) {
      const entry = line.shift();
      if (entry === undefined) break;
      inFlight += 1;
      endpoint.send?.(entry.message, (error) => {
        inFlight -= 1;
        if (error === null) entry.resolve();
        else entry.reject(ipcErrors.disconnected("the process at the other end is gone", {}, error));
        pump();
        settle();
      });
    }
  };
  endpoint.on("message", receive);
  endpoint.on("disconnect", disconnected);

  const send = (message: Out): Promise<void> =>
    new Promise((resolve, reject) => {
      if (!open) {
        reject(ipcErrors.disconnected("the process at the other end is gone"));
        return;
      }
      line.push({ message, resolve, reject });
      pump();
    });
  return {
    send,
    offer(message) {
      if (!open || line.length + inFlight >= limit) return false;
      // Whoever offers accepts the loss; the disconnect itself is reported by onDisconnect.
      send(message).catch(() => undefined);
      return true;
    },
    flush: () =>
      new Promise((resolve) => {
        idle.push(resolve);
        settle();
      }),
    close,
    get open() {
      return open;
    },
  };
}
