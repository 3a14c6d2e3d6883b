/**
 * What every child of the supervisor does alike: it speaks by messages, logs through them, takes orders from
 * nobody else, reports what kills it, and ends within a second when its supervisor is gone.
 */
import { commonErrors, errorToRecord } from "../common/index.ts";
import type { LogRecord } from "../log/index.ts";
import { createChannel, type Channel, type Endpoint } from "./channel.ts";
import type { Check } from "./check.ts";
import { createLogForwarder } from "./log-forwarder.ts";
import type { Failed, Log } from "./messages.ts";

/** The part of `process` that a session needs; only the processes themselves hand it over. */
export interface ChildHost extends Endpoint {
  readonly pid: number;
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
  exit(code: number): never;
}

/**
 * Signals that reach a whole process group (a terminal's Ctrl-C, a service manager's stop) are the supervisor's
 * business: it tells its children by message. SIGUSR1 would open Node's debugger.
 */
export const ignoredSignals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE"] as const;

/** Longest time from the loss of the supervisor to the end of the process, milliseconds. */
const ORPHAN_GRACE_MS = 900;

export interface ChildSessionOptions<In> {
  readonly host: ChildHost;
  readonly check: Check<In>;
  readonly onMessage: (message: In) => void;
}

export interface ChildSession<Out> {
  readonly channel: Channel<Out | Log | Failed>;
  /** Where the child's logger writes. */
  readonly logSink: (record: LogRecord) => void;
  /** Fires when the supervisor is gone: stop at the next safe point. */
  readonly orphaned: AbortSignal;
  /** Delivers what is in line and ends the process. */
  end(code: number): Promise<void>;
  /** Reports an error and ends the process. */
  fail(error: unknown): Promise<void>;
}

export function openChildSession<Out, In>(options: ChildSessionOptions<In>): ChildSession<Out> {
  const { host } = options;
  const orphan = new AbortController();
  const onDisconnect = (): void => {
    // Whatever still runs gets this long for a last fdatasync; a blocked process is gone with the timer anyway.
    setTimeout(() => host.exit(1), ORPHAN_GRACE_MS);
    orphan.abort(commonErrors.aborted("the supervisor is gone"));
  };
  const channel = createChannel<Out | Log | Failed, In>({
    endpoint: host,
    check: options.check,
    onMessage: options.onMessage,
    onInvalid: () => host.exit(1),
    onDisconnect,
  });
  const end = async (code: number): Promise<void> => {
    await channel.flush();
    host.exit(code);
  };
  const fail = async (error: unknown): Promise<void> => {
    try {
      await channel.send({ type: "failed", error: errorToRecord(error) });
    } catch {
      // Without a supervisor there is nobody left to tell; the exit status says that it was no success.
    }
    await end(1);
  };
  for (const signal of ignoredSignals) host.on(signal, () => undefined);
  host.on("uncaughtException", (error) => void fail(error));
  host.on("unhandledRejection", (error) => void fail(error));
  if (!channel.open) onDisconnect();
  return { channel, logSink: createLogForwarder(channel), orphaned: orphan.signal, end, fail };
}
