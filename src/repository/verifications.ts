/**
 * What verifications found: `verified.json` of a server, the last outcome of each backup, and how far one is that was
 * stopped. One writer a server: the job that verifies. Format: doc/formats/repository.md.
 */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isCount, isMoment, isText, type JsonObject } from "./json-shape.ts";
import { isLabel, serverLayout } from "./layout.ts";

/** The last verification of a backup that came to an end. Times are milliseconds since 1970 UTC. */
export interface Verification {
  /** When it began to read: everything was read after that. */
  readonly began: number;
  readonly ended: number;
  /** `bad`: it cannot be restored, and is marked; `remarks`: something was found that does not hinder a restore. */
  readonly outcome: "good" | "remarks" | "bad";
  readonly files: number;
  /** Plain bytes. */
  readonly bytes: number;
  readonly findings: number;
  /** The first thing that was found, in a sentence. */
  readonly reason: string | null;
}

/** A finding of a verification that is not at its end, as plain values. */
export type NotedFinding = JsonObject;

/** A verification that was stopped, or goes on. */
export interface UnfinishedVerification {
  readonly label: string;
  readonly began: number;
  /** Entries of the chunk index that are dealt with. */
  readonly entries: number;
  readonly files: number;
  readonly bytes: number;
  /** Files that were not read because another backup has them, and their plain bytes. */
  readonly skipped: number;
  readonly skippedBytes: number;
  readonly findingCount: number;
  readonly harmful: number;
  readonly findings: readonly NotedFinding[];
}

export interface Verifications {
  readonly backups: ReadonlyMap<string, Verification>;
  readonly unfinished: UnfinishedVerification | undefined;
}

export interface VerificationStore {
  /** A file that cannot be understood proves nothing: it is as if there were none. */
  read(): Promise<Verifications>;
  /** Records the outcome of a backup, and ends what was unfinished of it; backups that are not in `labels` are forgotten. */
  record(label: string, verification: Verification, labels: ReadonlySet<string>): Promise<void>;
  /** Records how far a verification is. */
  checkpoint(unfinished: UnfinishedVerification): Promise<void>;
}

/** A file of a thousand backups has 300 kB; one with a thousand findings as much again. */
const largestFile = 16 * 1024 * 1024;
const nothing: Verifications = { backups: new Map(), unfinished: undefined };

export function openVerifications(storage: Storage, server: string): VerificationStore {
  const path = serverLayout(server).verified;

  async function read(): Promise<Verifications> {
    const facts = await storage.stat(path);
    if (facts?.kind !== "file" || facts.size > largestFile) return nothing;
    const document = parseChecked((await storage.readFile(path, largestFile)).toString("utf8"));
    if (document?.version !== 1 || typeof document.backups !== "object" || document.backups === null) return nothing;
    const backups = new Map<string, Verification>();
    for (const [label, value] of Object.entries(document.backups)) {
      const verification = verificationOf(value);
      if (isLabel(label) && verification !== undefined) backups.set(label, verification);
    }
    return { backups, unfinished: unfinishedOf(document.unfinished) };
  }

  async function write({ backups, unfinished }: Verifications): Promise<void> {
    const document = { version: 1, backups: Object.fromEntries(backups), unfinished: unfinished ?? null };
    await storage.replaceFile(path, `${formatChecked(document)}\n`);
  }

  return {
    read,
    async record(label, verification, labels) {
      const before = await read();
      const backups = new Map([...before.backups].filter(([each]) => labels.has(each)));
      backups.set(label, verification);
      await write({ backups, unfinished: before.unfinished?.label === label ? undefined : before.unfinished });
    },
    async checkpoint(unfinished) {
      await write({ ...(await read()), unfinished });
    },
  };
}

function verificationOf(value: unknown): Verification | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { began, ended, outcome, files, bytes, findings, reason } = value as JsonObject;
  if (outcome !== "good" && outcome !== "remarks" && outcome !== "bad") return undefined;
  if (!isMoment(began) || !isMoment(ended) || !isCount(files) || !isCount(bytes) || !isCount(findings)) return undefined;
  if (reason !== null && !isText(reason)) return undefined;
  return { began, ended, outcome, files, bytes, findings, reason };
}

function unfinishedOf(value: unknown): UnfinishedVerification | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { label, began, entries, files, bytes, skipped, skippedBytes, findingCount, harmful, findings } = value as JsonObject;
  if (!isText(label) || !isLabel(label) || !isMoment(began) || !isCount(entries) || !isCount(files) || !isCount(bytes)) return undefined;
  if (!isCount(skipped) || !isCount(skippedBytes) || !isCount(findingCount) || !isCount(harmful) || !Array.isArray(findings)) return undefined;
  const noted = (findings as unknown[]).filter((one): one is NotedFinding => typeof one === "object" && one !== null);
  return noted.length === findings.length ? { label, began, entries, files, bytes, skipped, skippedBytes, findingCount, harmful, findings: noted } : undefined;
}
