/**
 * What was told and what still has to be delivered: `.moneta_notifications.json` in `base_dir`, so that a restart tells
 * nothing twice and forgets nothing. One writer: the supervisor. What is in the entries is the notifier's business.
 */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import type { JsonObject } from "./json-shape.ts";
import { notificationsName } from "./layout.ts";

export interface NotificationRecords {
  /** Nothing where there is no file, or one that cannot be understood. */
  read(): Promise<{ readonly known: readonly JsonObject[]; readonly pending: Readonly<Record<string, readonly JsonObject[]>> }>;
  /** Durable when it resolves. */
  write(records: { readonly known: readonly object[]; readonly pending: Readonly<Record<string, readonly object[]>> }): Promise<void>;
}

const largestFile = 16 * 1024 * 1024;

const objects = (value: unknown): JsonObject[] =>
  Array.isArray(value) ? value.filter((item): item is JsonObject => typeof item === "object" && item !== null && !Array.isArray(item)) : [];

export function openNotificationRecords(storage: Storage): NotificationRecords {
  return {
    async read() {
      const facts = await storage.stat(notificationsName);
      if (facts?.kind !== "file" || facts.size > largestFile) return { known: [], pending: {} };
      const document = parseChecked((await storage.readFile(notificationsName, largestFile)).toString("utf8"));
      if (document?.["version"] !== 1) return { known: [], pending: {} };
      const { known, pending } = document;
      const lists = typeof pending === "object" && pending !== null ? Object.entries(pending) : [];
      return { known: objects(known), pending: Object.fromEntries(lists.map(([target, list]) => [target, objects(list)])) };
    },
    async write(records) {
      await storage.replaceFile(notificationsName, `${formatChecked({ version: 1, ...records })}\n`);
    },
  };
}
