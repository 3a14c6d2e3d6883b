/**
 * What was started by itself, and what was not: `schedule.json` of a server. It survives a restart, so that no run is
 * made twice and none is forgotten. One writer: the supervisor.
 */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isMoment, isText, type JsonObject } from "./json-shape.ts";
import { serverLayout } from "./layout.ts";

export type ScheduledKind = "backup" | "drill";
export const scheduledKinds: readonly ScheduledKind[] = ["backup", "drill"];

/** Times are milliseconds since 1970 UTC. */
export interface ScheduledRun {
  /** Of the cron expression. */
  readonly moment: number;
  readonly started: number;
  readonly outcome: "running" | "succeeded" | "failed" | "cancelled";
  /** Null while it runs. */
  readonly ended: number | null;
  /** Why it did not succeed. */
  readonly message: string | null;
}

export interface SkippedRun {
  readonly moment: number;
  readonly at: number;
  readonly reason: string;
}

export interface ScheduleRecord {
  /** Expression and time zone: what was handled of another one says nothing. */
  readonly expression: string;
  /** Since when this is the schedule. */
  readonly since: number;
  /** Moments up to here were run or skipped. */
  readonly handledUntil: number;
  readonly last: ScheduledRun | null;
  readonly skipped: SkippedRun | null;
}

export type ScheduleRecordsOf = Readonly<Partial<Record<ScheduledKind, ScheduleRecord>>>;

export interface ScheduleRecords {
  /** Nothing where there is no file, or one that cannot be understood: then everything begins anew. */
  read(): Promise<ScheduleRecordsOf>;
  /** Durable when it resolves. */
  write(records: ScheduleRecordsOf): Promise<void>;
}

const largestFile = 64 * 1024;

export function openScheduleRecords(storage: Storage, server: string): ScheduleRecords {
  const layout = serverLayout(server);
  return {
    async read() {
      const facts = await storage.stat(layout.schedule);
      if (facts?.kind !== "file" || facts.size > largestFile) return {};
      const document = parseChecked((await storage.readFile(layout.schedule, largestFile)).toString("utf8"));
      if (document?.version !== 1) return {};
      const records = scheduledKinds.map((kind) => [kind, recordOf(document[kind])] as const);
      return Object.fromEntries(records.filter(([, record]) => record !== undefined));
    },
    async write(records) {
      await storage.makeDirectory(layout.directory);
      await storage.replaceFile(layout.schedule, `${formatChecked({ version: 1, ...records })}\n`);
    },
  };
}

const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;

function recordOf(value: unknown): ScheduleRecord | undefined {
  const { expression, since, handledUntil, last, skipped } = objectOf(value) ?? {};
  if (!isText(expression) || !isMoment(since) || !isMoment(handledUntil)) return undefined;
  const run = last === null ? null : runOf(last);
  const miss = skipped === null ? null : skippedOf(skipped);
  return run === undefined || miss === undefined
    ? undefined
    : { expression, since, handledUntil, last: run, skipped: miss };
}

const outcomes = ["running", "succeeded", "failed", "cancelled"] as const;

function runOf(value: unknown): ScheduledRun | undefined {
  const { moment, started, outcome, ended, message } = objectOf(value) ?? {};
  const known = outcomes.find((one) => one === outcome);
  if (!isMoment(moment) || !isMoment(started) || known === undefined) return undefined;
  if (!(ended === null || isMoment(ended)) || !(message === null || isText(message))) return undefined;
  return { moment, started, outcome: known, ended, message };
}

function skippedOf(value: unknown): SkippedRun | undefined {
  const { moment, at, reason } = objectOf(value) ?? {};
  return isMoment(moment) && isMoment(at) && isText(reason) ? { moment, at, reason } : undefined;
}
