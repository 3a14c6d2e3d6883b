/**
 * The supervisor: takes ownership of the repository, starts a receiver for each server, answers operators, runs jobs,
 * and ends in order. It never touches a byte of a database and waits for nobody.
 */
import { messageOf, timeLimit } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import { createLogger, type Logger } from "../log/index.ts";
import { createManagementServer, guardHandler, managementSocketName, type ManagementHandler, type RemoteManagement } from "../management/index.ts";
import {
  acquireOwnerLock,
  openRepositoryStorage,
  requireRepository,
  type OwnerLock,
} from "../repository/index.ts";
import type { ServiceNotifier } from "../service-manager/index.ts";
import { openReserve } from "../storage/index.ts";
import { placesOf } from "./alarms.ts";
import { createCommandCounts, type CommandCounts } from "./command-counts.ts";
import { createCore, type Core, type CoreOptions } from "./core.ts";
import { createChecks, type Checks } from "./checks.ts";
import { createConverter, type Converter } from "./converter.ts";
import { supervisorErrors } from "./errors.ts";
import { firstLook } from "./first-look.ts";
import { createDiagnosis } from "./diagnose-command.ts";
import type { Diagnosis } from "./handler-context.ts";
import { createHandler } from "./handlers.ts";
import { createNagiosListener, nagiosPart } from "./nagios-listener.ts";
import type { CountingSink } from "./line-counts.ts";
import { createMetricsEndpoint, metricsPart } from "./metrics-endpoint.ts";
import { measuredTrees, otherPlaces, processesOf, whyNotReady } from "./metrics-sources.ts";
import { openNotifications, type Notifications } from "./notifications.ts";
import { createProber } from "./prober.ts";
import { watchPushedWal } from "./pushed-wal.ts";
import { pidFilePart, writePidFile } from "./pid-file.ts";
import { plainPart, type ReloadPart } from "./reload-part.ts";
import { createReloads, type ReloadReport, type Reloads, type ReloadSource } from "./reloads.ts";
import { openRemoteManagement, remoteManagementPart, remoteSettings } from "./remote-management.ts";
import { openRepositoryMemory, type RepositoryMemory } from "./repository-memory.ts";
import { keepReserve } from "./reserve.ts";
import type { SupervisedServer } from "./server.ts";
import { serviceStatus } from "./service-status.ts";
import { managementLimits } from "./settings.ts";
import { intervalsOf } from "./schedule-command.ts";
import { startScheduling } from "./scheduling.ts";
import { createShutdown } from "./shutdown.ts";
import { stoppableFromTheStart } from "./signals.ts";
import { createSpaceMonitor, type SpaceMonitor } from "./space.ts";
import type { StatusSources } from "./status.ts";
import { createVerificationSchedule, type VerificationSchedule } from "./verification-schedule.ts";

export interface SupervisorOptions extends CoreOptions {
  readonly pid: number;
  /** Where the configuration came from, and comes from again. */
  readonly source: ReloadSource;
  /** What else takes part in a reload. */
  readonly parts: readonly ReloadPart[];
  readonly ownership: Ownership;
  readonly logSink: CountingSink;
  /** Whom a service manager hears. */
  readonly notifier: ServiceNotifier;
  /** The last lines of the log. */
  readonly recentLines: () => string;
}

/** The repository is ours. */
export interface Ownership {
  readonly lock: OwnerLock;
  readonly memory: RepositoryMemory;
}

export interface Supervisor {
  /** Begins the ordered end; a second call changes nothing. */
  stop(reason: string): void;
  /** Ends what still runs at once. */
  force(reason: string): void;
  /** Reads the configuration again. Throws why it cannot be put in force; then nothing has changed. */
  reload(): Promise<ReloadReport>;
  /** Resolves with whether the end was orderly, when nothing of the daemon is left but its process. */
  readonly ended: Promise<boolean>;
}

/** How long children of a dead supervisor are waited for: they end within a second of its death. */
const ORPHANS_MS = 10_000;
const SPACE_INTERVAL_MS = 30_000;

