/** moneta: the daemon's process. */
import { CommanderError } from "@commander-js/extra-typings";
import { keepMemoryOutOfCoreDumps, systemClock, toMonetaError } from "../common/index.ts";
import { formatProblem, loadConfiguration, secretsOf, type LoadedConfiguration, type MainOptions } from "../config/index.ts";
import { createLogger, createReplaceableSink, registerSecret, type AdjustableLogger, type LogSink, type ReplaceableSink } from "../log/index.ts";
import { createServiceNotifier, takeServiceEnvironment, unwatched, variablesForSuccessor, type ServiceEnvironment, type ServiceNotifier } from "../service-manager/index.ts";
import { isInBackground, reportStart, startInBackground } from "./daemonise.ts";
import { supervisorErrors } from "./errors.ts";
import { exitStatusOf, wrongCommandLine } from "./exit-status.ts";
import { createHangUps, type HangUps } from "./hang-up.ts";
import { createProgram, type DaemonOptions } from "./options.ts";
import { countLines, type CountingSink } from "./line-counts.ts";
import { openLiveMasterKey } from "./live-master-key.ts";
import { logPart, openSink } from "./log-part.ts";
import { createRecentLines, rememberLines, type RecentLines } from "./recent-lines.ts";
import { listenToSignals, stoppableFromTheStart, type Stoppable } from "./signals.ts";
import { processTitle } from "./process-title.ts";
import { startSupervisor, takeOwnership, type Ownership } from "./supervisor.ts";
import { readVersion } from "./version.ts";
import { rotationState } from "../vault/index.ts";

const version = readVersion();
const dumpsAreEmpty = keepMemoryOutOfCoreDumps();

function parseOptions(): DaemonOptions | number {
  try {
    return createProgram(version).parse(process.argv).opts();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : wrongCommandLine;
    throw error;
  }
}

interface LoadOptions {
  readonly meanwhile?: (main: MainOptions) => void;
  readonly mainText?: string | undefined;
}

function load(options: DaemonOptions, more: LoadOptions): Promise<LoadedConfiguration> {
  return loadConfiguration({
    main: options.config,
    users: options.users,
    admins: options.admins,
    directory: options.directory,
    environment: process.env,
    ...more,
  });
}

/** Passwords, secrets of the configuration and the master key never reach a line, whichever process says it. */
function keepSecrets({ configuration: { users, admins }, masterKey, source }: LoadedConfiguration): void {
  for (const secret of secretsOf(source)) registerSecret(secret);
  for (const passwords of [users, admins]) {
    for (const name of passwords.names) registerSecret(passwords.get(name) ?? "");
  }
  if (masterKey !== undefined) registerSecret(masterKey.material.toString("base64"));
}

function listen(daemon: Stoppable, sink: LogSink, logger: AdjustableLogger, hangUps: HangUps): void {
  listenToSignals(process, {
    stop: (signal) => daemon.stop(`signal ${signal}`),
    force: (signal) => daemon.force(`second signal, ${signal}`),
    hangUp() {
      sink.reopen();
      logger.info("SIGHUP: the log is opened again, and the configuration is read again");
      hangUps.request();
    },
    ignored: (signal) => logger.info(`${signal} is ignored`),
  });
}

/** What a daemon that is to run has before its secrets are known. */
interface Preparation {
  readonly sink: ReplaceableSink;
  /** The same, counted. */
  readonly lines: CountingSink;
  /** And the last of them. */
  readonly recent: RecentLines;
  readonly logger: AdjustableLogger;
  readonly hangUps: HangUps;
  readonly daemon: ReturnType<typeof stoppableFromTheStart>;
  readonly ownership: Promise<Ownership>;
  readonly notifier: ServiceNotifier;
}

function prepare(main: MainOptions, notifier: ServiceNotifier): Preparation {
  // Whatever the surroundings say: what is stored is nobody else's business.
  process.umask(0o077);
  const title = processTitle(main.updateProcessTitle, "supervisor");
  if (title !== undefined) process.title = title;
  const sink = createReplaceableSink(openSink(main));
  const recent = createRecentLines();
  const lines = countLines(rememberLines(sink, recent));
  const logger = createLogger(["supervisor"], main.logLevel, (record) => lines.write(record));
  if (!dumpsAreEmpty) logger.warn("core dumps hold passwords and keys on this system: keep them off, or to yourself");
  notifier.doing("starting");
  const daemon = stoppableFromTheStart((reason) => {
    logger.warn(`the start is given up: ${reason}`);
    process.exit(1);
  });
  const hangUps = createHangUps((error) => {
    const { code, hint, message } = toMonetaError(error);
    logger.error(`SIGHUP: nothing was changed: ${message}`, { code, hint });
  });
  // Before anything can be seen of the daemon: whoever sees it may stop it.
  listen(daemon, sink, logger, hangUps);
  const ownership = takeOwnership(main, { clock: systemClock, logger });
  ownership.catch(() => undefined); // Heard of when the configuration turns out right.
  return { sink, lines, recent, logger, hangUps, daemon, ownership, notifier };
}

