/**
 * The parts of the supervisor and how they hear of each other: servers with their receivers and archivers, jobs,
 * catalog, state. Nothing here runs before somebody starts it.
 */
import { createSemaphore, messageOf, type Clock } from "../common/index.ts";
import type { Configuration, ServerOptions } from "../config/index.ts";
import { fromJob, type FromJob, type JobRequest, type LiveSettings, type ToJob } from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { openDataKeys, openWalInventory, type CatalogEntry, type RotatedKey } from "../repository/index.ts";
import { createSegment, encodeDelta, openStateReader, openStateWriter, serverFields } from "../state/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import { masterKeySource } from "../vault/index.ts";
import { repositoryUse } from "./backups-in-use.ts";
import { buildServer, joinFollow, type BuildContext } from "./build-server.ts";
import { createCatalogCache, type CatalogCache } from "./catalog-cache.ts";
import { startProcess } from "./child-process.ts";
import { rememberDrills } from "./drill-command.ts";
import { supervisorErrors } from "./errors.ts";
import type { HandlerContext } from "./handler-context.ts";
import { troubleAfter, type Job, type JobOutcome } from "./job.ts";
import { jobTraits } from "./job-table.ts";
import { findDone, labelBefore } from "./finished-work.ts";
import { createJobRecorder, reportCutOff } from "./job-journal.ts";
import type { LiveMasterKey } from "./live-master-key.ts";
import { createJobs, type Jobs } from "./jobs.ts";
import { formerBytes, lookAnew, readLineages, rememberLineages } from "./lineages.ts";
import type { ReloadPart } from "./reload-part.ts";
import { titleOf, titleRoom } from "./process-title.ts";
import { createRetentionRuns } from "./retention-runs.ts";
import type { SupervisedServer } from "./server.ts";
import { noteTimeline } from "./timelines.ts";
import { openServerMode } from "./server-mode.ts";
import { createServerSet } from "./server-set.ts";
import { createServersPart, letGo, type ServersSurroundings, type StartSettings } from "./servers-part.ts";
import { forgetRemoved } from "./wal-ledger.ts";
import { liveSettings, repositorySettings, secretsFor, serverSettings } from "./settings.ts";

export interface CoreOptions {
  readonly configuration: Configuration;
  readonly masterKey: LiveMasterKey;
  /** Of Moneta. */
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where the lines of the children end up. */
  readonly logSink: LogSink;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Of the repository in `base_dir`. */
  readonly repositoryId?: string;
}

export interface Core {
  /** The same array for ever; a reload changes what is in it. */
  readonly servers: readonly SupervisedServer[];
  /** Servers that are not in the configuration any more, and of which something still runs. */
  readonly retiring: () => readonly SupervisedServer[];
  /** As it is in force. */
  configuration(): Configuration;
  /** What servers have to do with a reload. */
  serversPart(surroundings: ServersSurroundings): ReloadPart;
  readonly jobs: Jobs;
  readonly catalog: CatalogCache;
  /** Takes a server out of service or back; durable when it resolves. */
  setOnline(server: SupervisedServer, online: boolean): Promise<void>;
  /** Reads what drills of a server proved. */
  rememberDrills(server: SupervisedServer): Promise<void>;
  /** Says what the daemon before this one left undone; before any job is taken. */
  reportCutOff(server: SupervisedServer): Promise<void>;
  /** Resolves when it is on disk which jobs have not ended. */
  jobsWritten(): Promise<void>;
  readonly lineages: HandlerContext["lineages"];
  /** Makes another data key for a server; durable when it resolves. */
  rotateKey(server: SupervisedServer): Promise<RotatedKey>;
  /** When retention looks again, milliseconds since 1970. */
  nextRetention(): number;
  /** Has `listener` called when a job has its outcome and nothing of it runs any more. */
  onJobEnd(listener: (job: Job, outcome: JobOutcome) => void): void;
  /** Has the remains of crashed jobs removed. */
  clean(server: SupervisedServer, workspace?: string): void;
  /** Has everything removed that is not to be kept any more, again and again until the signal fires. */
  startRetention(signal: AbortSignal): void;
}

/** Servers that reloads may add to those of the start: their place in the state is fixed when it is made. */
const SPARE_SERVERS = 256;
/** A job that was told to end gets this long. */
const CANCEL_GRACE_MS = 10_000;
/** Records of running and remembered jobs. */
const JOB_RECORDS = 64;

