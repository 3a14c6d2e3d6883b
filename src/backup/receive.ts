/**
 * BASE_BACKUP into the stored tree, in one pass: archives to tar entries, entries through the pipeline, the manifest
 * read as it comes.
 */
import type { Pipeline, StageTimes } from "../pipeline/index.ts";
import type { Logger } from "../log/index.ts";
import type { Lsn, ManifestSummary, TimelineId } from "../postgres/index.ts";
import {
  identifySystem,
  startBaseBackup,
  type BaseBackupHandler,
  type BaseBackupOptions,
  type BaseBackupResult,
  type Connection,
  type ServerFacts,
} from "../replication/index.ts";
import { createArchiveFeed } from "./archive-feed.ts";
import { createArchiveReader, type ArchiveSurroundings, type ClusterSizes, type ReceivedTablespace } from "./archive-reader.ts";
import { explainAbsentTablespaces, refuseRelative } from "./empty-tablespaces.ts";
import { createBackPressure, type Pressure } from "./back-pressure.ts";
import type { BackupDependencies, BackupOptions } from "./backup-options.ts";
import type { BackupTablespaces } from "./backup-paths.ts";
import type { EntryStore } from "./entry-store.ts";
import { backupErrors } from "./errors.ts";
import { watchFirstWal } from "./first-wal.ts";
import { createKeptFiles } from "./kept-files.ts";
import { createFileSum, type FileSum } from "./manifest-check.ts";
import { createManifestIntake } from "./manifest-intake.ts";
import { checkOrigin, type Origin } from "./origin-check.ts";
import { createPageCheck, type PageCheck } from "./page-check.ts";
import { connectForBackup, type PreparedBackup } from "./prepare.ts";
import { createProgressMeter } from "./progress-meter.ts";
import { createServerNotices } from "./server-notices.ts";
import { createRateLimit } from "./rate-limit.ts";
import { linkTablespaces } from "./tablespace-links.ts";

export interface ReceivedBackup {
  readonly result: BaseBackupResult;
  readonly manifest: ManifestSummary;
  readonly origin: Origin;
  /** What the manifest lists, and what was stored. */
  readonly expected: FileSum;
  readonly found: FileSum;
  readonly pages: PageCheck;
  readonly tablespaces: readonly ReceivedTablespace[];
  readonly sizes: ClusterSizes;
  readonly times: StageTimes;
  /** For the operator. */
  readonly warnings: readonly string[];
}

export interface ReceiveTarget {
  readonly store: EntryStore;
  /** For the files of the cluster. */
  readonly pipeline: Pipeline;
  /** For those that stay readable by themselves: labels and manifest. */
  readonly plain: Pipeline;
  readonly tablespaces: BackupTablespaces;
  /** Called with where the backup begins, before its first byte. */
  readonly started: (from: Lsn, timeline: TimelineId) => void;
}

/**
 * Receives and stores everything, and checks that it is of one piece; the comparison with the manifest, file for file,
 * is the caller's. When it throws, the pipelines may still hold files that were not finished.
 */
