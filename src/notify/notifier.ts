/** Notifications as a whole: takes in what is wrong, decides what is told, has it delivered, and remembers it over a restart. */
import { randomUUID } from "node:crypto";
import { messageOf, toMonetaError, type Clock, type MonetaError } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { takeIn, type KnownAlarm, type Sight } from "./alarm-book.ts";
import type { Alarm, Notification } from "./notification.ts";
import type { NotifyCategory } from "./options.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import type { Target } from "./targets.ts";

/** What survives a restart. */
export interface NotifierMemory {
  readonly known: readonly KnownAlarm[];
  readonly pending: Readonly<Record<string, readonly Notification[]>>;
}

export interface NotifierSettings {
  readonly targets: readonly Target[];
  readonly categories: readonly NotifyCategory[];
  readonly delayMs: number;
}

export interface NotifierOptions extends NotifierSettings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memory: NotifierMemory;
  /** Makes durable what is to survive; calls never overlap. */
  readonly remember: (memory: NotifierMemory) => Promise<void>;
  readonly waits?: { readonly firstMs: number; readonly maxMs: number };
}

export interface TestResult {
  readonly target: string;
  /** Undefined when it was taken. */
  readonly error: MonetaError | undefined;
}

export interface Notifier {
  /** All that is wrong at the moment, as far as it can be seen. */
  look(sight: Sight): void;
  /** Something that happened and has no end: told once. */
  happened(alarm: Alarm): void;
  /** Sends a test to every target, once; what waits is tried again at once where it was taken. */
  test(): Promise<TestResult[]>;
  /** Targets that did not take the last notification. */
  readonly failing: readonly { readonly target: string; readonly error: MonetaError; readonly pending: number }[];
  readonly targets: number;
  /** Other targets and rules from now on; what waits for a target that stays goes on waiting. */
  update(settings: NotifierSettings): void;
  /** Ends all attempts; what waits is remembered. */
  close(): Promise<void>;
}

/** A daemon that was just started does not call anything over for so long. */
const graceMs = 10_000;

export function createNotifier(options: NotifierOptions): Notifier {
  const { clock, logger, remember, waits } = options;
  const notOverBefore = clock.now() + Math.max(graceMs, options.delayMs);
  let known = options.memory.known;
  let { categories, delayMs } = options;
  let outboxes: Outbox[] = [];
  let refreshing = new AbortController();
  let writing: Promise<void> = Promise.resolve();
  let dirty = false;

  const changed = (): void => {
    if (dirty) return;
    dirty = true;
    // All changes of one turn are one write.
    writing = writing.then(async () => {
      dirty = false;
      const pending = Object.fromEntries(outboxes.map(({ target, pending: list }) => [target.name, [...list]]));
      try {
        await remember({ known, pending });
      } catch (error) {
        logger.error(`what was notified cannot be recorded, a restart may tell it again: ${messageOf(error)}`);
      }
    });
  };

  function open(targets: readonly Target[], pendingOf: (name: string) => readonly Notification[]): void {
    refreshing.abort();
    refreshing = new AbortController();
    for (const outbox of outboxes) outbox.close();
    outboxes = targets.map((target) =>
      createOutbox({ target, pending: pendingOf(target.name), clock, logger, changed, ...(waits === undefined ? {} : { waits }) }),
    );
    for (const target of targets) if (target.refresh !== undefined) keepFresh(target, refreshing.signal);
  }

  function keepFresh({ name, refresh }: Target, signal: AbortSignal): void {
    if (refresh === undefined) return;
    const again = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(refresh.everyMs, signal);
        const firing = known.filter((alarm) => alarm.told !== null && categories.includes(alarm.category));
        if (firing.length === 0) continue;
        await refresh.send(firing.map((alarm) => notificationOf(alarm, "firing"))).catch((error: unknown) => logger.warn(`${name}: what is still so could not be said again: ${messageOf(error)}`));
      }
    };
    again().catch(() => undefined); // Only the signal ends the sleep.
  }

  const notificationOf = (alarm: Alarm & { readonly since: number }, kind: Notification["kind"]): Notification => {
    const { category, code, hint, message, server, since } = alarm;
    return { id: randomUUID(), kind, server, code, category, message, hint, since, at: clock.now() };
  };
  const tell = (alarm: Alarm & { readonly since: number }, kind: "firing" | "recovered"): void => {
    if (!categories.includes(alarm.category) || (kind === "recovered" && !categories.includes("recovered"))) return;
    const notification = notificationOf(alarm, kind);
    logger.info(`notification: ${kind} ${alarm.code}${alarm.server === null ? "" : ` of ${alarm.server}`}`, { id: notification.id, targets: outboxes.length });
    for (const outbox of outboxes) outbox.add(notification);
  };

  open(options.targets, (name) => options.memory.pending[name] ?? []);
  return {
    look(sight) {
      const change = takeIn(known, sight, clock.now(), { delayMs, notOverBefore });
      const before = known;
      known = change.known;
      for (const alarm of change.firing) tell(alarm, "firing");
      for (const alarm of change.recovered) tell(alarm, "recovered");
      if (change.firing.length > 0 || change.recovered.length > 0 || goneOf(before) !== goneOf(known)) changed();
    },
    happened: (alarm) => tell({ ...alarm, since: clock.now() }, "firing"),
    async test() {
      const alarm = { key: "", server: null, code: "NOTIFY_TEST", category: "other" as const, message: "this is a test of Moneta's notifications", hint: "Nothing is to be done.", since: clock.now() };
      const notification = notificationOf(alarm, "test");
      return Promise.all(
        outboxes.map(async (outbox): Promise<TestResult> => {
          const { name } = outbox.target;
          try {
            await outbox.target.send(notification);
            outbox.hurry();
            return { target: name, error: undefined };
          } catch (error) {
            return { target: name, error: toMonetaError(error) };
          }
        }),
      );
    },
    get failing() {
      return outboxes.flatMap(({ target, trouble, pending }) => (trouble === undefined ? [] : [{ target: target.name, error: trouble, pending: pending.length }]));
    },
    get targets() {
      return outboxes.length;
    },
    update(settings) {
      const pending = new Map(outboxes.map((outbox) => [outbox.target.name, outbox.pending]));
      ({ categories, delayMs } = settings);
      open(settings.targets, (name) => pending.get(name) ?? []);
      changed();
    },
    async close() {
      refreshing.abort();
      for (const outbox of outboxes) outbox.close();
      await writing;
    },
  };
}

/** Changes when one of them is seen, or not seen any more. */
const goneOf = (known: readonly KnownAlarm[]): string => known.map(({ key, told }) => `${key} ${told === null ? "" : "told"}`).join("\n");