export async function createCore(options: CoreOptions, storage: LocalStorage, lockFd: number): Promise<Core> {
  const { clock, logger } = options;
  /** As it is in force; a reload puts another one in its place. */
  let { configuration } = options;
  const capacity = configuration.servers.length + SPARE_SERVERS;
  const mode = openServerMode(storage, () => clock.now());
  const segment = createSegment({ servers: capacity, jobs: JOB_RECORDS });
  const writer = openStateWriter(segment);
  const reader = openStateReader(segment);
  const children = { lockFd, environment: options.environment, titleRoom: titleRoom(configuration.main.updateProcessTitle) };
  const set = createServerSet(capacity);
  const changingModes = createSemaphore(1);
  const jobListeners = new Set<(job: Job, outcome: JobOutcome) => void>();
  let generation = 0;

  const serverOf = (name: string): SupervisedServer => set.get(name);
  const live = (server: SupervisedServer): LiveSettings =>
    liveSettings(configuration, server.options, server.online, generation);
  const stateOf = (server: SupervisedServer) => encodeDelta(serverFields, undefined, server.state()) ?? {};
  /** The part of it that follows from the configuration alone. */
  const startSettings = (_name: string, of: Configuration, serverOptions: ServerOptions): StartSettings => ({
    server: serverSettings(of, serverOptions),
    repository: repositorySettings(of, serverOptions, options.repositoryId),
    secrets: secretsFor(of, serverOptions, options.masterKey.current()),
  });
  /** What every child is told at its start. */
  const start = (server: SupervisedServer, base: string, detail: string) => {
    // With the master key of the last look: a job that finds it replaced reads the new one itself, and the next one is given it.
    void options.masterKey.refresh();
    return startWith(server, base, detail);
  };
  const startWith = (server: SupervisedServer, base: string, detail: string) => ({
    type: "start" as const,
    ...titleOf(configuration.main.updateProcessTitle, base, detail),
    ...startSettings(server.name, configuration, server.options),
    live: live(server),
    state: stateOf(server),
  });
  /** Puts what may change at run time where every process and thread sees it. */
  const publish = (server: SupervisedServer): void => {
    generation += 1;
    const { main } = configuration;
    const { workers, maxRate } = server.options;
    writer.configuration().set({ generation, logLevel: main.logLevel, workers: main.workers, maxRate: main.maxRate });
    writer.serverConfiguration(server.index).set({ online: server.online, workers, maxRate });
    server.receiver.reconfigure(live(server));
    jobs.reconfigure((name) => live(serverOf(name)));
  };

  const catalog = createCatalogCache(storage, (name, entries) => {
    const server = set.find(name);
    // One that is not in the configuration any more, and asked for when it still was.
    if (server !== undefined) recordBackups(server, entries);
  });
  const clean = (server: SupervisedServer, workspace = server.options.workspace): void => {
    if (jobs.stopping || jobs.active(server.name, "clean").some((job) => job.state === "waiting")) return;
    jobs.submit(server.name, { command: "clean", workspace });
  };
  /** After retention: less is stored, and gaps in what is gone are none. */
  const lookAtWal = async (server: SupervisedServer): Promise<void> => {
    const { name, wal, record, state } = server;
    const { walSegmentSize } = state();
    if (walSegmentSize === 0) return;
    const inventory = openWalInventory(storage, name, walSegmentSize);
    await forgetRemoved(wal, () => inventory.stretches());
    await rememberLineages(server, storage, logger);
    record.set({ walBytes: (await inventory.usage()).bytes + formerBytes(server), gaps: (await inventory.openGaps()).length });
  };
  const afterJob = (job: Job, outcome: JobOutcome): void => {
    const server = serverOf(job.server);
    server.jobCounts.note(job, outcome, jobs.stateOf(job)?.bytesDone ?? 0);
    if (job.command === "archive-wal") {
      server.archivingProblem = troubleAfter(outcome, server.archivingProblem);
      server.archiver.ended(outcome, job);
    }
    if (job.command === "ship-wal") server.secondCopy?.ended(outcome, job);
    if (job.command === "hot-standby") server.hotStandby?.ended(outcome);
    if (job.command === "backup" && outcome.state === "succeeded") server.hotStandby?.wake();
    if (job.command === "retention") {
      server.secondCopy?.wake();
      server.retentionProblem = troubleAfter(outcome, server.retentionProblem);
      lookAtWal(server).catch((error: unknown) => logger.warn(`the WAL of ${server.name} cannot be looked at: ${messageOf(error)}`));
    }
    // Before the first WAL came nobody knew which cluster it is.
    if (server.lineages.present === undefined && job.command === "backup") void rememberLineages(server, storage, logger);
    if (job.command === "drill") void rememberDrills(server, storage, logger);
    if (outcome.state !== "succeeded" && jobTraits[job.command].leavesRemains) {
      // A drill that was killed left what it left where it began.
      clean(server, job.request.command === "drill" ? job.request.workspace : undefined);
    }
    retention.lessInUse(server);
    for (const listener of jobListeners) listener(job, outcome);
    if (set.retiring().includes(server)) letGo(server, { set, context, jobs });
    if (!jobTraits[job.command].visible) return;
    catalog.refresh(server.name).then(
      (entries) => countBackup(server, outcome, job, entries),
      (error: unknown) => logger.error(`the catalog of ${server.name} cannot be read: ${messageOf(error)}`),
    );
  };
  /** What is in use may have changed while it waited; from its turn on nobody begins to use anything before it has decided. */
  const atItsTurn = ({ request, server }: Job): JobRequest =>
    request.command === "retention"
      ? { ...request, inUse: repositoryUse(jobs.active(server), catalog.entries(server)) }
      : request;
  const recorder = createJobRecorder(storage, logger.child("jobs"));
  const jobs = createJobs({
    segment,
    clock,
    logger: logger.child("jobs"),
    serverIndex: (name) => serverOf(name).index,
    spawn: (job, onMessage, onEnd) =>
      startProcess<ToJob, FromJob>({
        program: "job",
        check: fromJob,
        onMessage,
        onEnd,
        logger: logger.child(`job ${job.id}`),
        ...children,
      }),
    startMessage: (job) => ({
      ...start(serverOf(job.server), "job", `${job.id} ${job.command} ${job.server}`),
      job: job.id,
      request: atItsTurn(job),
      version: options.version,
    }),
    onLog: ({ record }) => options.logSink.write(record),
    onArchived(name, files, storedBytes, command) {
      const server = serverOf(name);
      if (command === "ship-wal") server.secondCopy?.progress(files);
      else recordArchived(server, files, storedBytes, clock.now());
    },
    labelBefore: (job) => labelBefore(job, storage),
    findDone: (job) => findDone(job, { storage, catalog }),
    onEnd: afterJob,
    onChange: (name) => recorder.note(name, jobs.active(name)),
    recorded: (name) => recorder.behind(name),
    onNarrowed: (job) => retention.lessInUse(serverOf(job.server)),
    cancelGraceMs: CANCEL_GRACE_MS,
  });

  const stages = new Map<string, string>();
  /** The receiver said something new: whoever waits for WAL hears of it. */
  const changed = (server: SupervisedServer): void => {
    for (const look of [...server.watchers]) look();
    const { receiver, timeline } = server.state();
    server.secondCopy?.onTimeline(timeline);
    noteTimeline(server, timeline, storage, logger);
    // The archiver keeps its hands off what the receiver has in its own; how far that is it need not know to the byte.
    if (stages.get(server.name) !== `${receiver} ${timeline}`) {
      stages.set(server.name, `${receiver} ${timeline}`);
      jobs.tell(server.name, { type: "server", state: stateOf(server) }, (job) => job.command === "archive-wal");
    }
    if (jobs.active(server.name, "backup").every((job) => job.state === "waiting")) return;
    jobs.tell(server.name, { type: "server", state: stateOf(server) }, (job) => job.command === "backup");
  };
  const context: BuildContext = {
    mode,
    writer,
    reader,
    clock,
    logger,
    logSink: options.logSink,
    children,
    start: (server) => start(server, "receiver", server.name),
    submit: (name, request) => jobs.submit(name, request),
    changed,
    patienceMs: () => configuration.main.receiverTimeout * 1000,
  };
  const built: SupervisedServer[] = [];
  for (const serverOptions of configuration.servers) built.push(await buildServer(set.takeIndex(), serverOptions, context));
  set.replace(built);
  for (const server of built) {
    publish(server);
    const { follow } = server.options;
    if (follow !== undefined) joinFollow(server, set.get(follow), context);
  }
  const retention = createRetentionRuns({
    servers: set.servers,
    jobs,
    catalog,
    clock,
    logger: logger.child("retention"),
    intervalMs: () => configuration.main.retentionInterval * 1000,
  });
  return {
    servers: set.servers,
    retiring: set.retiring,
    configuration: () => configuration,
    jobs,
    catalog,
    clean,
    onJobEnd: (listener) => void jobListeners.add(listener),
    serversPart: (surroundings) =>
      createServersPart({
        ...surroundings,
        set,
        context,
        jobs,
        settingsOf: ({ name }, of, serverOptions) => startSettings(name, of, serverOptions),
        adopt(next) {
          configuration = next;
          for (const server of [...set.servers, ...set.retiring()]) publish(server);
          retention.rearm();
        },
      }),
    startRetention: (signal) => retention.start(signal),
    nextRetention: () => retention.next,
    rememberDrills: (server) => rememberDrills(server, storage, logger),
    async reportCutOff(server) {
      try {
        server.cutOff = await reportCutOff(server.name, storage, (job) => findDone(job, { storage, catalog }), logger.child("jobs"));
      } catch (error) {
        logger.warn(`what the daemon before this one left undone of ${server.name} is not known: ${messageOf(error)}`);
      }
    },
    jobsWritten: () => recorder.written(),
    lineages: {
      read: ({ name }) => readLineages(storage, name),
      lookAnew: (server) => lookAnew(server, storage, logger),
    },
    async rotateKey({ name, secondCopy }) {
      const known = await options.masterKey.refresh();
      const rotated = await openDataKeys(storage, name, masterKeySource(configuration.main.masterKeyFile, known)).rotate();
      logger.warn(`what begins to be encrypted of ${name} from now on has a new data key`, {
        key: rotated.id,
        previous: rotated.previous ?? null,
      });
      secondCopy?.wake();
      return rotated;
    },
    async setOnline(server, online) {
      // One after the other, so that file and memory cannot end up saying different things.
      await changingModes.run(async () => {
        await mode.setOnline(server.name, online);
        if (supervisorErrors.modeFile.is(server.problem)) server.problem = undefined;
        if (server.online !== online)
          logger.warn(`server ${server.name} is ${online ? "online" : "offline"} from now on`);
        server.online = online;
        publish(server);
      });
      if (online) {
        // What is ending starts nothing: the next daemon does. Nor is anything received while the WAL gets another place.
        if (jobs.stopping || jobs.active(server.name, "lineage").length > 0) return;
        server.receiver.child.start();
        server.receiver.wake();
      } else await server.receiver.child.drain();
    },
  };
}

