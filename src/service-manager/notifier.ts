/**
 * What the service manager is told of the daemon, and when: that it starts, serves, reads its configuration again, stops, and
 * that it is alive. The sign of life is given from the event loop and by nothing else: when that stands still, none is given.
 */
import type { ServiceEnvironment } from "./environment.ts";
import type { ServiceMessage } from "./message.ts";
import { createMessageSender, type MessageSender } from "./message-sender.ts";

export interface ServiceNotifierOptions {
  readonly service: ServiceEnvironment;
  readonly complain: (message: string) => void;
  /** Whose PATH finds the programs that send. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Of the daemon, where the manager has started another process, which ends. */
  readonly mainPid?: number;
  /** How often a longer start or end asks for more time, and how much, milliseconds. */
  readonly extension?: { readonly everyMs: number; readonly byMs: number };
  /** How often the line about its state is looked at, milliseconds. */
  readonly statusMs?: number;
  /** How long a program that sends is waited for, milliseconds; by default 5 s, or half of the watchdog's time where that is less. */
  readonly patienceMs?: number;
}

export interface ServiceNotifier {
  /** What it does before it is ready or after it is told to stop; a sentence without its end. */
  doing(text: string): void;
  /**
   * It serves. Resolves when that was sent.
   *
   * @param status one line about its state, asked for now and again and again from then on
   */
  ready(status: () => string): Promise<void>;
  /** Tells that `reload` runs, and when it is over, however it ends. */
  around<T>(reload: () => Promise<T>): Promise<T>;
  stopping(reason: string): void;
  /** It does not start, or ends for a reason that should be read. */
  failed(reason: string): void;
  /** Resolves when all of it was sent; nothing is sent after that. */
  close(): Promise<void>;
}

/** For a daemon that no service manager has started: says nothing, and costs nothing. */
export const unwatched: ServiceNotifier = {
  doing: () => undefined,
  ready: async () => undefined,
  around: (reload) => reload(),
  stopping: () => undefined,
  failed: () => undefined,
  close: async () => undefined,
};

/** A start, a reload and an end ask for another half a minute every ten seconds. */
const usualExtension = { everyMs: 10_000, byMs: 30_000 };
const usualStatusMs = 2_000;
const [leastPatienceMs, usualPatienceMs] = [1_000, 5_000];

/** CLOCK_MONOTONIC, microseconds: what Node's high-resolution time is on Linux. */
const monotonicUsec = (): string => String(process.hrtime.bigint() / 1000n);

export function createServiceNotifier(options: ServiceNotifierOptions): ServiceNotifier {
  const { complain, environment, extension = usualExtension, service, statusMs = usualStatusMs } = options;
  // Half of the time, as sd_watchdog_enabled(3) advises; the timer counts milliseconds.
  const beatMs = service.watchdogUsec === undefined ? undefined : Math.max(1, Math.floor(service.watchdogUsec / 2000));
  const sender: MessageSender = createMessageSender({
    socket: service.socket,
    complain,
    environment,
    patienceMs: options.patienceMs ?? Math.max(leastPatienceMs, Math.min(usualPatienceMs, beatMs ?? usualPatienceMs)),
  });
  let state: "starting" | "ready" | "stopping" = "starting";
  let reloads = 0;
  let closed = false;
  let status: (() => string) | undefined;
  let told = "";
  let beat: NodeJS.Timeout | undefined;
  let look: NodeJS.Timeout | undefined;

  const send = (message: ServiceMessage): Promise<boolean> => {
    if (message.STATUS !== undefined) told = String(message.STATUS);
    return closed ? Promise.resolve(false) : sender.send(message);
  };
  const statusNow = (): ServiceMessage => (status === undefined ? {} : { STATUS: status() });
  /** Whether the manager waits for the end of something, with a limit. */
  const underLimit = (): boolean => state !== "ready" || reloads > 0;

  function arm(): void {
    clearTimeout(beat);
    if (closed) return;
    const delays = [...(beatMs === undefined ? [] : [beatMs]), ...(underLimit() ? [extension.everyMs] : [])];
    if (delays.length === 0) return;
    // A turn of the loop later, behind everything that waited for it: a loop that only runs timers is not alive.
    beat = setTimeout(() => setImmediate(giveSign), Math.min(...delays)).unref();
  }

  function giveSign(): void {
    // What waits would be told as news when it is none any more; the next beat comes.
    if (!sender.busy) {
      void send({
        ...(beatMs === undefined ? {} : { WATCHDOG: 1 }),
        ...(underLimit() ? { EXTEND_TIMEOUT_USEC: extension.byMs * 1000 } : {}),
      });
    }
    arm();
  }

  function lookAtStatus(): void {
    if (underLimit() || sender.busy) return;
    const { STATUS } = statusNow();
    if (STATUS !== undefined && STATUS !== told) void send({ STATUS });
  }

  arm();
  return {
    doing(text) {
      // Only of interest for as long as it is true.
      if (!sender.busy) void send({ STATUS: text });
    },
    async ready(currentStatus) {
      if (state !== "starting") return;
      state = "ready";
      status = currentStatus;
      look = setInterval(lookAtStatus, statusMs).unref();
      arm();
      await send({ ...(options.mainPid === undefined ? {} : { MAINPID: options.mainPid }), READY: 1, ...(beatMs === undefined ? {} : { WATCHDOG: 1 }), ...statusNow() });
    },
    async around(reload) {
      reloads += 1;
      if (state === "ready" && reloads === 1) {
        void send({ RELOADING: 1, MONOTONIC_USEC: monotonicUsec(), STATUS: "reading the configuration again" });
        arm();
      }
      try {
        return await reload();
      } finally {
        reloads -= 1;
        if (state === "ready" && reloads === 0) {
          void send({ READY: 1, ...statusNow() });
          arm();
        }
      }
    },
    stopping(reason) {
      if (state === "stopping") return;
      state = "stopping";
      clearInterval(look);
      void send({ STOPPING: 1, STATUS: `stopping: ${reason}` });
      arm();
    },
    failed(reason) {
      void send({ STATUS: reason });
    },
    async close() {
      closed = true;
      clearTimeout(beat);
      clearInterval(look);
      await sender.close();
    },
  };
}
