/**
 * The supervisor: takes ownership of the repository, starts a receiver for each server, answers operators, runs jobs,
 * and ends in order. It never touches a byte of a database and waits for nobody.
 */
import { messageOf, timeLimit, toMonetaError } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import { hasScratch } from "../drill/index.ts";
import type { Logger } from "../log/index.ts";
import { createManagementServer, managementSocketName, type ManagementServer } from "../management/index.ts";
import {
  acquireOwnerLock,
  openRepositoryStorage,
  openServerIdentity,
  openWalInventory,
  requireRepository,
  type OwnerLock,
} from "../repository/index.ts";
import { openReserve, type LocalStorage } from "../storage/index.ts";
import { placesOf, type AlarmSources } from "./alarms.ts";
import { createCore, type Core, type CoreOptions } from "./core.ts";
import { createChecks, type Checks } from "./checks.ts";
import { createConverter } from "./converter.ts";
import { createHandler } from "./handlers.ts";
import { formerBytes, readLineages, rememberLineages } from "./lineages.ts";
import { createNagiosListener } from "./nagios-listener.ts";
import { openNotifications, type Notifications } from "./notifications.ts";
import { createProber } from "./prober.ts";
import { watchPushedWal } from "./pushed-wal.ts";
import { writePidFile } from "./pid-file.ts";
import { openRepositoryMemory, type RepositoryMemory } from "./repository-memory.ts";
import { keepReserve } from "./reserve.ts";
import type { SupervisedServer } from "./server.ts";
import { managementLimits } from "./settings.ts";
import { intervalsOf } from "./schedule-command.ts";
import { startScheduling } from "./scheduling.ts";
import { createShutdown } from "./shutdown.ts";
import { stoppableFromTheStart } from "./signals.ts";
import { createSpaceMonitor } from "./space.ts";
import { tidyServer } from "./tidy.ts";
import { createVerificationSchedule } from "./verification-schedule.ts";

export interface SupervisorOptions extends CoreOptions {
  readonly pid: number;
  readonly ownership: Ownership;
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
  /** Resolves with whether the end was orderly, when nothing of the daemon is left but its process. */
  readonly ended: Promise<boolean>;
}

