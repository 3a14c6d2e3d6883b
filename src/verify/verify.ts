/** Reading a backup back without restoring it: every stored byte, and the WAL that makes it consistent. */
import { commonErrors, MonetaError, throwIfAborted } from "../common/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { pipelineErrors } from "../pipeline/index.ts";
import { parseBackupLabel, parseControlFile, type ControlFile, type PageVerifierOptions, type TimelineHistory } from "../postgres/index.ts";
import {
  layoutOfLineage,
  openCatalog,
  openWalInventory,
  readBackupFile,
  repositoryErrors,
  serverLayout,
  type BackupInfo,
  type BackupSource,
  type IndexedFile,
  type OwnFacts,
  type WalInventory,
  type WalSource,
} from "../repository/index.ts";
import { storageErrors } from "../storage/index.ts";
import { checkFiles, type CheckedFiles } from "./check-files.ts";
import { checkForeignLists } from "./check-foreign-lists.ts";
import { checkMetadata } from "./check-metadata.ts";
import { checkWal } from "./check-wal.ts";
import { foreignContents, ownContents, type WalkContents } from "./contents.ts";
import { verifyErrors } from "./errors.ts";
import { createFindings, judge, onlyNew, type Findings } from "./finding.ts";
import { createPace } from "./pace.ts";
import { findSurplus, survey, surveyForeign, type Survey } from "./survey.ts";
import type { VerifyDependencies, VerifyOptions, VerifyReport } from "./verify-options.ts";

/** Metadata of a relation file's neighbours: a text of people has never more. Bytes. */
const largestSmallFile = 16 * 1024 * 1024;

/**
 * Verifies. What is wrong is in the report; thrown is what makes a verification impossible: a backup that is not there
 * or whose `backup.info` cannot be trusted, a missing key, the end of the job.
 */
export async function verify(options: VerifyOptions, deps: VerifyDependencies): Promise<VerifyReport> {
  const { storage, server, rateBytes, keys } = options;
  const { clock, logger, signal } = deps;
  const began = clock.monotonic();
  throwIfAborted(signal);
  const info = await openCatalog(storage, server).find(options.backup);
  requireKnown(info, server);
  const source: BackupSource = { storage, server, info, keys, signal };
  const pace = createPace(rateBytes, clock, signal);
  const findings = createFindings(options.resume === undefined ? undefined : resumed(options.resume));
  if (info.own !== undefined && info.encryption !== "none") await requireKey(source, info.own);
  logger.info(`verifies backup ${info.label}`, { bytes: info.restoredBytes, from: options.resume?.entries ?? 0 });

  const examined = await examine(source, findings);
  let files: CheckedFiles = { files: 0, bytes: 0, skipped: 0 };
  let cluster: ClusterFacts | undefined = info.own;
  if (examined !== undefined) {
    const { contents, found } = examined;
    if (info.own === undefined && info.encryption !== "none") await requireRightKey(source, found);
    refuseStatus(options, info, findings);
    const control = await controlOf(source, found.controlFile);
    if (control !== undefined) cluster ??= { systemIdentifier: control.systemIdentifier, walSegmentSize: control.segmentSize };
    await compareFacts(source, found.controlFile, found.label, onlyNew(findings));
    let bytesDone = options.resume?.bytes ?? 0;
    const done = (bytes: number): void => {
      bytesDone += bytes;
      deps.progress({ bytesDone, bytesTotal: found.bytes });
    };
    done(0);
    files = await checkFiles({
      source,
      contents,
      clock,
      workers: options.workers,
      bytes: found.bytes,
      pace,
      pages: pagesOf(info, control),
      proven: options.proven ?? new Set(),
      resume: options.resume,
      findings,
      signal,
      done,
      onFile: (file) => deps.onFile?.(file),
      reached: deps.checkpoint,
    });
    if (info.own === undefined) await checkForeignLists(source, findings);
    else await findSurplus(storage, server, info.label, found, findings);
  }
  let walPath = serverLayout(server).wal;
  const segments = cluster === undefined ? 0 : await checkNeededWal(options, source, cluster, findings);
  throwIfAborted(signal);
  const { list, unread, count, harmful, unreadCount } = findings;
  const elapsedMs = clock.monotonic() - began;
  const counts = { findingCount: count, harmful, unreadCount };
  logger[count + unreadCount > 0 ? "error" : "info"](`verified backup ${info.label}`, { ...files, segments, ...counts });
  return { info, hash: info.own?.hash ?? "sha512", ...files, segments, findings: list, unread, ...counts, walPath, elapsedMs };

  async function checkNeededWal(
    { historyOf }: VerifyOptions,
    { info: backup }: BackupSource,
    { systemIdentifier, walSegmentSize }: ClusterFacts,
    into: Findings,
  ): Promise<number> {
    const layout = await layoutOfLineage(storage, server, systemIdentifier);
    walPath = layout.wal;
    const inventory = openWalInventory(storage, layout, walSegmentSize);
    const history = await historyFor(historyOf, backup, inventory, into);
    const wal: WalSource = { storage, inventory, systemIdentifier, keys, signal };
    return history === undefined ? 0 : checkWal({ source: wal, history, info: backup, pace, findings: into });
  }
}

