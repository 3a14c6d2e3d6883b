/** The process of one job: takes its task by message, does it, reports the outcome, ends. */
import { commonErrors, environmentForOperators, systemClock } from "../common/index.ts";
import {
  openChildSession,
  toJob,
  type Archived,
  type Finished,
  type JobRequest,
  type JobResult,
  type JobStart,
  type LiveSettings,
  type Running,
  type SegmentComplete,
  type Settled,
  type StateChanged,
  type ToJob,
  type Uses,
} from "../ipc/index.ts";
import { createHooks } from "../hooks/index.ts";
import { createLogger, registerSecret, type AdjustableLogger } from "../log/index.ts";
import {
  configurationFields,
  createMirror,
  createSegment,
  decodeDelta,
  jobFields,
  jobOwns,
  openStateReader,
  openStateWriter,
  serverConfigurationFields,
  serverFields,
  type Delta,
} from "../state/index.ts";
import { openRepositoryStorage } from "../repository/index.ts";
import { archiveBackup } from "./archive.ts";
import { archiveWal } from "./archive-wal.ts";
import { shipWal } from "./ship-wal.ts";
import { takeBackup } from "./backup.ts";
import { clean } from "./clean.ts";
import { deleteBackup } from "./delete.ts";
import { drillBackup } from "./drill.ts";
import { refreshStandbys } from "./hot-standby.ts";
import type { JobEnvironment } from "./job.ts";
import { changeLineage } from "./lineage.ts";
import { createProgressCount } from "./progress-count.ts";
import { restoreBackup } from "./restore.ts";
import { applyRetention, previewRetention } from "./retention.ts";
import { verifyBackup } from "./verify.ts";

const segment = createSegment({ servers: 1, jobs: 1 });
const writer = openStateWriter(segment);
const reader = openStateReader(segment);
const cancelled = new AbortController();
const serverListeners = new Set<() => void>();
const segmentListeners = new Set<(segment: SegmentComplete) => void>();
let lastSegment: SegmentComplete | undefined;
let logger: AdjustableLogger | undefined;

type News = Archived | Uses | Settled;
const session = openChildSession<Running | StateChanged | Finished | News, ToJob>({
  host: process,
  check: toJob,
  onMessage: receive,
});

function receive(message: ToJob): void {
  switch (message.type) {
    case "start":
      void run(message);
      return;
    case "cancel":
      cancelled.abort(commonErrors.aborted(message.reason));
      return;
    case "reconfigure":
      reconfigure(message.live);
      return;
    case "server":
      serverChanged(message.state);
      return;
    case "segment":
      lastSegment = message;
      for (const listener of segmentListeners) listener(message);
      return;
  }
}

function reconfigure(live: LiveSettings): void {
  writer.configuration().set(decodeDelta(configurationFields, live.configuration));
  writer.serverConfiguration(0).set(decodeDelta(serverConfigurationFields, live.server));
  logger?.setLevel(reader.configuration().logLevel);
}

function serverChanged(state: Delta): void {
  writer.server(0).set(decodeDelta(serverFields, state));
  for (const listener of serverListeners) listener();
}

async function run(start: JobStart): Promise<void> {
  reconfigure(start.live);
  serverChanged(start.state);
  for (const secret of Object.values(start.secrets)) registerSecret(String(secret));
  const { command } = start.request;
  if (start.title !== undefined) process.title = start.title;
  logger = createLogger([command, start.server.name], reader.configuration().logLevel, session.logSink);
  const record = writer.job(0, (names) => mirror.changed(names));
  const mirror = createMirror({
    table: jobFields,
    names: jobOwns,
    read: () => record.read(),
    send: (delta) => session.channel.send({ type: "state", delta }),
    clock: systemClock,
  });
  const signal = AbortSignal.any([cancelled.signal, session.orphaned]);
  try {
    await session.channel.send({ type: "running" });
    const result = await perform(start.request, {
      server: start.server,
      repository: start.repository,
      secrets: start.secrets,
      storage: openRepositoryStorage(start.repository.baseDir, start.repository.id),
      version: start.version,
      clock: systemClock,
      logger,
      signal,
      progress: createProgressCount(systemClock, (update) => record.set(update)),
      serverState: () => reader.server(0),
      serverConfiguration: () => reader.serverConfiguration(0),
      onServerChange: (listener) => listen(serverListeners, listener),
      onSegment(listener) {
        if (lastSegment !== undefined) listener(lastSegment);
        return listen(segmentListeners, listener);
      },
      uses: (backups, wal = []) => tell({ type: "uses", backups, wal }),
      settled: () => tell({ type: "settled" }),
      archived: (segments, storedBytes) => tell({ type: "archived", segments, storedBytes }),
      hooks: createHooks({
        server: start.server.name,
        baseDir: start.repository.baseDir,
        job: command,
        programs: start.server.hooks ?? {},
        timeLimitMs: start.server.hookTimeoutMs ?? 0,
        environment: environmentForOperators(process.env),
        logger,
        signal,
      }),
    });
    await mirror.close();
    await session.channel.send({ type: "result", result });
  } catch (error) {
    await session.fail(asOutcome(error));
    return;
  }
  await session.end(0);
}

/** A job that was told to end did: what its procedure stumbled over on the way out is only the cause. */
function asOutcome(error: unknown): unknown {
  if (!cancelled.signal.aborted || commonErrors.aborted.is(error)) return error;
  return commonErrors.aborted("the job was cancelled", {}, error);
}

function perform(request: JobRequest, environment: JobEnvironment): Promise<JobResult> {
  switch (request.command) {
    case "delete":
      return deleteBackup(request, environment);
    case "clean":
      return clean(request, environment);
    case "backup":
      return takeBackup(request, environment);
    case "archive":
      return archiveBackup(request, environment);
    case "archive-wal":
      return archiveWal(request, environment);
    case "ship-wal":
      return shipWal(request, environment);
    case "hot-standby":
      return refreshStandbys(request, environment);
    case "restore":
      return restoreBackup(request, environment);
    case "retention":
      return applyRetention(request, environment);
    case "retention-plan":
      return previewRetention(request, environment);
    case "lineage":
      return changeLineage(request, environment);
    case "verify":
      return verifyBackup(request, environment);
    case "drill":
      return drillBackup(request, environment);
  }
}

function listen<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

function tell(news: News): void {
  // That it is gone the session has seen too, and ends the process.
  session.channel.send(news).catch(() => cancelled.abort(commonErrors.aborted("the supervisor is gone")));
}
