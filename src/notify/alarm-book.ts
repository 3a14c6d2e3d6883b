/**
 * Which alarms are told and which are over: one notification when a trouble has lasted, one when it has been gone as
 * long, however often somebody looks. Pure; times are milliseconds since 1970.
 */
import type { Alarm } from "./notification.ts";

export interface KnownAlarm extends Alarm {
  /** When it was first seen. */
  readonly since: number;
  /** When it was told of; null while it has not lasted. */
  readonly told: number | null;
  /** Since when it is not seen any more. */
  readonly goneSince: number | null;
}

export interface BookChange {
  readonly firing: readonly KnownAlarm[];
  readonly recovered: readonly KnownAlarm[];
  readonly known: readonly KnownAlarm[];
}

/** What somebody who looked has seen. */
export interface Sight {
  readonly alarms: readonly Alarm[];
  /** Whether an alarm that is not among them could not be looked for: then nobody knows that it is over. Default: all were. */
  readonly unseen?: (key: string) => boolean;
}

export interface BookRules {
  /** How long an alarm has to last, and to be gone. */
  readonly delayMs: number;
  /** Nothing is over before this moment: a daemon that has just started has not seen everything. */
  readonly notOverBefore: number;
}

/** Takes in what is wrong at `now`. */
export function takeIn(known: readonly KnownAlarm[], { alarms, unseen = () => false }: Sight, now: number, { delayMs, notOverBefore }: BookRules): BookChange {
  const present = new Map(alarms.map((alarm) => [alarm.key, alarm]));
  const firing: KnownAlarm[] = [];
  const recovered: KnownAlarm[] = [];
  const next: KnownAlarm[] = [];
  for (const before of known) {
    const alarm = present.get(before.key);
    present.delete(before.key);
    if (alarm !== undefined) {
      // The first message stays as long as it was told; what was not told yet is told as it is now.
      const kept = before.told === null ? { ...before, ...alarm } : before;
      next.push(fire({ ...kept, goneSince: null }));
      continue;
    }
    // What never lasted was never told, and its end is nobody's business.
    if (before.told === null) continue;
    if (unseen(before.key)) {
      next.push({ ...before, goneSince: null });
      continue;
    }
    const goneSince = Math.min(before.goneSince ?? now, now);
    if (now >= notOverBefore && now - goneSince >= delayMs) recovered.push({ ...before, goneSince });
    else next.push({ ...before, goneSince });
  }
  for (const alarm of present.values()) next.push(fire({ ...alarm, since: now, told: null, goneSince: null }));
  return { firing, recovered, known: next };

  function fire(alarm: KnownAlarm): KnownAlarm {
    if (alarm.told !== null || now - alarm.since < delayMs) return alarm;
    const told = { ...alarm, told: now };
    firing.push(told);
    return told;
  }
}