/** What speaks to the service manager, if there is one. */
function openNotifier(service: ServiceEnvironment | undefined, background: boolean, complain: (message: string) => void): ServiceNotifier {
  if (service === undefined) return unwatched;
  // In the background it is not the process that the manager has started, and that is about to end.
  return createServiceNotifier({ service, environment: process.env, complain, ...(background ? { mainPid: process.pid } : {}) });
}

/** Runs the daemon to its end; the exit status. */
async function run(options: DaemonOptions): Promise<number> {
  const service = takeServiceEnvironment(process.env, process.pid);
  const background = isInBackground(process.env);
  let prepared: Preparation | undefined;
  const notifier = openNotifier(service, background, (message) => {
    if (prepared === undefined) process.stderr.write(`moneta: ${message}\n`);
    else prepared.logger.error(message);
  });
  try {
    if (process.getuid?.() === 0) throw supervisorErrors.root("moneta does not run as root");
    const loaded = await load(options, {
      meanwhile(main) {
        if (!options.daemon || (background && main.logType !== "console")) prepared = prepare(main, notifier);
      },
    });
    if (options.daemon && loaded.configuration.main.logType === "console") {
      throw supervisorErrors.daemonise("-d needs a log_type other than console: nobody would see the log");
    }
    if (prepared !== undefined) return await serve(loaded, prepared, options);
  } catch (error) {
    const { code, message } = toMonetaError(error);
    notifier.failed(`does not start: ${code}: ${message}`);
    throw error;
  } finally {
    // An ownership that was taken in vain ends with the process, which is next.
    await notifier.close();
    await prepared?.sink.close();
  }
  const pid = await startInBackground(process.argv[1] ?? "", process.argv.slice(2), { ...process.env, ...variablesForSuccessor(service) });
  process.stdout.write(`moneta runs in the background with pid ${pid}\n`);
  return 0;
}

async function serve(loaded: LoadedConfiguration, prepared: Preparation, options: DaemonOptions): Promise<number> {
  const { logger } = prepared;
  keepSecrets(loaded);
  for (const warning of loaded.warnings) logger.warn(formatProblem(warning));
  try {
    return await supervise(loaded, prepared, options);
  } catch (error) {
    const { code, message, hint } = toMonetaError(error);
    logger.fatal(`the daemon does not start: ${message}`, { code, hint });
    throw error;
  }
}

async function supervise(
  loaded: LoadedConfiguration,
  { sink, lines, recent, logger, daemon, ownership, hangUps, notifier }: Preparation,
  options: DaemonOptions,
): Promise<number> {
  const { configuration, masterKey } = loaded;
  const { masterKeyFile } = configuration.main;
  const rotation = await rotationState(masterKeyFile);
  if (rotation.next || rotation.previous) {
    logger.warn("a rotation of the master key was begun and has not ended; nothing is lost: repeat moneta-admin master-key --rotate", {
      path: masterKeyFile,
    });
  }
  const supervisor = await startSupervisor({
    ownership: await ownership,
    configuration,
    masterKey: openLiveMasterKey(masterKeyFile, masterKey, logger),
    version,
    logger,
    logSink: lines,
    recentLines: () => recent.text(),
    clock: systemClock,
    notifier,
    pid: process.pid,
    environment: process.env,
    source: {
      loaded,
      async read(mainText) {
        const again = await load(options, { mainText });
        // Before a line can be written that has one of them.
        keepSecrets(again);
        return again;
      },
    },
    parts: [logPart({ sink, logger, background: options.daemon })],
  });
  process.on("uncaughtException", (error) => {
    // Nothing is known about what works from here on; the children end by themselves, durable data is durable.
    logger.fatal(`unexpected failure of the supervisor: ${error.stack ?? error.message}`);
    process.exit(1);
  });
  await reportStart(process);
  daemon.started(supervisor);
  hangUps.ready(() => supervisor.reload());
  const orderly = await supervisor.ended;
  logger.info(orderly ? "stopped" : "stopped, but not in order");
  return orderly ? 0 : 1;
}

// A terminal or pipe that is gone ("moneta | head") must not end the daemon: nobody reads that log any more.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

async function main(): Promise<void> {
  const options = parseOptions();
  if (typeof options === "number") {
    process.exitCode = options;
    return;
  }
  try {
    process.exitCode = await run(options);
  } catch (error) {
    const { message, hint } = toMonetaError(error);
    process.stderr.write(`moneta: ${message}\n${hint}\n`);
    await reportStart(process, error);
    process.exitCode = exitStatusOf(error);
  }
  process.exit();
}

// Until it has said how it ended, it has not succeeded: also when nothing is left to wait for.
process.exitCode = 1;
// A program is built as a script, which cannot wait by itself; what is thrown is an uncaught exception.
void main();
