/** Reads every file of a backup as a restore does: one pass over its entries, several files at the same time. */
import { createWeightedTasks, throwIfAborted, type Clock } from "../common/index.ts";
import { createFileChecker, type FileChecker } from "../pipeline/index.ts";
import {
  backupFiles,
  hashStoredFile,
  readBackupFile,
  serverLayout,
  storedFileFacts,
  type BackupInfo,
  type BackupSource,
  type HashAlgorithm,
  type IndexedFile,
} from "../repository/index.ts";
import { createPageVerifier, isRelationFile, type PageReport, type PageVerifierOptions } from "../postgres/index.ts";
import { createCheckThreads, type CheckThreads } from "./check-thread.ts";
import { pathSeenFrom, type WalkContents } from "./contents.ts";
import { judge, type Finding, type Findings } from "./finding.ts";
import type { VerifiedFile, VerifyState } from "./verify-options.ts";

export interface FilesCheck {
  readonly source: BackupSource;
  readonly contents: WalkContents;
  readonly clock: Clock;
  readonly workers: number;
  /** Plain bytes of all files. */
  readonly bytes: number;
  /** The reading has a limit, which the storage keeps. */
  readonly paced: boolean;
  /** How the pages of the cluster are looked at; undefined when they have no checksums. */
  readonly pages: Omit<PageVerifierOptions, "path" | "startLsn"> | undefined;
  readonly proven: ReadonlySet<string>;
  readonly resume: VerifyState | undefined;
  readonly findings: Findings;
  readonly signal: AbortSignal;
  /** Called with the plain bytes of each file that is dealt with. */
  readonly done: (bytes: number) => void;
  readonly onFile: (file: VerifiedFile) => void;
  /** Called with states that are true: everything before them is dealt with. Undefined when nobody will go on there. */
  readonly reached: ((state: VerifyState) => Promise<void>) | undefined;
}

export interface CheckedFiles {
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
}

/** What reads and measures. */
interface Checkers {
  readonly checker: FileChecker;
  /** Undefined for a backup for which they are not worth their start. */
  readonly threads: CheckThreads | undefined;
}

/** Checks all of them. Throws what says nothing about a file: a missing key, the end of the job. */
export async function checkFiles(check: FilesCheck): Promise<CheckedFiles> {
  const { source, findings, resume, signal, reached } = check;
  const permits = Math.max(1, check.workers) * 4;
  const tasks = createWeightedTasks(permits, signal);
  const checker = createFileChecker({ threads: Math.max(1, check.workers) });
  const threads = areWorthThreads(check) ? createCheckThreads(Math.max(1, check.workers), source.storage.root) : undefined;
  tasks.signal.addEventListener("abort", () => void threads?.close(), { once: true });
  const { files = 0, bytes = 0, skipped = 0, skippedBytes = 0 } = resume ?? {};
  const sums = { files, bytes, skipped, skippedBytes };
  let told = { at: check.clock.monotonic(), cost: 0 };
  let number = 0;

  /** Nothing may be under way: a state is that everything before it is done. What could not be read is not. */
  const tell = async (): Promise<void> => {
    told = { at: check.clock.monotonic(), cost: 0 };
    if (findings.unreadCount > 0 || reached === undefined) return;
    await reached({ entries: number, ...sums, findings: [...findings.list], findingCount: findings.count, harmful: findings.harmful });
  };
  const isDue = (): boolean =>
    reached !== undefined && (!check.paced ? told.cost >= statesEvery : check.clock.monotonic() - told.at >= statesEveryMs);

  /** The proof of another backup is of its file: it says nothing of one that has taken the place of a further name of it. */
  const isProven = async (file: IndexedFile, { server, info, storage }: BackupSource): Promise<boolean> => {
    // The other backup began at another position: it may well have passed over a page that this one holds to be bad.
    if (info.own?.pageChecksums === "bad" && isRelationFile(pathInCluster(file.path))) return false;
    // pgmoneta. A whole backup that this one rests on has proven its own files. A link is read: whether it leads to the file
    // that it should lead to, only the digest in the manifest of this backup says.
    if (file.location !== undefined) return file.owner === undefined && info.label !== source.info.label && check.proven.has(info.label);
    if (file.owner === undefined || file.owner === info.label || !check.proven.has(file.owner)) return false;
    const name = file.path + file.suffix;
    const layout = serverLayout(server);
    return storage.isSameFile(layout.backupFile(info.label, name), layout.backupFile(file.owner, name));
  };

  const take = async (file: IndexedFile, member: BackupSource): Promise<void> => {
    tasks.check();
    if (await isProven(file, member)) {
      sums.skipped += 1;
      sums.skippedBytes += file.size;
      check.done(file.size);
      return;
    }
    if (isDue()) {
      await tasks.idle();
      tasks.check();
      await tell();
    }
    // A thread holds one small buffer, however many chunks a file has.
    const weight = threads === undefined ? Math.min(permits / 2, Math.max(1, file.chunks.length)) : 1;
    await tasks.start(weight, async () => {
      await checkFile(check, { ...member, signal: tasks.signal }, { checker, threads }, file, weight);
      // Only now: whoever waited for a large file from its beginning on would leave the other threads without work.
      told.cost += file.storedSize + fileCost;
      sums.files += 1;
      sums.bytes += file.size;
      check.done(file.size);
    });
  };

  try {
    await tasks.run(() =>
      check.contents(async (entry, member) => {
        throwIfAborted(tasks.signal);
        if (entry.kind === "file" && number >= (resume?.entries ?? 0)) await take(entry, member);
        number += 1;
      }),
    );
  } finally {
    await Promise.all([checker.close(), threads?.close()]);
  }
  await tell();
  return { files: sums.files, bytes: sums.bytes, skipped: sums.skipped };
}

