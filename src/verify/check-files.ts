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
import { createPageVerifier, type PageReport, type PageVerifierOptions } from "../postgres/index.ts";
import { pathSeenFrom, type WalkContents } from "./contents.ts";
import { judge, type Finding, type Findings } from "./finding.ts";
import { paced, type Pace } from "./pace.ts";
import type { VerifiedFile, VerifyState } from "./verify-options.ts";

export interface FilesCheck {
  readonly source: BackupSource;
  readonly contents: WalkContents;
  readonly clock: Clock;
  readonly workers: number;
  readonly pace: Pace | undefined;
  /** How pages are to be looked at; undefined when the cluster had no checksums. */
  readonly pages: Omit<PageVerifierOptions, "path"> | undefined;
  readonly proven: ReadonlySet<string>;
  readonly resume: VerifyState | undefined;
  readonly findings: Findings;
  readonly signal: AbortSignal;
  /** Called with the plain bytes of each file that is dealt with. */
  readonly done: (bytes: number) => void;
  readonly onFile: (file: VerifiedFile) => void;
  /** Called with states that are true: everything before them is dealt with. */
  readonly reached: (state: VerifyState) => Promise<void>;
}

export interface CheckedFiles {
  readonly files: number;
  readonly bytes: number;
  readonly skipped: number;
}

/** Checks all of them. Throws what says nothing about a file: a missing key, the end of the job. */
export async function checkFiles(check: FilesCheck): Promise<CheckedFiles> {
  const { source, findings, resume, signal } = check;
  const permits = Math.max(1, check.workers) * 4;
  const tasks = createWeightedTasks(permits, signal);
  const checker = createFileChecker({ threads: Math.max(1, check.workers) });
  const sums = { files: resume?.files ?? 0, bytes: resume?.bytes ?? 0, skipped: 0 };
  let told = { at: check.clock.monotonic(), cost: 0 };
  let number = 0;

  /** Nothing may be under way: a state is that everything before it is done. What could not be read is not. */
  const tell = async (): Promise<void> => {
    told = { at: check.clock.monotonic(), cost: 0 };
    if (findings.unreadCount > 0) return;
    const { files, bytes } = sums;
    await check.reached({ entries: number, files, bytes, findings: [...findings.list], findingCount: findings.count, harmful: findings.harmful });
  };
  const isDue = (): boolean =>
    check.pace === undefined ? told.cost >= statesEvery : check.clock.monotonic() - told.at >= statesEveryMs;

  /** The proof of another backup is of its file: it says nothing of one that has taken the place of a further name of it. */
  const isProven = async (file: IndexedFile, { server, info, storage }: BackupSource): Promise<boolean> => {
    // Of a link of pgmoneta's, and of a whole backup that another one rests on, there is no other place.
    if (file.location !== undefined) {
      const owner = file.owner ?? info.label;
      return owner !== source.info.label && check.proven.has(owner);
    }
    if (file.owner === undefined || file.owner === info.label || !check.proven.has(file.owner)) return false;
    const name = file.path + file.suffix;
    const layout = serverLayout(server);
    return storage.isSameFile(layout.backupFile(info.label, name), layout.backupFile(file.owner, name));
  };

  const take = async (file: IndexedFile, member: BackupSource): Promise<void> => {
    tasks.check();
    if (await isProven(file, member)) {
      sums.skipped += 1;
      check.done(file.size);
      return;
    }
    if (isDue()) {
      await tasks.idle();
      tasks.check();
      await tell();
    }
    const weight = Math.min(permits / 2, Math.max(1, file.chunks.length));
    told.cost += file.storedSize + fileCost;
    await tasks.start(weight, async () => {
      await checkFile(check, { ...member, signal: tasks.signal }, checker, file, weight);
      sums.files += 1;
      sums.bytes += file.size;
      check.done(file.size);
    });
  };

  try {
    await tasks.run(() =>
      check.contents(async (entry, member) => {
        if (entry.kind === "file" && number >= (resume?.entries ?? 0)) await take(entry, member);
        number += 1;
      }),
    );
  } finally {
    await checker.close();
  }
  await tell();
  return sums;
}

const hashOf = ({ own }: BackupInfo): HashAlgorithm => own?.hash ?? "sha512";

/** Bytes, small files counted with what they cost, after which everything under way is waited for to tell a state. */
const statesEvery = 512 * 1024 * 1024;
const fileCost = 64 * 1024;
/** Where the reading has a limit there is time for it. */
const statesEveryMs = 2000;

async function checkFile(check: FilesCheck, member: BackupSource, checker: FileChecker, file: IndexedFile, weight: number): Promise<void> {
  const { findings } = check;
  const { storage, server, info } = member;
  const { path, format } = storedFileFacts(server, info, file);
  const stored = pathSeenFrom(check.source, member, file.path + file.suffix);
  try {
    const report = file.location === undefined ? await readIndexed(check, member, checker, file, weight) : await readPlainly(check, member, file);
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

/** A file whose chunks are known. */
async function readIndexed(
  { pace, pages, signal }: FilesCheck,
  { storage, server, info, keys: ring, signal: own }: BackupSource,
  checker: FileChecker,
  file: IndexedFile,
  weight: number,
): Promise<PageReport | undefined> {
  const { path, format, expected } = storedFileFacts(server, info, file);
  const keys = format.encrypted ? await ring() : undefined;
  const reader = paced(await storage.openFile(path), pace);
  try {
    return await checker.check({
      source: reader,
      format,
      keys,
      chunks: file.chunks,
      headerSize: file.headerSize,
      hash: hashOf(info),
      expected,
      pages: pages === undefined ? undefined : { ...pages, path: pathInCluster(file.path) },
      concurrency: weight,
      signal: own ?? signal,
    });
  } finally {
    await reader.close();
  }
}

/** A file that pgmoneta wrote: one piece after the other, as a restore reads it. */
async function readPlainly({ pace, pages }: FilesCheck, member: BackupSource, file: IndexedFile): Promise<PageReport | undefined> {
  const { storage } = member;
  const slow = { ...storage, openFile: async (path: string) => paced(await storage.openFile(path), pace) };
  const verifier = pages === undefined ? null : createPageVerifier({ ...pages, startLsn: member.info.startLsn, path: pathInCluster(file.path) });
  await readBackupFile({ ...member, storage: slow }, file, 1, async (piece) => verifier?.update(piece));
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