/** What says which WAL is that of the backup. pgmoneta records neither: its backups are asked themselves. */
interface ClusterFacts {
  readonly systemIdentifier: string;
  readonly walSegmentSize: number;
}

function requireKnown({ label, own, type }: BackupInfo, server: string): void {
  if (own === undefined || type === "full") return;
  throw verifyErrors.foreign(`backup ${label} of ${server} is an incremental one of Moneta's`, { server, label });
}

/** What there has to be. Undefined when the backup's own description of that is damaged. */
async function examine(source: BackupSource, findings: Findings): Promise<{ readonly contents: WalkContents; readonly found: Survey } | undefined> {
  const { storage, server, info } = source;
  if (info.own === undefined) {
    const contents = await foreignContents(source, onlyNew(findings));
    return contents === undefined ? undefined : { contents, found: await surveyForeign(source, contents) };
  }
  const metadata = await checkMetadata(storage, server, info, findings);
  if (!metadata.index) return undefined;
  return { contents: ownContents(source), found: await survey(storage, server, info, metadata, findings) };
}

/** Undefined when it is not known along which timeline the backup becomes consistent: a history is gone, or damaged. */
async function historyFor(historyOf: VerifyOptions["historyOf"], info: BackupInfo, inventory: WalInventory, findings: Findings): Promise<TimelineHistory | undefined> {
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

/** With its key missing nothing of a backup can be read, and nothing is wrong with it. */
async function requireKey({ keys, server }: BackupSource, { keyId = "" }: OwnFacts): Promise<void> {
  if ((await keys())(keyId) !== undefined) return;
  throw repositoryErrors.dataKeyMissing(`data key ${keyId} of ${server} is missing`, { server, id: keyId });
}

/**
 * What pgmoneta encrypted does not say with which key. With another one all of it looks damaged: before anybody believes that,
 * one of the files that are read first has to open.
 */
async function requireRightKey(source: BackupSource, { samples }: Survey): Promise<void> {
  let failed = 0;
  for (const file of samples) {
    try {
      await readBackupFile(source, file, 1, async () => undefined);
      return;
    } catch (error) {
      throwIfAborted(source.signal);
      if (pipelineErrors.damaged.is(error)) failed += 1;
    }
  }
  if (failed < samples.length || failed < 2) return;
  const { info, server } = source;
  throw encryptionErrors.keyUnknown(
    `none of the ${failed} files of backup ${info.label} of ${server} that were tried opens with the master key: it is not the one with which pgmoneta encrypted them, or all of them are damaged`,
    { server, label: info.label },
  );
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

/** Undefined when it cannot be read, which is found out with all the other files. */
async function controlOf(source: BackupSource, controlFile: IndexedFile | undefined): Promise<ControlFile | undefined> {
  const content = controlFile === undefined ? undefined : await contentOf(source, controlFile);
  try {
    return content === undefined ? undefined : parseControlFile(content);
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
    return undefined;
  }
}

/** How the pages of this cluster are looked at; undefined when they have no checksums. */
function pagesOf({ own }: BackupInfo, control: ControlFile | undefined): Omit<PageVerifierOptions, "path" | "startLsn"> | undefined {
  if (control === undefined) return undefined;
  const { blockSize, dataChecksumVersion, relationSegmentBlocks } = control;
  const none = own === undefined ? dataChecksumVersion === 0 : own.pageChecksums === "off";
  return none ? undefined : { blockSize, relationSegmentBlocks };
}

/** What a restore refuses because the parts of the backup contradict one another. */
async function compareFacts(source: BackupSource, controlFile: IndexedFile | undefined, labelFile: IndexedFile | undefined, findings: Pick<Findings, "add">): Promise<void> {
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
  if (own !== undefined && control !== undefined && control.systemIdentifier !== own.systemIdentifier) {
    contradiction("data/global/pg_control", `it belongs to cluster ${control.systemIdentifier} instead of ${own.systemIdentifier}`);
  }
  if (own !== undefined && control !== undefined && control.segmentSize !== own.walSegmentSize) {
    contradiction("data/global/pg_control", `its WAL segments have ${control.segmentSize} bytes instead of ${own.walSegmentSize}`);
  }
  if (label !== undefined && label.startLsn !== startLsn) contradiction("data/backup_label", "it names another start of the WAL than backup.info");
}
