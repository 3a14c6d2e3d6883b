/**
 * A full backup, as a procedure: prepare, receive, check against the server's manifest, wait for the WAL, write down
 * what it is, make it durable and visible at once. Until the last step nothing of it can be seen; when any step
 * fails nothing of it remains.
 */
import { commonErrors, messageOf, throwIfAborted } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { createPipeline, type Pipeline } from "../pipeline/index.ts";
import type { Lsn, TimelineId } from "../postgres/index.ts";
import { backupFiles, formatBackupInfo, openCatalog, serverLayout, type BackupInfo } from "../repository/index.ts";
import type { StoredTree } from "../storage/index.ts";
import type { BackupDependencies, BackupOptions, BackupResult } from "./backup-options.ts";
import { openBackupLists, type BackupLists } from "./backup-lists.ts";
import { nameTablespaces } from "./backup-paths.ts";
import { checkAgainstManifest } from "./check.ts";
import { describeBackup } from "./describe.ts";
import { openEarlierFiles, refuseDoubted, type EarlierFiles } from "./earlier-files.ts";
import { createEntryStore } from "./entry-store.ts";
import { checkExtraRights, storeExtraFiles } from "./extra-files.ts";
import { prepareBackup, type PreparedBackup } from "./prepare.ts";
import { receiveBaseBackup, type ReceivedBackup, type ReceiveTarget } from "./receive.ts";

const standardMemoryBytes = 96 * 1024 * 1024;
/** For the labels and the manifest, which arrive one after the other. */
const plainMemoryBytes = 8 * 1024 * 1024;

