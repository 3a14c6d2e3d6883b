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

/** What a verification that found damage, or could not read a file, says about files which other backups have as well. */
export interface Doubt {
  /** When it was known: a verification that began before says nothing against it. */
  readonly since: number;
  /** Labels of the backups that stored the files of the verified one, its own among them; see `ownersOf`. */
  readonly owners: readonly string[];
}

export interface Verifications {
  readonly backups: ReadonlyMap<string, Verification>;
  /** By the label of the backup that was verified. They outlive it: others can have the same files. */
  readonly doubts: ReadonlyMap<string, Doubt>;
  readonly unfinished: UnfinishedVerification | undefined;
}

export interface VerificationStore {
  /** A file that cannot be understood proves nothing: it is as if there were none. */
  read(): Promise<Verifications>;
  /**
   * Records the outcome of a backup, and ends what was unfinished of it; backups that are not in `labels` are forgotten. One that
   * is not `bad` takes the doubt back that an earlier verification left.
   */
  record(label: string, verification: Verification, labels: ReadonlySet<string>): Promise<void>;
  /** Records that the files of a backup are no longer to be relied on. */
  doubt(label: string, doubt: Doubt): Promise<void>;
  /** Records how far a verification is. */
  checkpoint(unfinished: UnfinishedVerification): Promise<void>;
}

/** A file of a thousand backups has 300 kB; one with a thousand findings as much again. */
const largestFile = 16 * 1024 * 1024;
const nothing: Verifications = { backups: new Map(), doubts: new Map(), unfinished: undefined };

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
    return { backups, doubts: doubtsOf(document.doubts), unfinished: unfinishedOf(document.unfinished) };
  }

  async function write({ backups, doubts, unfinished }: Verifications): Promise<void> {
    const document = { version: 1, backups: Object.fromEntries(backups), doubts: Object.fromEntries(doubts), unfinished: unfinished ?? null };
    await storage.replaceFile(path, `${formatChecked(document)}\n`);
  }

  return {
    read,
    async record(label, verification, labels) {
      const before = await read();
      const backups = new Map([...before.backups].filter(([each]) => labels.has(each)));
      backups.set(label, verification);
      const doubts = new Map(before.doubts);
      if (verification.outcome !== "bad" && verification.began >= (doubts.get(label)?.since ?? 0)) doubts.delete(label);
      await write({ backups, doubts, unfinished: before.unfinished?.label === label ? undefined : before.unfinished });
    },
    async doubt(label, doubt) {
      const before = await read();
      await write({ ...before, doubts: new Map(before.doubts).set(label, doubt) });
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

function doubtsOf(value: unknown): ReadonlyMap<string, Doubt> {
  const doubts = new Map<string, Doubt>();
  if (typeof value !== "object" || value === null) return doubts;
  for (const [label, doubt] of Object.entries(value as JsonObject)) {
    if (!isLabel(label) || typeof doubt !== "object" || doubt === null) continue;
    const { since, owners } = doubt as JsonObject;
    if (isMoment(since) && Array.isArray(owners)) doubts.set(label, { since, owners: (owners as unknown[]).filter((owner): owner is string => typeof owner === "string") });
  }
  return doubts;
}

function unfinishedOf(value: unknown): UnfinishedVerification | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { label, began, entries, files, bytes, skipped, skippedBytes, findingCount, harmful, findings } = value as JsonObject;
  if (!isText(label) || !isLabel(label) || !isMoment(began) || !isCount(entries) || !isCount(files) || !isCount(bytes)) return undefined;
  if (!isCount(skipped) || !isCount(skippedBytes) || !isCount(findingCount) || !isCount(harmful) || !Array.isArray(findings)) return undefined;
  const noted = (findings as unknown[]).filter((one): one is NotedFinding => typeof one === "object" && one !== null);
  return noted.length === findings.length ? { label, began, entries, files, bytes, skipped, skippedBytes, findingCount, harmful, findings: noted } : undefined;
}
