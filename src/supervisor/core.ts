/**
 * The parts of the supervisor and how they hear of each other: servers with their receivers and archivers, jobs,
 * catalog, state. Nothing here runs before somebody starts it.
 */
import { createSemaphore, messageOf, messageWithHint, toMonetaError, type Clock } from "../common/index.ts";
import type { Configuration, ServerOptions } from "../config/index.ts";
import { fromJob, type FromJob, type JobRequest, type LiveSettings, type ToJob } from "../ipc/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import { managementErrors } from "../management/index.ts";
import { openDataKeys, openWalInventory, type CatalogEntry, type RotatedKey } from "../repository/index.ts";
import { createSegment, encodeDelta, openStateReader, openStateWriter, serverFields } from "../state/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import { masterKeySource } from "../vault/index.ts";
import { createArchiver } from "./archiver.ts";
import { createSecondCopy, type SecondCopy } from "./second-copy.ts";
import { createHotStandby, hotStandbyRequest, type HotStandby } from "./hot-standby.ts";
import { repositoryUse } from "./backups-in-use.ts";
import { createCatalogCache, type CatalogCache } from "./catalog-cache.ts";
import { startProcess } from "./child-process.ts";
import { rememberDrills } from "./drill-command.ts";
import { supervisorErrors } from "./errors.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { Job, JobOutcome } from "./job.ts";
import { jobTraits } from "./job-table.ts";
import { createFollow, streaming } from "./follow.ts";
import { findDone } from "./finished-work.ts";
import { createJobRecorder, reportCutOff } from "./job-journal.ts";
import type { LiveMasterKey } from "./live-master-key.ts";
import { createJobs, type Jobs } from "./jobs.ts";
import { formerBytes, lookAnew, noLineages, readLineages, rememberLineages } from "./lineages.ts";
import { createReceiver } from "./receivers.ts";
import { createRetentionRuns } from "./retention-runs.ts";
import type { SupervisedServer } from "./server.ts";
import { openServerMode } from "./server-mode.ts";
import { createWalLedger, forgetRemoved } from "./wal-ledger.ts";
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
  readonly servers: readonly SupervisedServer[];
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
  clean(server: SupervisedServer): void;
  /** Has everything removed that is not to be kept any more, again and again until the signal fires. */
  startRetention(signal: AbortSignal): void;
}

/** A receiver that has to sync and say goodbye gets this long. */
const DRAIN_MS = 20_000;
/** A job that was told to end gets this long. */
const CANCEL_GRACE_MS = 10_000;
/** Records of running and remembered jobs. */
const JOB_RECORDS = 64;