/** A smaller backup is read before threads have started. */
const worthThreads = 16 * 1024 * 1024;

/** A limit for the reading is kept where all of it passes. */
function areWorthThreads({ bytes, paced, source: { storage, info } }: FilesCheck): boolean {
  const asItWas = info.own !== undefined && info.compression === "none" && info.encryption === "none";
  return asItWas && !paced && storage.threads && bytes >= worthThreads;
}

const hashOf = ({ own }: BackupInfo): HashAlgorithm => own?.hash ?? "sha512";

/** Bytes, small files counted with what they cost, after which everything under way is waited for to tell a state. */
const statesEvery = 512 * 1024 * 1024;
const fileCost = 64 * 1024;
/** Where the reading has a limit there is time for it. */
const statesEveryMs = 2000;

async function checkFile(check: FilesCheck, member: BackupSource, checkers: Checkers, file: IndexedFile, weight: number): Promise<void> {
  const { findings } = check;
  const { storage, server, info } = member;
  const { path, format } = storedFileFacts(server, info, file);
  const stored = pathSeenFrom(check.source, member, file.path + file.suffix);
  try {
    const report = file.location === undefined ? await readIndexed(check, member, checkers, file, weight) : await readPlainly(check, member, file);
    if (report !== undefined && report.badCount > 0) findings.add(pagesFinding(stored, file.digest, report));
    else check.onFile({ path: pathSeenFrom(check.source, member, file.path), digest: file.digest });
  } catch (error) {
    throwIfAborted(member.signal);
    const verdict = await judge(error, { storage, path, size: file.storedSize });
    if (!("kind" in verdict)) {
      findings.addUnread(verdict);
      return;
    }
    const plainly = verdict.kind === "changed" && !format.encrypted && format.compression === "none";
    findings.add({
      ...verdict,
      place: "backup",
      path: stored,
      harmful: true,
      original: file.digest,
      calculated: plainly ? await digestOf(member, path) : undefined,
    });
  }
}

/**
 * How the pages of a file are looked at; undefined when they are not. A backup of ours was looked at page for page as it came, in
 * the same way (`backup/page-check`). Where all of them were good then, a file that still has its digest has the same pages: a
 * second look could find nothing.
 */
function pagesOf({ pages }: FilesCheck, { info }: BackupSource, file: IndexedFile): PageVerifierOptions | undefined {
  if (pages === undefined || info.own?.pageChecksums === "good") return undefined;
  return { ...pages, startLsn: info.startLsn, path: pathInCluster(file.path) };
}

/** A file whose chunks are known. */
async function readIndexed(check: FilesCheck, member: BackupSource, { checker, threads }: Checkers, file: IndexedFile, weight: number): Promise<PageReport | undefined> {
  const { storage, server, info, keys: ring, signal: own } = member;
  const { path, format, expected } = storedFileFacts(server, info, file);
  const { chunks, headerSize } = file;
  const facts = { chunks, headerSize, hash: hashOf(info), expected, pages: pagesOf(check, member, file) };
  if (threads !== undefined && format.compression === "none" && !format.encrypted) return threads.check({ ...facts, path });
  const keys = format.encrypted ? await ring() : undefined;
  const reader = await storage.openFile(path);
  try {
    return await checker.check({ ...facts, source: reader, format, keys, concurrency: weight, signal: own ?? check.signal });
  } finally {
    await reader.close();
  }
}

/** A file that pgmoneta wrote: one piece after the other, as a restore reads it. */
async function readPlainly(check: FilesCheck, member: BackupSource, file: IndexedFile): Promise<PageReport | undefined> {
  const pages = pagesOf(check, member, file);
  const verifier = pages === undefined ? null : createPageVerifier(pages);
  await readBackupFile(member, file, 1, async (piece) => verifier?.update(piece));
  return verifier?.finish();
}

/** Of what was read as it lies there; undefined when it cannot be read a second time. */
async function digestOf({ storage, info }: BackupSource, path: string): Promise<string | undefined> {
  try {
    return await hashStoredFile(storage, path, hashOf(info));
  } catch {
    // It is reported as changed; more is not known of it.
    return undefined;
  }
}

function pagesFinding(path: string, original: string, { badCount, bad }: PageReport): Finding {
  const blocks = bad.map(({ block }) => block);
  const pages = badCount === 1 ? `page ${blocks[0] ?? 0} has a wrong checksum` : `${badCount} pages have a wrong checksum`;
  const reason = `${pages}: it was so on the server when the backup was taken`;
  return { kind: "bad-page", place: "backup", path, reason, harmful: false, original, calculated: original, blocks };
}

/** As PostgreSQL places relation files: below the data directory, or the location of a tablespace. */
function pathInCluster(path: string): string {
  return path.slice((path.startsWith(`${backupFiles.data}/`) ? backupFiles.data.length : path.indexOf("/")) + 1);
}
