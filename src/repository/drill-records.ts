/**
 * What drills proved: `drills.json` of a server, one record a drill with the newest last, and their reports beside it in
 * `drills/`. Two jobs that drilled may write at the same moment.
 */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isCount, isMoment, isText, type JsonObject } from "./json-shape.ts";
import { serverLayout } from "./layout.ts";

/** How one of the checks of a drill ended; null when it was not run. */
export type DrillCheck = "passed" | "failed" | null;

/** One drill. Times are milliseconds since 1970 UTC, durations milliseconds. */
export interface DrillRecord {
  /** Name of its reports, without the suffix. */
  readonly id: string;
  /** The backup; null when none could be chosen. */
  readonly label: string | null;
  readonly outcome: "proven" | "failed";
  readonly started: number;
  readonly ended: number;
  /** As the operator asked for it; null is the end of the archive. */
  readonly position: string | null;
  /** The last moment that the drilled server had: that of its last transaction, or the end of the backup. */
  readonly moment: number | null;
  readonly lsn: string | null;
  /** Until the files lay there, and until recovery had ended; null for a drill that did not come so far. */
  readonly restoreMs: number | null;
  readonly replayMs: number | null;
  readonly amcheck: DrillCheck;
  readonly sql: DrillCheck;
  /** Why it failed, in a sentence. */
  readonly reason: string | null;
}

/** The files of one drill. */
export interface DrillReports {
  readonly json: string;
  readonly html: string;
  /** Of the bytes of both, and the public key to check them with; undefined where there was no key to sign with. */
  readonly signed?: { readonly by: string; readonly publicKey: string; readonly json: Uint8Array; readonly html: Uint8Array } | undefined;
}

const forms = ["json", "html"] as const;

export interface DrillRecords {
  /** From the oldest on; a file that cannot be understood is kept aside, and the history begins anew. */
  list(): Promise<readonly DrillRecord[]>;
  /** The same, and changes nothing: undefined for a file that cannot be understood. */
  read(): Promise<readonly DrillRecord[] | undefined>;
  /** Writes the reports, then the record. Durable when it resolves. */
  add(record: DrillRecord, reports: DrillReports): Promise<void>;
}

const largestFile = 4 * 1024 * 1024;
/** So many are kept, with their reports; the newest that proved something always. */
const kept = 500;

/** @param setAside told the path of a damaged history that was kept */
export function openDrillRecords(
  storage: Storage,
  server: string,
  setAside: (path: string) => void = () => undefined,
): DrillRecords {
  const layout = serverLayout(server);
  const path = layout.drillHistory;

  async function textOf(): Promise<string | undefined> {
    const facts = await storage.stat(path);
    if (facts === undefined) return undefined;
    return facts.size > largestFile ? "" : (await storage.readFile(path, largestFile)).toString("utf8");
  }

  async function list(): Promise<readonly DrillRecord[]> {
    const text = await textOf();
    if (text === undefined) return [];
    const records = recordsIn(text);
    if (records !== undefined) return records;
    const aside = `${path}.damaged`;
    // As it is, also where it is no text, or too large to be read.
    await storage.removeFile(aside);
    await storage.move(path, aside);
    setAside(aside);
    return [];
  }

  async function addAlone(record: DrillRecord, reports: DrillReports): Promise<void> {
    const { signed } = reports;
    const records = [...(await list()), record];
    if (signed !== undefined) await storage.replaceFile(layout.drillSigner(signed.by), signed.publicKey);
    for (const form of forms) {
      await storage.replaceFile(layout.drillReport(record.id, form), reports[form]);
      if (signed !== undefined) await storage.replaceFile(layout.drillSignature(record.id, form), signed[form]);
    }
    const best = newestProven(records);
    const old = records.slice(0, -kept).filter((one) => one !== best);
    const stay = records.filter((one) => !old.includes(one));
    await storage.replaceFile(path, `${formatChecked({ version: 1, drills: stay })}\n`);
    for (const { id } of old) {
      for (const form of forms) {
        await storage.removeFile(layout.drillReport(id, form));
        await storage.removeFile(layout.drillSignature(id, form));
      }
    }
  }

  return {
    list,
    async read() {
      const text = await textOf();
      return text === undefined ? [] : recordsIn(text);
    },
    add: (record, reports) => storage.exclusively(layout.drills, () => addAlone(record, reports)),
  };
}

function recordsIn(text: string): readonly DrillRecord[] | undefined {
  const document = parseChecked(text);
  if (document?.version !== 1 || !Array.isArray(document.drills)) return undefined;
  const records: DrillRecord[] = [];
  for (const value of document.drills as unknown[]) {
    const record = recordOf(value);
    if (record === undefined) return undefined;
    records.push(record);
  }
  return records;
}

/** The drill that proved the newest moment. */
export function newestProven(records: readonly DrillRecord[]): DrillRecord | undefined {
  const proven = records.filter(({ outcome, moment }) => outcome === "proven" && moment !== null);
  return proven.reduce<DrillRecord | undefined>(
    (best, one) => ((best?.moment ?? -1) <= (one.moment ?? 0) ? one : best),
    undefined,
  );
}

/** What is known of a backup: when a drill last proved it, and why the last one failed, if it did. */
export function drillsOf(
  label: string,
  records: readonly DrillRecord[],
): { readonly provenAt?: number; readonly drillFailure?: string } {
  const own = records.filter((record) => record.label === label);
  const proven = own.filter(({ outcome }) => outcome === "proven").at(-1);
  const last = own.at(-1);
  return {
    ...(proven === undefined ? {} : { provenAt: proven.ended }),
    ...(last?.outcome === "failed" ? { drillFailure: last.reason ?? "see its report" } : {}),
  };
}

/** Labels of the backups whose last drill failed. */
export function failedDrills(records: readonly DrillRecord[]): ReadonlySet<string> {
  const failed = new Set<string>();
  for (const { label, outcome } of records) {
    if (label === null) continue;
    if (outcome === "failed") failed.add(label);
    else failed.delete(label);
  }
  return failed;
}

const isNullOr = <T>(is: (value: unknown) => value is T, value: unknown): value is T | null =>
  value === null || is(value);
const isCheck = (value: unknown): value is DrillCheck => value === null || value === "passed" || value === "failed";

function recordOf(value: unknown): DrillRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, label, outcome, started, ended, position, moment, lsn, restoreMs, replayMs, amcheck, sql, reason } =
    value as JsonObject;
  if (!isText(id) || !/^[0-9A-Za-z-]{1,100}$/.test(id) || !isNullOr(isText, label)) return undefined;
  if (outcome !== "proven" && outcome !== "failed") return undefined;
  if (!isMoment(started) || !isMoment(ended) || !isNullOr(isText, position) || !isNullOr(isMoment, moment))
    return undefined;
  if (!isNullOr(isText, lsn) || !isNullOr(isCount, restoreMs) || !isNullOr(isCount, replayMs)) return undefined;
  if (!isCheck(amcheck) || !isCheck(sql) || !isNullOr(isText, reason)) return undefined;
  return { id, label, outcome, started, ended, position, moment, lsn, restoreMs, replayMs, amcheck, sql, reason };
}
