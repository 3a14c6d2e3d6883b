import { existsSync } from "node:fs";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { copyOfTemplate } from "./account-template.ts";
import { lookAt, type LookCommand } from "./management-look.ts";
import type { Cluster, Settings } from "./postgres-cluster.ts";
import { descendantsOf, isAlive, run, signalPid, startProcess } from "./processes.ts";
import type { Finished, RunningProcess } from "./processes.ts";
import { registerResource } from "./resources.ts";
import { temporaryDirectory } from "./temporary-directory.ts";
import { giveToUnprivileged } from "./unprivileged-user.ts";
import { waitFor } from "./wait-for.ts";

const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** A server section of the generated pgmoneta.conf. */
export interface DaemonServer {
  readonly name: string;
  readonly cluster: Cluster;
  /** Another way to it, for instance through a proxy; default: the cluster's socket directory and port. */
  readonly host?: string;
  readonly port?: number;
  /** Default "moneta", created by createDaemon with LOGIN, REPLICATION, pg_read_all_settings and the password unless it exists. */
  readonly user?: string;
  readonly password?: string;
  /** Default "moneta_<name>". */
  readonly slot?: string;
  /** More keys of the section. */
  readonly settings?: Settings;
}

export interface DaemonOptions {
  readonly servers: readonly DaemonServer[];
  /** Keys of [pgmoneta]; they win over the defaults of the tests. */
  readonly settings?: Settings;
  /** More environment, for the daemon only. */
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the command of the daemon, with which it replaces itself: `unshare …`, `prlimit …`. */
  readonly launcher?: (paths: { readonly baseDir: string }) => readonly string[];
  /** Default true. */
  readonly start?: boolean;
}

