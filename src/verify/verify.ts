/** Reading a backup back without restoring it: every stored byte, and the WAL that makes it consistent. */
import { commonErrors, MonetaError, throwIfAborted } from "../common/index.ts";
import { parseBackupLabel, parseControlFile, type PageVerifierOptions, type TimelineHistory } from "../postgres/index.ts";
import {
  openCatalog,
  openWalInventory,
  readBackupFile,
  repositoryErrors,
  type BackupInfo,
  type BackupSource,
  type IndexedFile,
  type KeyRing,
  type OwnFacts,
  type WalInventory,
  type WalSource,
} from "../repository/index.ts";
import { storageErrors } from "../storage/index.ts";
import { checkFiles, type CheckedFiles } from "./check-files.ts";
import { checkMetadata } from "./check-metadata.ts";
import { checkWal } from "./check-wal.ts";
import { verifyErrors } from "./errors.ts";
import { createFindings, judge, type Findings } from "./finding.ts";
import { createPace } from "./pace.ts";
import { findSurplus, survey } from "./survey.ts";
import type { VerifyDependencies, VerifyOptions, VerifyReport } from "./verify-options.ts";

/** Metadata of a relation file's neighbours: a text of people has never more. Bytes. */
const largestSmallFile = 16 * 1024 * 1024;

/**
 * Verifies. What is wrong is in the report; thrown is what makes a verification impossible: a backup that is not there
 * or whose `backup.info` cannot be trusted, a missing key, the end of the job.
 */
export async function verify(options: VerifyOptions, deps: VerifyDependencies): Promise<VerifyReport> {
  const { storage, server, rateBytes } = options;
  const { clock, logger, signal } = deps;
  const began = clock.monotonic();
  throwIfAborted(signal);
  const info = await openCatalog(storage, server).find(options.backup);
  const own = requireOwn(info, server);
  const keys = once(options.keys);
  const source: BackupSource = { storage, server, info, keys, signal };
  const pace = createPace(rateBytes, clock, signal);
  const findings = createFindings(options.resume === undefined ? undefined : resumed(options.resume));
  if (info.encryption !== "none") await requireKey(keys, own, server);
  logger.info(`verifies backup ${info.label}`, { files: own.fileCount, bytes: info.restoredBytes, from: options.resume?.entries ?? 0 });

  const metadata = await checkMetadata(storage, server, info, findings);
  let files: CheckedFiles = { files: 0, bytes: 0, skipped: 0 };
  if (metadata.index) {
    const found = await survey(storage, server, info, metadata, findings);
    refuseStatus(options, info, findings);
    const pages = await pagesOf(source, found.controlFile);
    await compareFacts(source, found.controlFile, found.label, findings);
    let bytesDone = options.resume?.bytes ?? 0;
    const done = (bytes: number): void => {
      bytesDone += bytes;
      deps.progress({ bytesDone, bytesTotal: found.bytes });
    };
    done(0);
    files = await checkFiles({
      source,
      clock,
      workers: options.workers,
      pace,
      pages,
      proven: options.proven ?? new Set(),
      resume: options.resume,
      findings,
      signal,
      done,
      onFile: (file) => deps.onFile?.(file),
      reached: async (state) => deps.checkpoint?.(state),
    });
    await findSurplus(storage, server, info.label, found, findings);
  }
  const inventory = openWalInventory(storage, server, own.walSegmentSize);
  const { systemIdentifier } = own;
  const history = await historyFor(options, info, inventory, findings);
  const wal: WalSource = { storage, inventory, systemIdentifier, keys, signal };
  const segments = history === undefined ? 0 : await checkWal({ source: wal, history, info, pace, findings });
  throwIfAborted(signal);
  const { list, unread, count, harmful, unreadCount } = findings;
  const elapsedMs = clock.monotonic() - began;
  const counts = { findingCount: count, harmful, unreadCount };
  logger[count + unreadCount > 0 ? "error" : "info"](`verified backup ${info.label}`, { ...files, segments, ...counts });
  return { info, hash: own.hash, ...files, segments, findings: list, unread, ...counts, elapsedMs };
}

function requireOwn(info: BackupInfo, server: string): OwnFacts {
  const details = { server, label: info.label };
  if (info.own === undefined) throw verifyErrors.foreign(`backup ${info.label} of ${server} was not taken by Moneta`, details);
  if (info.type !== "full") throw verifyErrors.foreign(`backup ${info.label} of ${server} is incremental`, details);
  return info.own;
}

