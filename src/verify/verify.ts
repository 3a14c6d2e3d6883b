/** Reading a backup back without restoring it: every stored byte, and the WAL that makes it consistent. */
import { commonErrors, MonetaError, throwIfAborted } from "../common/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { pipelineErrors } from "../pipeline/index.ts";
import type { ControlFile, PageVerifierOptions, TimelineHistory } from "../postgres/index.ts";
import {
  layoutOfLineage,
  openCatalog,
  openWalInventory,
  readBackupFile,
  repositoryErrors,
  serverLayout,
  type BackupInfo,
  type BackupSource,
  type OwnFacts,
  type WalInventory,
  type WalSource,
} from "../repository/index.ts";
import { storageErrors } from "../storage/index.ts";
import { checkFiles, type CheckedFiles } from "./check-files.ts";
import { checkForeignLists } from "./check-foreign-lists.ts";
import { checkMetadata } from "./check-metadata.ts";
import { checkWal } from "./check-wal.ts";
import { compareFacts } from "./compare-facts.ts";
import { foreignContents, ownContents, type WalkContents } from "./contents.ts";
import { verifyErrors } from "./errors.ts";
import { createFindings, onlyNew, type Findings, type NewFindings } from "./finding.ts";
import { createPace, paced } from "./pace.ts";
import { findSurplus, survey, surveyForeign, type Survey } from "./survey.ts";
import type { VerifyDependencies, VerifyOptions, VerifyReport } from "./verify-options.ts";

/**
 * Verifies. What is wrong is in the report; thrown is what makes a verification impossible: a backup that is not there
 * or whose `backup.info` cannot be trusted, a missing key, the end of the job.
 */
export async function verify(options: VerifyOptions, deps: VerifyDependencies): Promise<VerifyReport> {
  const { server, rateBytes, keys } = options;
  const { clock, logger, signal } = deps;
  const began = clock.monotonic();
  throwIfAborted(signal);
  const pace = createPace(rateBytes, clock, signal);
  const storage = paced(options.storage, pace, signal);
  const info = await openCatalog(storage, server).find(options.backup);
  requireKnown(info, server);
  const source: BackupSource = { storage, server, info, keys, signal };
  const findings = createFindings(options.resume === undefined ? undefined : resumed(options.resume));
  if (info.own !== undefined && info.encryption !== "none") await requireKey(source, info.own);
  logger.info(`verifies backup ${info.label}`, { bytes: info.restoredBytes, from: options.resume?.entries ?? 0 });

  // What is looked at twice, or again after a stop.
  const fresh = onlyNew(findings);
  const examined = await examine(source, fresh);
  let files: CheckedFiles = { files: 0, bytes: 0, skipped: 0 };
  let cluster: ClusterFacts | undefined = info.own;
  if (examined !== undefined) {
    const { contents, found } = examined;
    if (info.own === undefined && info.encryption !== "none") await requireRightKey(source, found);
    refuseStatus(options, info, findings);
    const control = await compareFacts({ source, found, resumed: options.resume !== undefined, findings: fresh });
    if (control !== undefined) cluster ??= { systemIdentifier: control.systemIdentifier, walSegmentSize: control.segmentSize };
    let bytesDone = (options.resume?.bytes ?? 0) + (options.resume?.skippedBytes ?? 0);
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
      paced: pace !== undefined,
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
    if (control === undefined) requireReason(source, findings);
    else remarkOnPages(info, findings);
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
    return history === undefined ? 0 : checkWal({ source: wal, history, info: backup, findings: into });
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
async function examine(source: BackupSource, findings: NewFindings): Promise<{ readonly contents: WalkContents; readonly found: Survey } | undefined> {
  const { storage, server, info } = source;
  if (info.own === undefined) {
    const contents = await foreignContents(source, findings);
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

/**
 * A backup that says of itself that it is not complete is none, whatever its bytes are. Of one of ours only a verification can
 * have made it say so: it is stored under its name when it is complete.
 */
function refuseStatus({ marked }: VerifyOptions, { valid, own }: BackupInfo, findings: Findings): void {
  if (valid || own !== undefined || marked === true || findings.harmful > 0) return;
  const reason = "it says that the backup was not completed, or was found faulty";
  findings.add({ kind: "changed", place: "backup", path: "backup.info", reason, harmful: true });
}

/** How the pages of this cluster are looked at; undefined when they have no checksums. */
function pagesOf({ own }: BackupInfo, control: ControlFile | undefined): Omit<PageVerifierOptions, "path" | "startLsn"> | undefined {
  if (control === undefined) return undefined;
  const { blockSize, dataChecksumVersion, relationSegmentBlocks } = control;
  const none = own === undefined ? dataChecksumVersion === 0 : own.pageChecksums === "off";
  return none ? undefined : { blockSize, relationSegmentBlocks };
}

/** Without `pg_control` pages were not looked at, and perhaps no WAL: whatever the file was when its turn came, that is no yes. */
function requireReason({ server, info }: BackupSource, findings: Findings): void {
  if (findings.harmful > 0 || findings.unreadCount > 0) return;
  const path = serverLayout(server).backupFile(info.label, "data/global/pg_control");
  findings.addUnread({ path, reason: `"${path}" could not be read when it was asked for what else is to be looked at` });
}

/** The server looks further than a backup can, and counts what it found without saying where. */
function remarkOnPages({ own }: BackupInfo, findings: Findings): void {
  if (own?.pageChecksums !== "bad" || findings.unreadCount > 0 || findings.list.some(({ kind }) => kind === "bad-page")) return;
  const reason = "the server reported pages with a wrong checksum when the backup was taken; in what it sent none is found";
  findings.add({ kind: "bad-page", place: "backup", path: "backup.info", reason, harmful: false });
}