/** How long children of a dead supervisor are waited for: they end within a second of its death. */
const ORPHANS_MS = 10_000;
const SPACE_INTERVAL_MS = 30_000;
/** Of a server that was never reached: its WAL directory is empty. */
const DEFAULT_SEGMENT_SIZE = 16 * 1024 * 1024;

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
  const { clock, logger } = options;
  const { main } = options.configuration;
  const storage = openRepositoryStorage(main.baseDir, options.repositoryId);
  const core = await createCore(options, storage, lock.fd);
  const remains = await lookAround(core, storage, logger);
  const stopping = new AbortController();
  undo.push(async () => stopping.abort());
  const space = createSpaceMonitor(
    [main.baseDir, main.workspace, ...core.servers.flatMap((server) => placesOf(server, main))],
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
    servers: core.servers.map(({ name }) => name),
    jobs: core.jobs,
    catalog: core.catalog,
    clock,
    logger: logger.child("verification"),
    signal: stopping.signal,
    periodMs: main.verification * 1000,
    rateBytes: main.verificationRate,
  });
  const daemon = stoppableFromTheStart(() => undefined);
  const sources: AlarmSources = {
    main,
    now: () => clock.now(),
    entries: (name) => core.catalog.entries(name),
    space,
    verification: (name) => verification.problems(name),
  };
  const notifications = await openNotifications({ ...options, main, storage, logger: logger.child("notify") });
  const checks = createChecks({
    prober: createProber({ ...options, configuration: () => options.configuration, logger: logger.child("check") }),
    sources,
    notifications: () => notifications.state,
    clock,
    logger: logger.child("check"),
  });
  const management = await listen(options, core, { sources, checks, notifications }, stopping.signal, daemon.stop);
  undo.push(() => management.close(true));
  const nagios = createNagiosListener({ servers: () => core.servers, checks, logger: logger.child("nagios") });
  undo.push(() => nagios.close());
  await nagios.update({ host: main.host, port: main.nagios });
  // Not before the socket is ours: the file may be that of a daemon that lives, with another repository.
  const pidFile = await writePidFile(main.pidfile, options.pid);
  undo.push(() => pidFile.remove());
  if (pidFile.replaced !== undefined) {
    logger.info("a PID file that was left behind is replaced", { path: pidFile.path, pid: pidFile.replaced });
  }
  const { jobs, servers } = core;
  const shutdown = createShutdown({
    clock,
    servers,
    jobs,
    logger,
    closeManagement: async (force) => {
      await nagios.close();
      await management.close(force);
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
    shutdown
      .begin(reason)
      .then(async (orderly) => {
        await pidFile.remove();
        await lock.release();
        settle(orderly);
      })
      .catch((error: unknown) => {
        logger.error(`the end was not orderly: ${error instanceof Error ? error.message : String(error)}`);
        settle(false);
      });
  };
  startChildren(core, remains, logger);
  await watchPushedWal(core.servers, { storage, clock, logger, intervalMs: SPACE_INTERVAL_MS, signal: stopping.signal });
  for (const server of core.servers) server.follow?.start(stopping.signal);
  core.startRetention(stopping.signal);
  verification.start();
  core.onJobEnd((job, outcome) => notifications.jobEnded(job.server, job.command, outcome));
  notifications.start(() => core.servers, sources, checks, stopping.signal);
  if (main.checkInterval > 0 && (notifications.notifier.targets > 0 || main.nagios > 0))
    checks.repeat(() => core.servers, main.checkInterval * 1000, stopping.signal);
  await startScheduling(core, storage, { clock, logger: logger.child("schedule"), signal: stopping.signal });
  logger.info(`moneta ${options.version} is ready`, { servers: servers.length, baseDir: main.baseDir });
  const supervisor = { stop, force: (reason: string) => shutdown.force(reason), ended };
  daemon.started(supervisor);
  return supervisor;
}

/** What crashes left goes before anything new is written; what is there is read once. Returns who needs more cleaning. */
async function lookAround(core: Core, storage: LocalStorage, logger: Logger): Promise<ReadonlySet<string>> {
  const remains = new Set<string>();
  for (const server of core.servers) {
    await core.rememberDrills(server);
    if (await hasScratch(server.options.workspace)) remains.add(server.name);
    try {
      const { backupsLeft } = await tidyServer(storage, server.name, logger);
      if (backupsLeft) remains.add(server.name);
      await readFacts(server, core, storage, logger);
    } catch (error) {
      // One damaged file must not keep the WAL of any server from being received: it is reported, and status shows it.
      const problem = toMonetaError(error);
      server.problem = problem;
      logger.error(`what is stored of ${server.name} cannot be read: ${problem.message}`, { code: problem.code });
    }
    await core.reportCutOff(server);
  }
  return remains;
}

async function readFacts(server: SupervisedServer, { catalog }: Core, storage: LocalStorage, logger: Logger): Promise<void> {
  const { name, record, wal } = server;
  const newest = (await catalog.refresh(name)).flatMap(({ info }) => info?.own ?? []).at(-1);
  const known = await openServerIdentity(storage, name).read();
  const inventory = openWalInventory(storage, name, known?.segmentSize ?? DEFAULT_SEGMENT_SIZE);
  wal.load(await inventory.stretches());
  server.lineages = await readLineages(storage, name, false);
  // Every file is looked at, which takes its time where there are many; nobody waits for it.
  inventory.usage().then(
    ({ bytes }) => record.add("walBytes", bytes),
    (error: unknown) => logger.warn(`the size of the WAL of ${name} is not known: ${messageOf(error)}`),
  );
  if (server.lineages.former.size > 0) {
    void rememberLineages(server, storage, logger).then(() => record.add("walBytes", formerBytes(server)));
  }
  record.set({
    gaps: (await inventory.openGaps()).length,
    walSegmentSize: known?.segmentSize ?? 0,
    // Until the server itself can be asked.
    serverVersion: newest?.serverVersion ?? 0,
    checksums: newest !== undefined && newest.pageChecksums !== "off",
  });
}

function listen(
  options: SupervisorOptions,
  core: Core,
  { sources, checks, notifications }: { readonly sources: AlarmSources; readonly checks: Checks; readonly notifications: Notifications },
  stopping: AbortSignal,
  shutdown: (reason: string) => void,
): Promise<ManagementServer> {
  const { clock, logger, masterKey } = options;
  const { servers, jobs, catalog } = core;
  const { main } = options.configuration;
  return createManagementServer({
    socketPath: `${main.unixSocketDir}/${managementSocketName}`,
    logger: logger.child("management"),
    clock,
    masterKeys: () => masterKey.recent(),
    limits: managementLimits(main),
    handle: createHandler({
      servers,
      jobs,
      catalog,
      setOnline: (server, online) => core.setOnline(server, online),
      rememberDrills: (server) => core.rememberDrills(server),
      lineages: core.lineages,
      intervals: ({ name }) => intervalsOf(catalog.entries(name), main, core.nextRetention(), clock.now()),
      rotateKey: (server) => core.rotateKey(server),
      convert: createConverter(options),
      checks,
      notifications,
      shutdown,
      timeout: (ms) => timeLimit(ms, stopping),
      sources: {
        ...sources,
        version: options.version,
        activeJobs: (name) => jobs.active(name),
        blockers: (job) => jobs.blockers(job),
        placeInLine: (job) => jobs.placeInLine(job),
        jobState: (job) => jobs.stateOf(job),
      },
    }),
  });
}

function startChildren(core: Core, remains: ReadonlySet<string>, logger: Logger): void {
  for (const server of core.servers) {
    if (remains.has(server.name)) core.clean(server);
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
}
