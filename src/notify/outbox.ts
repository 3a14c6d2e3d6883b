/** What one target still has to get: in order, tried again with growing waits, bounded. */
import { createBackoff, messageOf, toMonetaError, type Clock, type MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Notification } from "./notification.ts";
import type { Target } from "./targets.ts";

export interface Outbox {
  readonly target: Target;
  readonly pending: readonly Notification[];
  /** Why the last attempt failed; undefined after one that did not. */
  readonly trouble: MonetaError | undefined;
  add(notification: Notification): void;
  /** Tries at once what waits for its next attempt. */
  hurry(): void;
  close(): void;
}

export interface OutboxOptions {
  readonly target: Target;
  readonly pending: readonly Notification[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** The list of what is pending has changed. */
  readonly changed: () => void;
  /** Waits between attempts, milliseconds. */
  readonly waits?: { readonly firstMs: number; readonly maxMs: number };
}

/** More than these are not kept: the oldest goes. */
export const mostPending = 200;

export function createOutbox({ target, clock, logger, changed, waits, ...options }: OutboxOptions): Outbox {
  const pending = [...options.pending];
  const backoff = createBackoff({ firstMs: waits?.firstMs ?? 2000, factor: 2, maxMs: waits?.maxMs ?? 300_000, jitter: 0.2 });
  const closed = new AbortController();
  let trouble: MonetaError | undefined;
  let working = false;
  let wait: AbortController | undefined;
  let dropped = 0;

  async function work(): Promise<void> {
    if (working) return;
    working = true;
    try {
      while (!closed.signal.aborted) {
        const [first] = pending;
        if (first === undefined) return;
        try {
          await target.send(withDropped(first));
          if (trouble !== undefined) logger.info(`${target.name} takes notifications again`);
          trouble = undefined;
          dropped = 0;
          backoff.reset();
          // It may have been dropped meanwhile.
          if (pending[0] === first) pending.shift();
          changed();
        } catch (error) {
          const known = toMonetaError(error);
          if (trouble?.message !== known.message) logger.error(`${target.name}: a notification is not delivered and is tried again: ${messageOf(error)}`, { code: known.code, pending: pending.length });
          trouble = known;
          await pause(backoff.next());
        }
      }
    } finally {
      working = false;
    }
  }

  async function pause(ms: number): Promise<void> {
    wait = new AbortController();
    await clock.sleep(ms, AbortSignal.any([wait.signal, closed.signal])).catch(() => undefined);
    wait = undefined;
  }

  function withDropped(notification: Notification): Notification {
    if (dropped === 0) return notification;
    return { ...notification, message: `${notification.message} (${dropped} notifications before this one were given up: the target could not be reached)` };
  }

  function start(): void {
    work().catch((error: unknown) => logger.error(`notifications of ${target.name} stopped: ${messageOf(error)}`));
  }

  if (pending.length > 0) start();
  return {
    target,
    get pending() {
      return pending;
    },
    get trouble() {
      return trouble;
    },
    add(notification) {
      pending.push(notification);
      while (pending.length > mostPending) {
        pending.shift();
        dropped += 1;
        logger.warn(`${target.name}: more than ${mostPending} notifications wait, the oldest is given up`);
      }
      changed();
      start();
    },
    hurry: () => wait?.abort(),
    close: () => closed.abort(),
  };
}