interface Beginning {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Takes a full backup. Resolves only when it is complete, matches the server's manifest file for file, the WAL that
 * it needs is durable in the repository, and it is durable and visible itself. Otherwise it throws, and the
 * repository is as it was before; ABORTED when the signal fired. Only BACKUP_SHARES_DAMAGE can leave it there, and marked.
 */
export async function backup(options: BackupOptions, deps: BackupDependencies): Promise<BackupResult> {
  const { clock, logger, progress, signal } = deps;
  const began: Beginning = { wall: clock.now(), monotonic: clock.monotonic() };
  throwIfAborted(signal);
  progress({ phase: "prepare", bytesDone: 0, bytesTotal: 0 });
  const prepared = await prepareBackup(options, deps);
  await checkExtraRights(options, signal);
  const { facts, label } = prepared;
  logger.info(`backup ${label} of "${options.server}" begins`, { label, version: facts.versionText });

  const tree = await options.storage.openTree(serverLayout(options.server).backup(label));
  let result: BackupResult;
  try {
    result = await fill(tree, prepared, began, options, deps);
    await tree.commit();
  } catch (error) {
    await removeRemains(tree, label, options, logger);
    throw signal.aborted && !commonErrors.aborted.is(error) ? commonErrors.aborted("the backup was cancelled", {}, error) : error;
  }
  const { info, warnings } = result;
  await refuseDoubtedAfter(info, options);
  for (const warning of warnings) logger.warn(warning, { label });
  logger.info(`backup ${label} of "${options.server}" is complete`, { label, bytes: info.restoredBytes, stored: info.storedBytes });
  return result;
}

/** Everything between an empty tree and one that may become visible. */
async function fill(
  tree: StoredTree,
  prepared: PreparedBackup,
  began: Beginning,
  options: BackupOptions,
  deps: BackupDependencies,
): Promise<BackupResult> {
  const { clock, progress, signal } = deps;
  const { facts, label } = prepared;
  const { compression, encryption } = options.spec;
  const elapsed = (): number => (clock.monotonic() - began.monotonic) / 1000;
  const tablespaces = nameTablespaces(facts.tablespaceNames ?? []);
  const lists = await openBackupLists(tree, { label, hash: options.hash, compression, encryption }, tablespaces.oidOf);
  let earlier: EarlierFiles | undefined;
  try {
    if (options.link) earlier = await openEarlierFiles(options, facts.systemIdentifier, prepared.backups, deps.logger);
    progress({ phase: "checkpoint", bytesDone: 0, bytesTotal: 0 });
    const store = createEntryStore(tree, lists, earlier);
    const started = (from: Lsn, timeline: TimelineId): void =>
      deps.started?.({ previous: earlier?.label, from, timeline });
    const { received, extra } = await withPipelines(options, store, async (pipelines) => ({
      received: await receiveBaseBackup(options, prepared, { store, tablespaces, started, ...pipelines }, deps),
      extra: await storeExtraFiles(options, store, pipelines.pipeline, signal),
    }));
    const baseBackup = elapsed();
    const bytes = { bytesDone: received.sizes.restoredBytes, bytesTotal: received.sizes.restoredBytes };

    progress({ phase: "check", ...bytes });
    const totals = await lists.finish();
    await checkAgainstManifest(options, tree, received, tablespaces);
    const manifest = elapsed() - baseBackup;

    progress({ phase: "wal", ...bytes });
    for (const { timeline, start, end } of received.origin.walRanges) {
      await deps.wal.waitUntilDurable({ timeline, from: start, to: end, segmentSize: facts.segmentSize }, signal);
    }
    throwIfAborted(signal);

    progress({ phase: "commit", ...bytes });
    const times = { startTime: began.wall, endTime: clock.now(), total: elapsed(), baseBackup, manifest };
    const info = { ...describeBackup(options, prepared, received, totals, tablespaces, times), extra: extra.paths.join(",") };
    await refuseDoubted(options, info);
    await writeInfo(tree, info);
    return { info, warnings: [...prepared.warnings, ...received.warnings, ...extra.warnings, ...(earlier?.notes() ?? []), ...pageWarnings(info, received)] };
  } catch (error) {
    await abandon(lists, deps.logger);
    throw error;
  } finally {
    await earlier?.close();
  }
}

/**
 * A verification writes down what it found and then looks which backups have the same files; this one was not among them before
 * it was visible. One of the two sees the other.
 */
async function refuseDoubtedAfter(info: BackupInfo, options: BackupOptions): Promise<void> {
  try {
    await refuseDoubted(options, info);
  } catch (error) {
    await openCatalog(options.storage, options.server).update(info.label, (now) => ({ ...now, valid: false }));
    throw error;
  }
}

/** Runs `receive` with one pipeline for the cluster's files and one for the few that stay readable by themselves. */
async function withPipelines<T>(
  options: BackupOptions,
  store: ReceiveTarget["store"],
  receive: (pipelines: Pick<ReceiveTarget, "pipeline" | "plain">) => Promise<T>,
): Promise<T> {
  const { hash, spec, dataKey } = options;
  const memoryBytes = options.memoryBytes ?? standardMemoryBytes;
  const open: Pipeline[] = [];
  try {
    const pipeline = await createPipeline({ spec, dataKey, hash, memoryBytes, concurrency: Math.max(1, options.workers), thread: true });
    open.push(pipeline);
    const plain = await createPipeline({ spec: { compression: "none", encryption: "none" }, hash, memoryBytes: plainMemoryBytes, concurrency: 1 });
    open.push(plain);
    return await receive({ pipeline, plain });
  } finally {
    // Files that were not finished are given up here; nobody may write into the tree when it is removed.
    await Promise.allSettled(open.map((pipeline) => pipeline.close()));
    await store.idle();
  }
}

/** backup.info goes last: it carries the digests of everything else. */
async function writeInfo(tree: StoredTree, info: BackupInfo): Promise<void> {
  const sink = await tree.createFile(backupFiles.info);
  try {
    await sink.write(Buffer.from(formatBackupInfo(info)));
    await sink.close();
  } catch (error) {
    // The failure to write is what counts; the descriptor goes in any case.
    await sink.abort().catch(() => undefined);
    throw error;
  }
}

/** What is given up anyway must not hide why. */
async function abandon(lists: BackupLists, logger: Logger): Promise<void> {
  try {
    await lists.abort();
  } catch (error) {
    logger.warn(`the lists of a failed backup could not be closed: ${messageOf(error)}`);
  }
}

async function removeRemains(tree: StoredTree, label: string, { server, storage }: BackupOptions, logger: Logger): Promise<void> {
  try {
    await tree.abort();
    logger.info(`backup ${label} of "${server}" was given up, and all that was stored of it is removed`, { label });
  } catch (error) {
    const where = `${storage.root}/${tree.temporaryPath}`;
    logger.error(`backup ${label} of "${server}" was given up, but its remains in "${where}" could not be removed: ${messageOf(error)}`, { label });
  }
}

function pageWarnings(info: BackupInfo, { pages }: ReceivedBackup): string[] {
  if (info.own?.pageChecksums !== "bad") return [];
  const { damagedFiles } = pages;
  const more = damagedFiles.length > 5 ? " and others" : "";
  const where = damagedFiles.length === 0 ? "the server's log names them" : `${damagedFiles.slice(0, 5).join(", ")}${more}`;
  return [`the server has damaged pages (${where}): the backup is an exact copy, damage included; keep an older backup`];
}