/** Undefined when it is not known along which timeline the backup becomes consistent: a history is gone, or damaged. */
async function historyFor({ historyOf }: VerifyOptions, info: BackupInfo, inventory: WalInventory, findings: Findings): Promise<TimelineHistory | undefined> {
  try {
    return await historyOf(info, inventory);
  } catch (error) {
    if (!(error instanceof MonetaError) || commonErrors.aborted.is(error)) throw error;
    const { message: reason } = error;
    const failing = Object.values(storageErrors).some((known) => known.is(error));
    if (failing) findings.addUnread({ path: info.firstSegment, reason });
    else findings.add({ kind: "missing", place: "wal", path: info.firstSegment, reason, harmful: true });
    return undefined;
  }
}

/** Deriving the master key takes time: it is done when something encrypted is read, and only then. */
function once(keys: () => Promise<KeyRing>): () => Promise<KeyRing> {
  let ring: Promise<KeyRing> | undefined;
  return () => (ring ??= keys());
}

/** With its key missing nothing of a backup can be read, and nothing is wrong with it. */
async function requireKey(keys: () => Promise<KeyRing>, { keyId = "" }: OwnFacts, server: string): Promise<void> {
  if ((await keys())(keyId) !== undefined) return;
  throw repositoryErrors.dataKeyMissing(`data key ${keyId} of ${server} is missing`, { server, id: keyId });
}

const resumed = ({ findings, findingCount, harmful }: NonNullable<VerifyOptions["resume"]>) => ({ list: findings, count: findingCount, harmful });

/** A backup that says of itself that it is not complete is none, whatever its bytes are. */
function refuseStatus({ marked }: VerifyOptions, { valid }: BackupInfo, findings: Findings): void {
  if (valid || marked === true || findings.harmful > 0) return;
  const reason = "it says that the backup was not completed, or was found faulty";
  findings.add({ kind: "changed", place: "backup", path: "backup.info", reason, harmful: true });
}

async function contentOf(source: BackupSource, file: IndexedFile): Promise<Buffer | undefined> {
  if (file.size > largestSmallFile) return undefined;
  const pieces: Buffer[] = [];
  try {
    await readBackupFile(source, file, 1, async (piece) => void pieces.push(piece));
  } catch (error) {
    throwIfAborted(source.signal);
    // It is reported with all the other files; this only says which errors may be.
    await judge(error, { storage: source.storage, path: file.path, size: undefined });
    return undefined;
  }
  return Buffer.concat(pieces);
}

/** How the pages of this cluster are looked at; undefined when they have no checksums. */
async function pagesOf(source: BackupSource, controlFile: IndexedFile | undefined): Promise<Omit<PageVerifierOptions, "path"> | undefined> {
  const { own, startLsn } = source.info;
  if (own?.pageChecksums === "off" || controlFile === undefined) return undefined;
  const content = await contentOf(source, controlFile);
  if (content === undefined) return undefined;
  const { blockSize, relationSegmentBlocks } = parseControlFile(content);
  return { startLsn, blockSize, relationSegmentBlocks };
}

/** What a restore refuses because the parts of the backup contradict one another. */
async function compareFacts(source: BackupSource, controlFile: IndexedFile | undefined, labelFile: IndexedFile | undefined, findings: Findings): Promise<void> {
  const { own, startLsn } = source.info;
  const contradiction = (path: string, reason: string): void =>
    findings.add({ kind: "changed", place: "backup", path, reason, harmful: true });
  const read = async <T>(file: IndexedFile | undefined, path: string, parse: (content: Buffer) => T): Promise<T | undefined> => {
    if (file === undefined) {
      findings.add({ kind: "missing", place: "backup", path, reason: "the backup has no such file", harmful: true });
      return undefined;
    }
    const content = await contentOf(source, file);
    try {
      return content === undefined ? undefined : parse(content);
    } catch (error) {
      if (!(error instanceof MonetaError)) throw error;
      contradiction(file.path + file.suffix, error.message);
      return undefined;
    }
  };
  const control = await read(controlFile, "data/global/pg_control", parseControlFile);
  const label = await read(labelFile, "data/backup_label", parseBackupLabel);
  if (control !== undefined && control.systemIdentifier !== own?.systemIdentifier) {
    contradiction("data/global/pg_control", `it belongs to cluster ${control.systemIdentifier} instead of ${own?.systemIdentifier ?? "?"}`);
  }
  if (control !== undefined && control.segmentSize !== own?.walSegmentSize) {
    contradiction("data/global/pg_control", `its WAL segments have ${control.segmentSize} bytes instead of ${own?.walSegmentSize ?? 0}`);
  }
  if (label !== undefined && label.startLsn !== startLsn) contradiction("data/backup_label", "it names another start of the WAL than backup.info");
}