export async function receiveBaseBackup(
  options: BackupOptions,
  { facts, label, space }: PreparedBackup,
  { store, pipeline, plain, tablespaces, started }: ReceiveTarget,
  { clock, logger, progress, signal, wal }: BackupDependencies,
): Promise<ReceivedBackup> {
  const notices = createServerNotices(logger);
  const warnings: string[] = [];
  const meter = createProgressMeter(clock, progress);
  const kept = createKeptFiles();
  const found = createFileSum();
  const sizes: ClusterSizes = { files: 0, biggestFile: 0, restoredBytes: 0 };
  const manifest = createManifestIntake({ store, plain, tablespaces, arrived: () => sizes.files });
  const separate = new Map<number, ReceivedTablespace>();
  const empty: ReceivedTablespace[] = [];
  const warn = (text: string): void => void warnings.push(text);
  let pages = createPageCheck(undefined, logger);

  const room: Pressure = () => pipeline.pressure() ?? plain.pressure() ?? store.pressure();
  const feed = createArchiveFeed(options.serverCompression?.method, room);
  const firstWal = watchFirstWal(wal);
  const stop = AbortSignal.any([signal, pipeline.signal, plain.signal, store.signal, feed.signal, space.signal, firstWal.signal]);
  const limit = createRateLimit({ rate: options.maxRateBytes, changed: (rate) => sayRate(rate, logger), clock, signal: stop });
  const backPressure = createBackPressure(() => room() ?? feed.pressure() ?? limit.pressure());

  const handler: BaseBackupHandler = {
    onStart(lsn, timeline, flow) {
      started(lsn, timeline);
      backPressure.attach(flow);
      firstWal.expect(timeline, lsn, facts.segmentSize);
      pages = createPageCheck(pagesToCheck(facts, lsn), logger);
    },
    onTablespaces(list) {
      for (const { oid, location = "" } of list) {
        if (oid === undefined) continue;
        refuseRelative(oid, location);
        separate.set(oid, { oid, location });
      }
      const bytes = list.reduce((sum, { size = 0 }) => sum + size, 0);
      meter.expect(bytes);
      const doubt = space.judge(bytes);
      if (doubt !== undefined) warn(doubt);
    },
    onArchive(_name, oid) {
      const around: ArchiveSurroundings = { store, pipeline, plain, tablespaces, separate, pages, kept, found, sizes, meter, empty: (tablespace) => void empty.push(tablespace) };
      feed.begin(createArchiveReader(around, oid));
    },
    onArchiveData(piece) {
      feed.write(piece);
      space.arrived(piece.length);
      limit.arrived(piece.length);
      backPressure.heed();
    },
    onArchiveEnd() {
      feed.end();
    },
    onManifestData(piece) {
      manifest.write(piece);
      backPressure.heed();
    },
  };

  let connection: Connection | undefined;
  try {
    connection = await connectForBackup(options, notices.take, signal);
    await refuseOtherServer(connection, facts, signal);
    const result = await startBaseBackup(connection, baseBackupOptions(options, label), handler, stop);
    await feed.settled();
    linkTablespaces(store, tablespaces, separate.values());
    manifest.end();
    await store.settled();
    for (const text of await explainAbsentTablespaces(options, { before: facts.tablespaceNames ?? [], named: separate, empty }, signal)) warn(text);
    const summary = manifest.summary();
    const origin = checkOrigin({
      systemIdentifier: facts.systemIdentifier,
      result,
      label: kept.content("backup_label"),
      control: kept.content("global/pg_control"),
      manifest: summary,
    });
    return {
      result,
      manifest: summary,
      origin,
      expected: manifest.expected,
      found,
      pages,
      tablespaces: [...separate.values()],
      sizes,
      times: pipeline.times(),
      warnings: [...notices.warnings, ...warnings],
    };
  } catch (error) {
    // The stream was stopped because storing failed: that is the reason, not the cancellation that it led to.
    if (!signal.aborted && stop.aborted) throw stop.reason;
    throw error;
  } finally {
    firstWal.end();
    await feed.abort();
    await connection?.terminate();
  }
}

/** The facts came over another connection, and a host name can lead to several machines. */
async function refuseOtherServer(connection: Connection, facts: ServerFacts, signal: AbortSignal): Promise<void> {
  const { systemIdentifier } = await identifySystem(connection, signal);
  if (systemIdentifier === facts.systemIdentifier && connection.serverVersion === facts.serverVersion) return;
  throw backupErrors.otherCluster(`one connection leads to cluster ${facts.systemIdentifier}, the next one to ${systemIdentifier}`, {
    known: facts.systemIdentifier,
    found: systemIdentifier,
  });
}

function pagesToCheck(facts: ServerFacts, startLsn: Lsn): Parameters<typeof createPageCheck>[0] {
  if (facts.dataChecksums !== true) return undefined;
  const { blockSize, relationSegmentBlocks } = facts;
  return { blockSize, relationSegmentBlocks, startLsn };
}

function baseBackupOptions({ serverCompression }: BackupOptions, label: string): BaseBackupOptions {
  const named = { label: `moneta_${label}` };
  if (serverCompression === undefined) return named;
  const { method, level } = serverCompression;
  return { ...named, compression: { method, ...(level === undefined ? {} : { detail: `level=${level}` }) } };
}

const sayRate = (rate: number, logger: Logger): void =>
  logger.info(rate === 0 ? "the backup goes on without a limit" : `the backup goes on with at most ${rate} bytes a second`, { rate });