export async function createCore(options: CoreOptions, storage: LocalStorage, lockFd: number): Promise<Core> {
  const { configuration, clock, logger } = options;
  const { main } = configuration;
  const mode = openServerMode(storage, () => clock.now());
  const segment = createSegment({ servers: configuration.servers.length, jobs: JOB_RECORDS });
  const writer = openStateWriter(segment);
  const reader = openStateReader(segment);
  const children = { lockFd, environment: options.environment };
  const servers: SupervisedServer[] = [];
  const byName = new Map<string, SupervisedServer>();
  const changingModes = createSemaphore(1);
  const jobListeners = new Set<(job: Job, outcome: JobOutcome) => void>();
  let generation = 0;

  const serverOf = (name: string): SupervisedServer => {
    const server = byName.get(name);
    if (server === undefined) throw managementErrors.serverUnknown(`there is no server ${name}`, { server: name });
    return server;
  };
  const live = (server: SupervisedServer): LiveSettings =>
    liveSettings(configuration, server.options, server.online, generation);
  const stateOf = (server: SupervisedServer) => encodeDelta(serverFields, undefined, server.state()) ?? {};
  /** What every child is told at its start. */
  const start = (server: SupervisedServer, title: string) => {
    // With the master key of the last look: a job that finds it replaced reads the new one itself, and the next one is given it.
    void options.masterKey.refresh();
    return startWith(server, title);
  };
  const startWith = (server: SupervisedServer, title: string) => ({
    type: "start" as const,
    ...(main.updateProcessTitle === "never" ? {} : { title: `moneta: ${title}` }),
    server: serverSettings(configuration, server.options),
    repository: repositorySettings(configuration, server.options, options.repositoryId),
    secrets: secretsFor(configuration, server.options, options.masterKey.current()),
    live: live(server),
    state: stateOf(server),
  });
  /** Puts what may change at run time where every process and thread sees it. */
  const publish = (server: SupervisedServer): void => {
    generation += 1;
    const { workers, maxRate } = server.options;
    writer.configuration().set({ generation, logLevel: main.logLevel, workers: main.workers, maxRate: main.maxRate });
    writer.serverConfiguration(server.index).set({ online: server.online, workers, maxRate });
    server.receiver.reconfigure(live(server));
    jobs.reconfigure((name) => live(serverOf(name)));
  };

  const catalog = createCatalogCache(storage, (name, entries) => recordBackups(serverOf(name), entries));
  const clean = (server: SupervisedServer): void => {
    if (jobs.stopping || jobs.active(server.name, "clean").some((job) => job.state === "waiting")) return;
    jobs.submit(server.name, { command: "clean", workspace: server.options.workspace });
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
    if (job.command === "archive-wal") {
      server.archivingProblem = outcome.state === "failed" || outcome.state === "died" ? outcome.error : undefined;
      server.archiver.ended(outcome);
    }
    if (job.command === "ship-wal") server.secondCopy?.ended(outcome);
    if (job.command === "hot-standby") server.hotStandby?.ended(outcome);
    if (job.command === "backup" && outcome.state === "succeeded") server.hotStandby?.wake();
    if (job.command === "retention") {
      server.secondCopy?.wake();
      server.retentionProblem = outcome.state === "failed" || outcome.state === "died" ? outcome.error : undefined;
      lookAtWal(server).catch((error: unknown) => logger.warn(`the WAL of ${server.name} cannot be looked at: ${messageOf(error)}`));
    }
    // Before the first WAL came nobody knew which cluster it is.
    if (server.lineages.present === undefined && job.command === "backup") void rememberLineages(server, storage, logger);
    if (job.command === "drill") void rememberDrills(server, storage, logger);
    if (outcome.state !== "succeeded" && jobTraits[job.command].leavesRemains) clean(server);
    retention.lessInUse(server);
    for (const listener of jobListeners) listener(job, outcome);
    if (!jobTraits[job.command].visible) return;
    catalog.refresh(server.name).catch((error: unknown) => {
      logger.error(
        `the catalog of ${server.name} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
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
      ...start(serverOf(job.server), `job ${job.id} ${job.command} ${job.server}`),
      job: job.id,
      request: atItsTurn(job),
      version: options.version,
    }),
    onLog: ({ record }) => options.logSink.write(record),
    onArchived(name, files, storedBytes, command) {
      const server = serverOf(name);
      if (command === "ship-wal") server.secondCopy?.progress(files);
      else recordArchived(server, files, storedBytes);
    },
    findDone: (job) => findDone(job, { storage, catalog }),
    onEnd: afterJob,
    onChange: (name) => recorder.note(name, jobs.active(name)),
    onNarrowed: (job) => retention.lessInUse(serverOf(job.server)),
    cancelGraceMs: CANCEL_GRACE_MS,
  });

  const stages = new Map<string, string>();
  /** The receiver said something new: whoever waits for WAL hears of it. */
  const changed = (server: SupervisedServer): void => {
    for (const look of [...server.watchers]) look();
    const { receiver, timeline } = server.state();
    server.secondCopy?.onTimeline(timeline);
    // The archiver keeps its hands off what the receiver has in its own; how far that is it need not know to the byte.
    if (stages.get(server.name) !== `${receiver} ${timeline}`) {
      stages.set(server.name, `${receiver} ${timeline}`);
      jobs.tell(server.name, { type: "server", state: stateOf(server) }, (job) => job.command === "archive-wal");
    }
    if (jobs.active(server.name, "backup").every((job) => job.state === "waiting")) return;
    jobs.tell(server.name, { type: "server", state: stateOf(server) }, (job) => job.command === "backup");
  };
  /** What an operator wanted of a server cannot be guessed from a damaged file: it stays out of service, the others do not. */
  const modeOf = async (name: string): Promise<Pick<SupervisedServer, "online" | "problem">> => {
    try {
      return { online: await mode.isOnline(name), problem: undefined };
    } catch (error) {
      const problem = toMonetaError(error);
      logger.error(`whether ${name} is offline is not known, so it stays offline: ${messageWithHint(problem)}`, { code: problem.code });
      return { online: false, problem };
    }
  };
  const secondCopyOf = (server: string, directory: string | undefined): SecondCopy | undefined => {
    if (directory === undefined) return undefined;
    const submit = (): Job => jobs.submit(server, { command: "ship-wal", directory });
    return createSecondCopy({ server, directory, submit, clock, logger: logger.child("second copy") });
  };
  const hotStandbyOf = ({ name, ...serverOptions }: ServerOptions): HotStandby | undefined => {
    const request = hotStandbyRequest(serverOptions);
    if (request === undefined) return undefined;
    return createHotStandby({ server: name, submit: () => jobs.submit(name, request), clock, logger: logger.child("hot standby") });
  };
  const build = async (index: number, serverOptions: ServerOptions): Promise<SupervisedServer> => {
    const { name } = serverOptions;
    const record = writer.server(index);
    const { online, problem } = await modeOf(name);
    const server: SupervisedServer = {
      name,
      index,
      options: serverOptions,
      record,
      wal: createWalLedger(),
      state: () => reader.server(index),
      online,
      problem,
      follow: undefined,
      archivingProblem: undefined,
      retentionProblem: undefined,
      findings: [],
      drills: [],
      schedules: {},
      lineages: noLineages,
      watchers: new Set(),
      receiver: createReceiver({
        server: name,
        record,
        clock,
        logger: logger.child("receiver"),
        startMessage: () => ({ ...start(server, `receiver ${name}`), role: server.follow?.role() ?? streaming }),
        onSegment(segmentName) {
          const { walSegmentSize } = server.state();
          server.wal.add(segmentName, walSegmentSize);
          record.add("walBytes", walSegmentSize);
          server.archiver.wake(segmentName);
        },
        onLog: (line) => options.logSink.write(line),
        onChange: () => changed(server),
        onError: (error) => {
          server.problem = error;
        },
        onFindings: (findings) => {
          server.findings = findings;
        },
        drainTimeoutMs: DRAIN_MS,
        ...children,
      }),
      archiver: createArchiver({
        server: name,
        clock,
        logger: logger.child("archiver"),
        submit: () => jobs.submit(name, { command: "archive-wal" }),
      }),
      secondCopy: secondCopyOf(name, serverOptions.walShipping),
      hotStandby: hotStandbyOf(serverOptions),
    };
    return server;
  };
  for (const [index, serverOptions] of configuration.servers.entries()) {
    const server = await build(index, serverOptions);
    servers.push(server);
    byName.set(server.name, server);
    publish(server);
  }
  for (const server of servers) {
    const { follow } = server.options;
    if (follow === undefined) continue;
    server.follow = createFollow({
      own: server,
      followed: serverOf(follow),
      clock,
      logger: logger.child("follow"),
      patienceMs: main.receiverTimeout * 1000,
      tell: (role) => server.receiver.setRole(role),
    });
  }
  const retention = createRetentionRuns({
    servers,
    jobs,
    catalog,
    clock,
    logger: logger.child("retention"),
    intervalMs: main.retentionInterval * 1000,
  });
  return {
    servers,
    jobs,
    catalog,
    clean,
    onJobEnd: (listener) => void jobListeners.add(listener),
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
      const rotated = await openDataKeys(storage, name, masterKeySource(main.masterKeyFile, known)).rotate();
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

function recordArchived(server: SupervisedServer, segments: number, storedBytes: number): void {
  const { record, state } = server;
  if (segments === 0) {
    // On a busy server the archiver does not end for days: its trouble is over now.
    server.archivingProblem = undefined;
    return;
  }
  server.secondCopy?.wake();
  record.add("archivedSegments", segments);
  record.add("archivedBytes", storedBytes);
  // Each archived segment takes the place of a raw one.
  const { walBytes, walSegmentSize } = state();
  record.set({ walBytes: Math.max(0, walBytes + storedBytes - segments * walSegmentSize) });
}