/** Takes the repository, or says whose it is. Changes nothing in one that exists. */
export async function takeOwnership(
  main: MainOptions,
  { clock, logger }: Pick<SupervisorOptions, "clock" | "logger">,
): Promise<Ownership> {
  const memory = openRepositoryMemory(main, logger);
  // Before the lock, which would make base_dir where it is missing.
  await memory.recognise();
  const lock = await acquireOwnerLock(main.baseDir, {
    waitMs: ORPHANS_MS,
    clock,
    onWait: (owner) => logger.warn("waiting for the processes of a daemon that is gone", { owner }),
  });
  return { lock, memory };
}

/** Starts the daemon; resolves when it answers. What it throws is why it does not run, and nothing of it is left. */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { lock, memory } = options.ownership;
  const undo: (() => Promise<void>)[] = [() => lock.release()];
  try {
    return await startOwned({ ...options, repositoryId: await memory.identify() }, lock, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function startOwned(
  options: SupervisorOptions & { readonly repositoryId: string },
  lock: OwnerLock,
  undo: (() => Promise<void>)[],
): Promise<Supervisor> {
  const { clock, logger, notifier } = options;
  const { main } = options.configuration;
  const storage = openRepositoryStorage(main.baseDir, options.repositoryId);
  const core = await createCore(options, storage, lock.fd);
  const remains = new Map<SupervisedServer, boolean>();
  for (const server of core.servers) {
    notifier.doing(`starting: looking at what is stored of ${server.name}`);
    remains.set(server, await firstLook(server, core, storage, logger));
  }
  const stopping = new AbortController();
  undo.push(async () => stopping.abort());
  const space = createSpaceMonitor(
    () => {
      const { main: now } = core.configuration();
      return [now.baseDir, now.workspace, ...core.servers.flatMap((server) => [...placesOf(server, now), ...otherPlaces(server)])];
    },
    {
      clock,
      logger,
      intervalMs: SPACE_INTERVAL_MS,
      signal: stopping.signal,
    },
  );
  await space.refresh();
  const reserve = openReserve(main.baseDir);
  const fill = async (): ReturnType<typeof reserve.fill> => {
    await requireRepository(storage, options.repositoryId);
    return reserve.fill();
  };
  await keepReserve(fill, { clock, logger, intervalMs: SPACE_INTERVAL_MS, signal: stopping.signal });

  const verification = createVerificationSchedule({
    servers: () => core.servers.map(({ name }) => name),
    plan() {
      const { verification: seconds, verificationRate } = core.configuration().main;
      return { periodMs: seconds * 1000, rateBytes: verificationRate };
    },
    jobs: core.jobs,
    catalog: core.catalog,
    clock,
    logger: logger.child("verification"),
    signal: stopping.signal,
  });
  const daemon = stoppableFromTheStart(() => undefined);
  const sources = statusSources(options, core, space, verification);
  const commands = createCommandCounts(clock);
  let ready = false;
  /** What others ask about before it is there. */
  const begun: { reloads?: Reloads; remote?: RemoteManagement } = {};
  const converter = createConverter({ ...options, configuration: () => core.configuration() });
  const prober = createProber({ ...options, configuration: () => core.configuration(), logger: logger.child("check") });
  const listProcesses = () => processesOf({ ...core, converter, prober }, options.pid);
  const metrics = createMetricsEndpoint({
    main: () => core.configuration().main,
    servers: core.servers,
    status: sources,
    lines: options.logSink,
    commands,
    listProcesses,
    managementCertificateExpires: () => begun.remote?.certificateExpires,
    listTrees: () => core.servers.flatMap((server) => measuredTrees(server)),
    notReady: () => whyNotReady(ready, stopping.signal.aborted, space.problems([main.baseDir])),
    clock,
    logger: logger.child("metrics"),
  });
  undo.push(async () => metrics.close(true));
  await metrics.update(main);
  const clearMetrics = (): void => {
    options.logSink.reset();
    metrics.forget();
  };
  const notifications = await openNotifications({ ...options, main, storage, logger: logger.child("notify") });
  const checks = createChecks({
    probe: prober.probe,
    sources,
    notifications: () => notifications.state,
    clock,
    logger: logger.child("check"),
  });
  const handle = operatorHandler(options, core, {
    sources,
    commands,
    clearMetrics,
    checks,
    notifications,
    converter,
    diagnosis: createDiagnosis({
      storage,
      version: options.version,
      pid: options.pid,
      listProcesses,
      metrics: () => metrics.text(),
      recentLines: options.recentLines,
      path: options.environment["PATH"] ?? "",
      signal: stopping.signal,
    }),
    stopping: stopping.signal,
    shutdown: daemon.stop,
    reloads: () => {
      if (begun.reloads === undefined) throw supervisorErrors.starting("the daemon is still starting");
      return begun.reloads;
    },
  });
  const management = await listen(options, handle);
  undo.push(() => management.close(true));
  const { masterKey } = options;
  const remote = openRemoteManagement({ handle, masterKey, clock, logger: logger.child("remote management") });
  undo.push(() => remote.close(true));
  begun.remote = remote;
  await remote.update(remoteSettings(options.configuration));
  const nagios = createNagiosListener({ servers: () => core.servers, checks, logger: logger.child("nagios") });
  undo.push(() => nagios.close());
  await nagios.update({ host: main.host, port: main.nagios });
  // Not before the socket is ours: the file may be that of a daemon that lives, with another repository.
  let pidFile = await writePidFile(main.pidfile, options.pid);
  undo.push(() => pidFile.remove());
  if (pidFile.replaced !== undefined) {
    logger.info("a PID file that was left behind is replaced", { path: pidFile.path, pid: pidFile.replaced });
  }
  const { jobs, servers } = core;
  const shutdown = createShutdown({
    clock,
    servers,
    retiring: core.retiring,
    jobs,
    converter,
    logger,
    closeManagement: async (force) => {
      await nagios.close();
      await Promise.all([management.close(force), remote.close(force)]);
    },
    jobsWritten: () => core.jobsWritten(),
  });
  let settle: (orderly: boolean) => void = () => undefined;
  const ended = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const stop = (reason: string): void => {
    if (shutdown.begun) return;
    stopping.abort();
    notifier.stopping(reason);
    shutdown
      .begin(reason)
      .then(async (orderly) => {
        metrics.close(true);
        await pidFile.remove();
        await lock.release();
        settle(orderly);
      })
      .catch((error: unknown) => {
        logger.error(`the end was not orderly: ${error instanceof Error ? error.message : String(error)}`);
        settle(false);
      });
  };
  for (const [server, left] of remains) begin(server, left, core, logger);
  await watchPushedWal(core.servers, { storage, clock, logger, intervalMs: SPACE_INTERVAL_MS, signal: stopping.signal });
  for (const server of core.servers) server.follow?.start(stopping.signal);
  core.startRetention(stopping.signal);
  verification.start();
  core.onJobEnd((job, outcome) => notifications.jobEnded(job.server, job.command, outcome));
  notifications.start(() => core.servers, sources, checks, stopping.signal);
  const checkIntervalMs = (): number => {
    const { checkInterval, nagios: port } = core.configuration().main;
    return notifications.notifier.targets > 0 || port > 0 ? checkInterval * 1000 : 0;
  };
  checks.repeat(() => core.servers, checkIntervalMs, stopping.signal);
  const scheduler = await startScheduling(core, storage, { clock, logger: logger.child("schedule"), signal: stopping.signal });
  const reloads = createReloads({
    source: options.source,
    parts: [
      ...options.parts,
      core.serversPart({
        signal: stopping.signal,
        look: (server) => firstLook(server, core, storage, logger),
        begin: (server, left) => begin(server, left, core, logger),
      }),
      pidFilePart(options.pid, {
        current: () => pidFile,
        replace: (next) => {
          pidFile = next;
        },
      }),
      plainPart("the management socket", ({ after }) => management.limit(managementLimits(after.configuration.main))),
      nagiosPart(nagios),
      metricsPart(metrics),
      remoteManagementPart(remote),
      plainPart("notifications", ({ after }) => notifications.update(after.configuration.main)),
      plainPart("what runs by itself", () => {
        verification.update();
        void space.refresh();
        checks.update();
        scheduler.update().catch((error: unknown) => logger.error(`the schedules could not be looked at anew: ${messageOf(error)}`));
      }),
    ],
    stopping: () => stopping.signal.aborted,
    logger: logger.child("configuration"),
  });
  const heard = announced(notifier, reloads);
  begun.reloads = heard;
  ready = true;
  logger.info(`moneta ${options.version} is ready`, { servers: servers.length, baseDir: main.baseDir });
  const supervisor = { stop, force: (reason: string) => shutdown.force(reason), reload: () => heard.reload(), ended };
  daemon.started(supervisor);
  await notifier.ready(() => serviceStatus(core.servers, sources));
  return supervisor;
}

/** Has the service manager hear of each reading of the configuration, whoever asked for it. */
function announced(notifier: ServiceNotifier, reloads: Reloads): Reloads {
  return { ...reloads, reload: () => notifier.around(() => reloads.reload()) };
}

/** What the management commands need besides the core. */
interface Surroundings {
  readonly sources: StatusSources;
  readonly commands: CommandCounts;
  readonly clearMetrics: () => void;
  readonly checks: Checks;
  readonly notifications: Notifications;
  readonly converter: Converter;
  readonly diagnosis: Diagnosis;
  readonly stopping: AbortSignal;
  readonly shutdown: (reason: string) => void;
  /** Throws as long as the daemon starts. */
  readonly reloads: () => Reloads;
}

/** What status and metrics are made of. */
function statusSources(
  { clock, version }: SupervisorOptions,
  core: Core,
  space: SpaceMonitor,
  verification: VerificationSchedule,
): StatusSources {
  const { jobs, catalog } = core;
  return {
    main: () => core.configuration().main,
    version,
    now: () => clock.now(),
    entries: (name) => catalog.entries(name),
    activeJobs: (name) => jobs.active(name).filter((job) => jobs.accepted(job)),
    blockers: (job) => jobs.blockers(job),
    placeInLine: (job) => jobs.placeInLine(job),
    jobState: (job) => jobs.stateOf(job),
    space,
    verification: (name) => verification.problems(name),
  };
}

/** Answers operators, wherever they ask, after a look at what they may do. */
function operatorHandler(
  options: SupervisorOptions,
  core: Core,
  { checks, clearMetrics, commands, converter, diagnosis, notifications, reloads, shutdown, sources, stopping }: Surroundings,
): ManagementHandler {
  const { clock } = options;
  const { servers, jobs, catalog } = core;
  // Not the level of the log: who changed what is written down however little else is.
  const audit = createLogger(["audit"], "info", (record) => options.logSink.write(record));
  return guardHandler(
    commands.around(
      createHandler({
      servers,
      jobs,
      catalog,
      setOnline: (server, online) => core.setOnline(server, online),
      rememberDrills: (server) => core.rememberDrills(server),
      lineages: core.lineages,
      intervals: ({ name }) => intervalsOf(catalog.entries(name), core.configuration().main, core.nextRetention(), clock.now()),
      rotateKey: (server) => core.rotateKey(server),
      converter,
      checks,
      notifications,
      diagnosis,
      reloads,
      shutdown,
      clearMetrics,
      timeout: (ms) => timeLimit(ms, stopping),
      sources,
    }),
      (name) => servers.some((server) => server.name === name),
    ),
    audit,
  );
}

function listen({ clock, configuration: { main }, logger, masterKey }: SupervisorOptions, handle: ManagementHandler) {
  return createManagementServer({
    socketPath: `${main.unixSocketDir}/${managementSocketName}`,
    logger: logger.child("management"),
    clock,
    masterKeys: () => masterKey.recent(),
    limits: managementLimits(main),
    handle,
  });
}

/** Has everything run that a server has. */
function begin(server: SupervisedServer, remains: boolean, core: Core, logger: Logger): void {
  if (remains) core.clean(server);
  if (server.online) {
    server.receiver.child.start();
  } else {
    logger.warn(`server ${server.name} is offline: nothing is received, and its slot keeps WAL on it`, {
      slot: server.options.walSlot,
    });
  }
  // Segments that were complete when the last daemon ended.
  server.archiver.wake();
  server.secondCopy?.wake();
  // What a daemon before this one did not get to.
  if (core.catalog.entries(server.name).some(({ state }) => state === "valid")) server.hotStandby?.wake();
}
