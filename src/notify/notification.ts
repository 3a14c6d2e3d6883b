/** What a target is told. */
import type { NotifyCategory } from "./options.ts";

export type NotificationKind = "firing" | "recovered" | "test";

export interface Notification {
  /** Different for each one, the same for every attempt and every target. */
  readonly id: string;
  readonly kind: NotificationKind;
  /** Null where it is about the daemon. */
  readonly server: string | null;
  /** Code of the alarm. */
  readonly code: string;
  readonly category: NotifyCategory;
  readonly message: string;
  readonly hint: string;
  /** Since when it is so, and when this was decided: milliseconds since 1970. */
  readonly since: number;
  readonly at: number;
}

/** Something that is wrong at the moment, or that happened. */
export interface Alarm {
  /** The same as long as it is the same trouble. */
  readonly key: string;
  readonly server: string | null;
  readonly code: string;
  readonly category: NotifyCategory;
  readonly message: string;
  readonly hint: string;
}

export const subjectOf = ({ kind, server, code }: Notification): string => {
  const what = kind === "test" ? "this is a test" : kind === "recovered" ? `${code} is over` : code;
  return `[Moneta] ${server === null ? "" : `${server}: `}${what}`;
};

/** For people, several lines. */
export function textOf(notification: Notification): string[] {
  const { kind, message, hint, since, at, server, code } = notification;
  const where = server === null ? [] : [`Server:   ${server}`];
  const when = kind === "firing" ? [`Since:    ${isoTime(since)}`] : kind === "recovered" ? [`From:     ${isoTime(since)}`, `To:       ${isoTime(at)}`] : [];
  return [kind === "recovered" ? `This is over: ${message}` : message, "", ...where, `Code:     ${code}`, ...when, ...(kind === "firing" ? ["", hint] : [])];
}

export const isoTime = (ms: number): string => new Date(ms).toISOString();