export interface CliOptions {
  /** Default "json"; "none" passes no -F. */
  readonly format?: "text" | "json" | "raw" | "none";
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** A response document; what is inside depends on the command. */
export interface CliDocument {
  readonly Header: Readonly<Record<string, unknown>>;
  readonly Request: Readonly<Record<string, unknown>>;
  readonly Response: Readonly<Record<string, unknown>>;
  readonly Outcome: { readonly Status: boolean; readonly Error?: number; readonly [key: string]: unknown };
}

export interface CliResult extends Finished {
  /** Standard output as a document; undefined when it is not one. */
  readonly json: CliDocument | undefined;
}

/** The built daemon of a test, with everything it needs in a directory of its own. */
export interface Daemon {
  readonly root: string;
  /** HOME of the daemon and of the programs that speak to it; holds .pgmoneta/master.key. */
  readonly home: string;
  readonly configDir: string;
  readonly configFile: string;
  readonly baseDir: string;
  readonly socketDir: string;
  readonly pid: () => number | undefined;
  /** All live processes below the daemon. */
  readonly children: () => number[];
  /** Starts and waits until it answers ping. */
  start(): Promise<void>;
  /** Starts and waits for nothing. */
  launch(): Promise<void>;
  /** Starts and waits for its end, for configurations that it must refuse. */
  startExpectingFailure(): Promise<Finished>;
  /** SIGTERM and the orderly end; the exit status. */
  stop(): Promise<number | null>;
  /** Signals the supervisor alone. */
  signal(signal: NodeJS.Signals): void;
  /** Kills the supervisor and all its children at the same instant. */
  kill9(): Promise<void>;
  /** Kills the supervisor alone and returns the pids of the children that it leaves. */
  killSupervisor(): Promise<number[]>;
  /** Runs bin/moneta-cli to its end. */
  cli(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** The same for a command that must succeed; the Response category. */
  ask(args: readonly string[]): Promise<Readonly<Record<string, unknown>>>;
  /** The Response of a command that only looks, asked without moneta-cli: for whoever asks again and again. */
  look(command: LookCommand): Promise<Readonly<Record<string, unknown>>>;
  startCli(args: readonly string[], options?: CliOptions): Promise<RunningProcess>;
  admin(args: readonly string[], options?: { readonly input?: string; readonly env?: Readonly<Record<string, string>> }): Promise<Finished>;
  /** Appends lines to the configuration file, without telling the daemon. */
  appendToConfiguration(text: string): Promise<void>;
  /** Waits until `status details` says that WAL of the server is streamed. */
  waitUntilStreaming(server: string): Promise<void>;
  /** All that the daemon wrote to its console, over all starts. */
  log(): string;
  destroy(): Promise<void>;
}

/** Creates directories, configuration, master key and users file, prepares the servers' roles, and starts the daemon. */
export async function createDaemon(options: DaemonOptions): Promise<Daemon> {
  const directory = temporaryDirectory({ prefix: "md", unprivileged: true });
  const at = (name: string): string => join(directory.path, name);
  const configDir = at("etc");
  const configFile = join(configDir, "pgmoneta.conf");
  const clientFile = join(configDir, "pgmoneta_cli.conf");
  for (const name of ["home", "etc", "backup", "s", "tmp"]) await mkdir(at(name), { mode: 0o700 });
  await writeFile(configFile, configuration(options, { baseDir: at("backup"), socketDir: at("s") }));
  await writeFile(clientFile, `[pgmoneta]\nunix_socket_dir = ${at("s")}\n`);
  giveToUnprivileged(directory.path);

  const environment: NodeJS.ProcessEnv = { PATH: process.env["PATH"], HOME: at("home"), TMPDIR: at("tmp"), LC_ALL: "C.UTF-8" };
  const earlier: string[] = [];
  let daemon: RunningProcess | undefined;
  const running = (): RunningProcess | undefined => (daemon?.isRunning() === true ? daemon : undefined);
  const program = (name: string): string => join(projectRoot, "bin", name);

  async function admin(args: readonly string[], more: { input?: string; env?: Readonly<Record<string, string>> } = {}): Promise<Finished> {
    const env = { ...environment, ...more.env };
    return run(program("moneta-admin"), args, { env, unprivileged: true, ...(more.input === undefined ? {} : { input: more.input }) });
  }

  async function mustAdmin(home: string, args: readonly string[]): Promise<void> {
    const done = await admin(args, { env: { HOME: home } });
    if (done.status !== 0) throw new Error(`moneta-admin ${args.join(" ")} failed: ${done.stdout}${done.stderr}`);
  }

  function launch(): Promise<RunningProcess> {
    if (!existsSync(join(projectRoot, "dist"))) throw new Error("the program is not built: run npm run build");
    if (daemon !== undefined) earlier.push(daemon.output());
    const [command = "", ...args] = [...(options.launcher?.({ baseDir: at("backup") }) ?? []), program("moneta"), "-D", configDir];
    return startProcess(command, args, { env: { ...environment, ...options.env }, unprivileged: true });
  }

  function startCli(args: readonly string[], more: CliOptions = {}): Promise<RunningProcess> {
    const format = more.format === "none" ? [] : ["-F", more.format ?? "json"];
    const env = { ...environment, ...more.env };
    const input = more.input === undefined ? {} : { input: more.input };
    return startProcess(program("moneta-cli"), ["-c", clientFile, ...format, ...args], { env, unprivileged: true, ...input });
  }

  const self: Daemon = {
    root: directory.path,
    home: at("home"),
    configDir,
    configFile,
    baseDir: at("backup"),
    socketDir: at("s"),
    pid: () => running()?.pid,
    children: () => {
      const pid = running()?.pid;
      return pid === undefined ? [] : descendantsOf(pid);
    },
    async start() {
      const started = await launch();
      daemon = started;
      await waitFor(
        "the daemon answers ping",
        async () => {
          if (!started.isRunning()) return "ended";
          await self.look("ping");
          return "answers";
        },
        { seen: () => self.log().slice(-3000) },
      );
      if (!started.isRunning()) throw new Error(`the daemon did not start:\n${self.log().slice(-5000)}`);
    },
    async launch() {
      daemon = await launch();
    },
    async startExpectingFailure() {
      daemon = await launch();
      return daemon.finished;
    },
    async stop() {
      const one = running();
      if (one === undefined) return null;
      one.kill("SIGTERM");
      const { status } = await one.finished;
      return status;
    },
    signal(signal) {
      running()?.kill(signal);
    },
    async kill9() {
      const one = running();
      if (one === undefined) return;
      // Stopped first, so that it cannot start children that the list does not hold.
      signalPid(one.pid, "SIGSTOP");
      const pids = [one.pid, ...descendantsOf(one.pid)];
      for (const pid of pids) signalPid(pid, "SIGKILL");
      await waitFor("all processes of the daemon are gone", () => !pids.some(isAlive));
      await one.finished;
    },
    async killSupervisor() {
      const one = running();
      if (one === undefined) return [];
      const left = descendantsOf(one.pid);
      one.kill("SIGKILL");
      await waitFor("the supervisor is gone", () => !one.isRunning());
      return left;
    },
    async cli(args, more) {
      const done = await (await startCli(args, more)).finished;
      return { ...done, json: parseDocument(done.stdout) };
    },
    async ask(args) {
      const result = await self.cli(args);
      if (result.status !== 0 || result.json?.Outcome.Status !== true) {
        throw new Error(
          `moneta-cli ${args.join(" ")} ended with status ${result.status ?? result.signal ?? "?"}:\n${result.stdout}${result.stderr}\n` +
            `daemon:\n${self.log().slice(-3000)}`,
        );
      }
      return result.json.Response;
    },
    look: (command) => lookAt(join(at("s"), ".s.pgmoneta"), command),
    startCli,
    admin,
    appendToConfiguration: (text) => appendFile(configFile, text),
    async waitUntilStreaming(server) {
      let last: unknown;
      await waitFor(
        `WAL of ${server} is streamed`,
        async () => {
          const servers = (await self.look("status details"))["Servers"] as { Server: string; WalStreaming: boolean }[];
          last = servers;
          return servers.find((one) => one.Server === server)?.WalStreaming === true;
        },
        { everyMs: 50, seen: () => [last, self.log().slice(-2000)] },
      );
    },
    log: () => earlier.join("") + (daemon === undefined ? "" : daemon.output()),
    async destroy() {
      await self.kill9();
      await directory.remove();
      forget();
    },
  };
  const forget = registerResource({
    name: `daemon ${directory.path}`,
    release: () => self.destroy(),
    abandon: () => {
      const pid = running()?.pid;
      if (pid !== undefined) for (const one of [pid, ...descendantsOf(pid)]) signalPid(one, "SIGKILL");
    },
  });

  const users = accounts(options.servers);
  await copyOfTemplate([...users], directory.path, async (template) => {
    const [home, etc] = [join(template, "home"), join(template, "etc")];
    for (const path of [home, etc]) await mkdir(path, { mode: 0o700 });
    giveToUnprivileged(template);
    await mustAdmin(home, ["-P", "a master key for tests", "master-key"]);
    for (const [user, password] of users) {
      await mustAdmin(home, ["-f", join(etc, "pgmoneta_users.conf"), "-U", user, "-P", password, "user", "add"]);
    }
  });
  giveToUnprivileged(directory.path);
  for (const server of options.servers) await prepareRole(server);
  if (options.start !== false) await self.start();
  return self;
}

const userOf = (server: DaemonServer): string => server.user ?? "moneta";
const passwordOf = (server: DaemonServer): string => server.password ?? "moneta's password";

function accounts(servers: readonly DaemonServer[]): Map<string, string> {
  return new Map(servers.map((server) => [userOf(server), passwordOf(server)]));
}

async function prepareRole(server: DaemonServer): Promise<void> {
  if (server.cluster.pid() === undefined) return;
  const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const user = userOf(server);
  const known = await server.cluster.sql(`SELECT FROM pg_roles WHERE rolname = ${literal(user)}`);
  if (known.length > 0 || (await server.cluster.value("SELECT pg_is_in_recovery()")) === "t") return;
  const role = `"${user.replaceAll('"', '""')}"`;
  await server.cluster.sql(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD ${literal(passwordOf(server))}`);
  await server.cluster.sql(`GRANT pg_read_all_settings TO ${role}`);
}

function configuration(options: DaemonOptions, paths: { baseDir: string; socketDir: string }): string {
  const main: Settings = {
    host: "localhost",
    base_dir: paths.baseDir,
    unix_socket_dir: paths.socketDir,
    compression: "zstd",
    create_slot: "yes",
    log_type: "console",
    log_level: "debug",
    ...options.settings,
  };
  const sections = options.servers.map((server) =>
    section(server.name, {
      host: server.host ?? server.cluster.socketDir,
      port: server.port ?? server.cluster.port,
      user: userOf(server),
      wal_slot: server.slot ?? `moneta_${server.name}`,
      ...server.settings,
    }),
  );
  return [section("pgmoneta", main), ...sections].join("\n");
}

function section(name: string, keys: Settings): string {
  const lines = Object.entries(keys).map(([key, value]) => `${key} = ${String(value)}`);
  return [`[${name}]`, ...lines, ""].join("\n");
}

function parseDocument(text: string): CliDocument | undefined {
  try {
    return JSON.parse(text) as CliDocument;
  } catch {
    // Text output, or none: the test looks at stdout itself.
    return undefined;
  }
}
