/** What a verification finds, and how a failure to read becomes one. */
import { MonetaError, messageOf, toMonetaError } from "../common/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { pipelineErrors } from "../pipeline/index.ts";
import { createPathFingerprints } from "../postgres/index.ts";
import { repositoryErrors } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";

/** `bad-page`: the file is what the server sent, but pages of it had a wrong checksum there already. */
export type FindingKind = "missing" | "changed" | "truncated" | "surplus" | "bad-page";

/** Where the file lies: within the backup, or among the WAL of the server. */
export type FindingPlace = "backup" | "wal";

export interface Finding {
  readonly kind: FindingKind;
  readonly place: FindingPlace;
  /** As stored, relative to the directory of the backup or of the WAL; of WAL at least the name of the segment. */
  readonly path: string;
  /** A sentence for the operator. */
  readonly reason: string;
  /** A restore is not possible, or would refuse the file. */
  readonly harmful: boolean;
  /** Digest that the plain bytes are due to have; undefined for what has none. */
  readonly original?: string | undefined;
  /** Digest that they have, where they could be read. */
  readonly calculated?: string | undefined;
  /** The first bad pages by their number in the file. */
  readonly blocks?: readonly number[] | undefined;
}

/** A file that could not be read for a reason that says nothing about its bytes: a failing disk, missing permission. */
export interface Unread {
  readonly path: string;
  readonly reason: string;
}

/** The findings are kept up to this number, all are counted. */
export const largestFindings = 1000;

export interface Findings {
  add(finding: Finding): void;
  /** A path that is in `unread` already is not counted again: some files are read more than once. */
  addUnread(unread: Unread): void;
  readonly list: readonly Finding[];
  readonly unread: readonly Unread[];
  readonly count: number;
  readonly harmful: number;
  readonly unreadCount: number;
}

/** @param before what an earlier part of the same verification found */
export function createFindings(before: { readonly list: readonly Finding[]; readonly count: number; readonly harmful: number } | undefined): Findings {
  const list: Finding[] = [...(before?.list ?? [])];
  const unread = new Map<string, Unread>();
  let count = before?.count ?? 0;
  let harmful = before?.harmful ?? 0;
  let unreadCount = 0;
  return {
    add(finding) {
      count += 1;
      if (finding.harmful) harmful += 1;
      if (list.length < largestFindings) list.push(finding);
    },
    addUnread(one) {
      if (unread.has(one.path)) return;
      unreadCount += 1;
      if (unread.size < largestFindings) unread.set(one.path, one);
    },
    list,
    get unread() {
      return [...unread.values()];
    },
    get count() {
      return count;
    },
    get harmful() {
      return harmful;
    },
    get unreadCount() {
      return unreadCount;
    },
  };
}

/** Findings to which a part of a verification adds. */
export type NewFindings = Pick<Findings, "add" | "addUnread" | "harmful">;

/**
 * The same findings, which take nothing that they have already, or that came this way before: for what is looked at twice,
 * and for what is looked for again after a stop.
 */
export function onlyNew(findings: Findings): NewFindings {
  const known = createPathFingerprints();
  const isNew = ({ kind, place, path }: Finding): boolean => known.add(Buffer.from(`${kind} ${place} ${path}`));
  for (const finding of findings.list) isNew(finding);
  return {
    add(finding) {
      if (isNew(finding)) findings.add(finding);
    },
    addUnread: (unread) => findings.addUnread(unread),
    get harmful() {
      return findings.harmful;
    },
  };
}

/** The size of a file that cannot be read to its end is not what was stored, or its bytes are not. */
async function kindOfDamage(storage: Storage, path: string, size: number | undefined): Promise<FindingKind> {
  const facts = await storage.stat(path);
  if (facts === undefined) return "missing";
  return size !== undefined && facts.kind === "file" && facts.size < size ? "truncated" : "changed";
}

/** What is known of a file that could not be read as it was stored. */
export interface FailedFile {
  readonly storage: Storage;
  /** In the repository. */
  readonly path: string;
  /** Bytes that it is due to have; undefined while nobody knows. */
  readonly size: number | undefined;
}

/**
 * What an error says about the file that was read: that it is damaged, that it could not be read, or nothing, and then it
 * is thrown: a key that is missing, or the end of the whole job.
 */
export async function judge(error: unknown, file: FailedFile): Promise<{ readonly kind: FindingKind; readonly reason: string } | Unread> {
  const { storage, path, size } = file;
  const reason = messageOf(error);
  if (!(error instanceof MonetaError)) throw toMonetaError(error);
  const damage = [
    pipelineErrors.damaged,
    repositoryErrors.walDamaged,
    repositoryErrors.backupDamaged,
    encryptionErrors.malformed,
    encryptionErrors.notAuthentic,
    // The key of the backup is there: the header of this file names another one.
    encryptionErrors.keyUnknown,
    storageErrors.fileShrank,
  ];
  if (damage.some((known) => known.is(error))) return { kind: await kindOfDamage(storage, path, size), reason };
  if (storageErrors.notFound.is(error)) return { kind: "missing", reason: "it is not there" };
  // Something that is no directory stands above it, or a link that leads in a circle.
  if (storageErrors.pathRefused.is(error)) return { kind: "missing", reason };
  if (storageErrors.failed.is(error) && (await isNoFile(storage, path))) return { kind: "changed", reason };
  const failing = Object.values(storageErrors).some((known) => known.is(error));
  if (!failing) throw toMonetaError(error);
  return { path, reason };
}

async function isNoFile(storage: Storage, path: string): Promise<boolean> {
  const facts = await storage.stat(path);
  return facts !== undefined && facts.kind !== "file";
}
