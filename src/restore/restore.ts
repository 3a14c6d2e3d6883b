/**
 * A restore, as a procedure: plan, claim the target, fetch every file, prepare recovery, make it durable, put
 * pg_control in its place. Until the last step PostgreSQL cannot start on it, and a later run knows it as unfinished.
 */
import { messageOf, MonetaError, throwIfAborted } from "../common/index.ts";
import { claimTarget, type ClaimedTarget } from "./claim-target.ts";
import { copyWal } from "./copy-wal.ts";
import { restoreErrors } from "./errors.ts";
import { fetchFiles } from "./fetch-files.ts";
import { prepareRestore, type PreparedRestore } from "./prepare.ts";
import type { RestoreDependencies, RestoreOptions, RestorePhase, RestoreResult } from "./restore-options.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { openFilesystems, sealCluster, type ClusterFilesystems } from "./seal-cluster.ts";
import { directoriesOf } from "./target-directory.ts";
import { writeRecovery } from "./write-recovery.ts";

/** What a restore would do, with everything that speaks against it. Nothing is written. */
export async function planRestore(options: RestoreOptions, deps: RestoreDependencies): Promise<RestorePlan> {
  return (await prepareRestore(options, deps)).plan;
}

/**
 * Restores a backup. Resolves when a cluster lies in the target that is complete, checked byte for byte and durable;
 * otherwise it throws, and what was written is removed.
 */
export async function restore(options: RestoreOptions, deps: RestoreDependencies): Promise<RestoreResult> {
  const { clock, logger, signal, progress } = deps;
  const began = clock.monotonic();
  progress({ phase: "plan", bytesDone: 0, bytesTotal: 0 });
  const prepared = await prepareRestore(options, deps);
  refuseProblems(prepared);
  const { plan, approach, paths, state } = prepared;
  await deps.planned?.(plan);
  const { backup } = approach;
  const bytesTotal = plan.bytes + plan.wal.bytes;
  let bytesDone = 0;
  const report = (phase: RestorePhase, bytes = 0): void => {
    bytesDone += bytes;
    progress({ phase, bytesDone, bytesTotal: Math.max(bytesTotal, bytesDone) });
  };

  const mode = backup.groupAccess ? 0o750 : 0o700;
  logger.info(`restore of backup ${plan.backup.label} of "${plan.server}" begins`, { label: plan.backup.label, directory: plan.directory });
  const target = await claimTarget(paths, { server: plan.server, label: plan.backup.label, mode, leftover: state.leftover });
  let sums: { readonly files: number; readonly bytes: number };
  let filesystems: ClusterFilesystems | undefined;
  try {
    filesystems = await openFilesystems(directoriesOf(paths));
    report("files");
    sums = await fetchFiles({
      source: approach.source,
      paths,
      mode,
      workers: options.workers,
      bytes: plan.bytes,
      syncEach: !filesystems.coverFiles,
      signal,
      written: (bytes) => {
        report("files", bytes);
      },
    });
    if (options.copyWal) {
      report("wal");
      await copyWal(prepared, signal, (bytes) => {
        report("wal", bytes);
      });
    }
    report("settings");
    await writeRecovery(prepared);
    throwIfAborted(signal);
    report("sync");
    await sealCluster(filesystems, paths.data);
  } catch (error) {
    await giveUp(target, deps);
    throw restoreErrors.noSpace.is(error) ? withMissing(error, bytesTotal - bytesDone) : error;
  } finally {
    await filesystems?.close();
  }
  // The cluster is complete and durable: whatever fails from here on, the answer is yes.
  await tidyUp(target, deps);
  logger.info(`backup ${plan.backup.label} of "${plan.server}" is restored`, { directory: plan.directory, bytes: sums.bytes });
  return { plan, ...sums, elapsedMs: clock.monotonic() - began };
}

function refuseProblems({ problems }: PreparedRestore): void {
  const [first, ...more] = problems;
  if (first === undefined) return;
  if (more.length === 0) throw first;
  throw new MonetaError(first, problems.map(({ message }) => message).join("; "), first.details);
}

/** Somebody else used the room that was there when the plan was made: how much more of it is needed for what was left to do. */
function withMissing(error: MonetaError, left: number): MonetaError {
  const { free, freeInodes } = error.details;
  if (typeof free !== "number" || freeInodes !== undefined || left <= free) return error;
  const missing = left - free;
  return new MonetaError(error, `${error.message}, ${left} were still to be written: ${missing} are missing`, { ...error.details, missing }, error);
}

async function tidyUp(target: ClaimedTarget, { logger }: RestoreDependencies): Promise<void> {
  try {
    await target.finish();
  } catch (error) {
    logger.warn(`the cluster is complete, but the file that called it unfinished is still there: ${messageOf(error)}; the end of recovery removes it`);
  }
}

/** The reason for giving up is what the operator must see, not what went wrong while cleaning up. */
async function giveUp(target: ClaimedTarget, { logger }: RestoreDependencies): Promise<void> {
  try {
    await target.discard();
    logger.info("the restore was given up, its files are removed");
  } catch (error) {
    logger.error(`files of the restore that was given up could not be removed: ${messageOf(error)}; the next restore removes them`);
  }
}