function recordBackups({ record }: SupervisedServer, entries: readonly CatalogEntry[]): void {
  const backupBytes = entries.reduce((sum, { info, sharing }) => sum + (sharing?.ownBytes ?? info?.storedBytes ?? 0), 0);
  record.set({ backups: entries.length, backupBytes });
}

/** What a backup that succeeded brought. */
function countBackup({ jobCounts }: SupervisedServer, outcome: JobOutcome, { command }: Job, entries: readonly CatalogEntry[]): void {
  if (command !== "backup" || outcome.state !== "succeeded") return;
  const info = entries.find(({ label }) => label === outcome.result.label)?.info;
  if (info === undefined) return;
  const linked = (info.own?.shared ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
  jobCounts.backup(info.restoredBytes, info.storedBytes, linked);
}

function recordArchived(server: SupervisedServer, segments: number, storedBytes: number, now: number): void {
  const { record, state } = server;
  if (segments === 0) {
    // On a busy server the archiver does not end for days: its trouble is over now.
    server.archivingProblem = undefined;
    server.unarchived = 0;
    return;
  }
  server.unarchived = Math.max(0, server.unarchived - segments);
  server.lastArchived = now;
  server.secondCopy?.wake();
  record.add("archivedSegments", segments);
  record.add("archivedBytes", storedBytes);
  // Each archived segment takes the place of a raw one.
  const { walBytes, walSegmentSize } = state();
  record.set({ walBytes: Math.max(0, walBytes + storedBytes - segments * walSegmentSize) });
}
