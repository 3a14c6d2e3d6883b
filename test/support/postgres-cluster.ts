import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "./free-port.ts";
import { findPostgres } from "./postgres-binaries.ts";
import type { PostgresBinaries, PostgresMajor } from "./postgres-binaries.ts";
import { createStandbyData } from "./postgres-standby.ts";
import { copyDataDirectory, initdb, templateFor } from "./postgres-template.ts";
import { descendantsOf, isAlive, signalPid } from "./processes.ts";
import { registerResource } from "./resources.ts";
import { temporaryDirectory } from "./temporary-directory.ts";
import { asUnprivileged, giveToUnprivileged } from "./unprivileged-user.ts";
import { waitFor } from "./wait-for.ts";

export type Settings = Readonly<Record<string, string | number | boolean>>;
export type StopMode = "smart" | "fast" | "immediate";

export interface ClusterOptions {
  /** Default 15. */
  readonly major?: PostgresMajor;
  /** Lines of postgresql.conf; they win over the defaults of the tests. */
  readonly settings?: Settings;
  /** Data page checksums; default true. */
  readonly checksums?: boolean;
  /** Bytes; default 16 MB. */
  readonly walSegmentSize?: number;
  /** Lines of pg_hba.conf that stand before "everybody local is trusted". */
  readonly hba?: readonly string[];
  /** Default "C". */
  readonly locale?: string;
  /** A system identifier of its own, which clusters copied from the template do not have. Costs one initdb. */
  readonly ownIdentity?: boolean;
  /** Default true. */
  readonly start?: boolean;
}

export interface SqlOptions {
  readonly database?: string;
  readonly user?: string;
}

export interface ConnectionOptions {
  /** The socket directory. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** A PostgreSQL server of a test, listening on a Unix socket and on 127.0.0.1, everybody local trusted. */
export interface Cluster {
  readonly major: PostgresMajor;
  readonly binaries: PostgresBinaries;
  readonly binDir: string;
  /** Directory of everything that belongs to the cluster; removed by destroy(). */
  readonly root: string;
  readonly dataDir: string;
  readonly socketDir: string;
  readonly port: number;
  readonly connectionOptions: ConnectionOptions;
  /** The pid of the postmaster; undefined while it does not run. */
  readonly pid: () => number | undefined;
  start(): Promise<void>;
  /** Starts and waits for the end, for servers that are expected to refuse; the server's log of this attempt. */
  startExpectingFailure(): Promise<string>;
  stop(mode?: StopMode): Promise<void>;
  restart(mode?: StopMode): Promise<void>;
  /** The power fails: postmaster and all its children are killed at once. */
  kill9(): Promise<void>;
  promote(): Promise<void>;
  /** Rows of the last statement as PostgreSQL's text, NULL as the empty string. Several statements are one transaction. */
  sql(text: string, options?: SqlOptions): Promise<string[][]>;
  /** First column of the first row. */
  value(text: string, options?: SqlOptions): Promise<string>;
  /** A session of one's own, ended with the cluster. */
  connect(options?: SqlOptions & { readonly applicationName?: string }): Promise<pg.Client>;
  /** Adds settings (the last one wins) without telling the server: restart() or reload(). */
  configure(settings: Settings): Promise<void>;
  reload(): Promise<void>;
  /** The whole server log. */
  log(): string;
  /** A running streaming standby of this cluster. */
  createStandby(options?: StandbyOptions): Promise<Cluster>;
  /** Stops the server and removes all its files; repeatable. */
  destroy(): Promise<void>;
}

export interface StandbyOptions {
  readonly settings?: Settings;
  /** Name of a physical slot on the primary, created when absent. */
  readonly slot?: string;
  readonly applicationName?: string;
}

/** What a session may keep to itself, or what only new ones are certain to see: the next statement gets a session of its own. */
const leavesTraces = /\b(?:ALTER|BEGIN|PREPARE|RESET|SET|TEMP|TEMPORARY|pg_reload_conf)\b/i;

/** Durability is PostgreSQL's business, not ours: a killed process loses nothing that it wrote, so fsync stays off. */
const TEST_SETTINGS: Settings = {
  wal_level: "replica",
  max_wal_senders: 10,
  max_replication_slots: 10,
  max_connections: 50,
  shared_buffers: "32MB",
  fsync: false,
  autovacuum: false,
  log_replication_commands: true,
  log_line_prefix: "%m [%p] %q%a ",
  lc_messages: "C",
  timezone: "UTC",
  log_timezone: "UTC",
};

/** Creates and starts a cluster of its own for a test. It is gone at the end of the test file at the latest. */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const major = options.major ?? 15;
  const binaries = findPostgres(major);
  if (binaries === undefined) throw new Error(`PostgreSQL ${major} is not installed: run node scripts/setup.mjs`);
  const initial = {
    checksums: options.checksums ?? true,
    walSegmentSize: options.walSegmentSize ?? 16 * 1024 * 1024,
    locale: options.locale ?? "C",
  };
  const directory = temporaryDirectory({ prefix: `mpg${major}`, unprivileged: true, memory: true });
  const dataDir = join(directory.path, "data");
  if (options.ownIdentity === true) await initdb(binaries, initial, dataDir);
  else await copyDataDirectory(await templateFor(binaries, initial), dataDir);
  const hba = [...(options.hba ?? []), "local all all trust", "local replication all trust"];
  hba.push("host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust");
  await writeFile(join(dataDir, "pg_hba.conf"), `${hba.join("\n")}\n`);
  const cluster = await openCluster(binaries, directory.path, dataDir);
  await cluster.configure({ ...TEST_SETTINGS, ...options.settings });
  if (options.start !== false) await cluster.start();
  return cluster;
}

export interface RunOptions {
  readonly major: PostgresMajor;
  /** A data directory made elsewhere, for instance by a restore. It is given to the unprivileged user and stays in place. */
  readonly dataDir: string;
  readonly settings?: Settings;
  readonly start?: boolean;
}

/**
 * Runs a server on a data directory that something else made, on a port and socket of its own given on the
 * command line, so that no file in the directory is touched unless `settings` are given.
 */
export async function runOnDirectory(options: RunOptions): Promise<Cluster> {
  const binaries = findPostgres(options.major);
  if (binaries === undefined) throw new Error(`PostgreSQL ${options.major} is not installed: run node scripts/setup.mjs`);
  const directory = temporaryDirectory({ prefix: `mpr${options.major}`, unprivileged: true });
  giveToUnprivileged(options.dataDir);
  const cluster = await openCluster(binaries, directory.path, options.dataDir);
  if (options.settings !== undefined) await cluster.configure(options.settings);
  if (options.start !== false) await cluster.start();
  return cluster;
}

async function openCluster(binaries: PostgresBinaries, root: string, dataDir: string): Promise<Cluster> {
  const socketDir = join(root, "s");
  const logFile = join(root, "server.log");
  await mkdir(socketDir, { mode: 0o755 });
  await writeFile(logFile, "");
  giveToUnprivileged(socketDir);
  giveToUnprivileged(logFile);
  const clients = new Set<pg.Client>();
  /** A session of the superuser that has answered and may be asked again: a new one takes the server 10 ms of a core. */
  let idle: pg.Client | undefined;
  const children = new Set<Cluster>();
  let port = await freePort();
  let server: ChildProcess | undefined;

  const running = (): ChildProcess | undefined =>
    server !== undefined && server.exitCode === null && server.signalCode === null ? server : undefined;
  const logText = (): string => readFileSync(logFile, "utf8");

  function launch(): ChildProcess {
    const args = ["-D", dataDir, "-c", `port=${port}`, "-c", "listen_addresses=127.0.0.1", "-c", `unix_socket_directories=${socketDir}`];
    const postgres = join(binaries.binDir, "postgres");
    const out = openSync(logFile, "a");
    try {
      // With pdeathsig the server shuts down at once when this process is killed, and nothing is left running.
      const viaSetpriv = existsSync("/usr/bin/setpriv");
      const command = viaSetpriv ? "/usr/bin/setpriv" : postgres;
      const child = spawn(command, viaSetpriv ? ["--pdeathsig", "QUIT", postgres, ...args] : args, {
        cwd: "/",
        stdio: ["ignore", out, out],
        env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" },
        ...asUnprivileged(),
      });
      child.on("error", (error) => void appendFile(logFile, `cannot start: ${error.message}\n`));
      return child;
    } finally {
      closeSync(out);
    }
  }

  /** "ready" and "standby" both mean that connections are accepted (the eighth line of postmaster.pid). */
  async function isReady(child: ChildProcess): Promise<boolean> {
    const lines = (await readFile(join(dataDir, "postmaster.pid"), "utf8")).split("\n");
    return lines[0] === String(child.pid) && ["ready", "standby"].includes(lines[7]?.trim() ?? "");
  }

  const ended = (child: ChildProcess): Promise<boolean> =>
    waitFor(`server ${child.pid ?? "?"} has ended`, () => child.exitCode !== null || child.signalCode !== null, {
      seen: () => logText().slice(-2000),
    });

  async function endClients(): Promise<void> {
    const all = [...clients];
    clients.clear();
    idle = undefined;
    await Promise.all(all.map((client) => client.end().catch(() => undefined)));
  }

  async function connect(options: SqlOptions & { applicationName?: string } = {}): Promise<pg.Client> {
    const client = new pg.Client({
      host: socketDir,
      port,
      user: options.user ?? "postgres",
      database: options.database ?? "postgres",
      application_name: options.applicationName ?? "test",
    });
    // The server is stopped and killed under open sessions all the time: that must not end the test process.
    client.on("error", () => clients.delete(client));
    await client.connect();
    clients.add(client);
    return client;
  }

  async function end(client: pg.Client): Promise<void> {
    clients.delete(client);
    await client.end().catch(() => undefined);
  }

  /** The idle session as if it were new, if it is wanted and the server still has it; else it is ended. */
  async function takeIdle(wanted: boolean): Promise<pg.Client | undefined> {
    const client = idle;
    idle = undefined;
    if (client === undefined) return undefined;
    if (wanted && clients.has(client)) {
      // Fails when the server was stopped or killed meanwhile.
      const there = await client.query("DISCARD ALL").then(() => true, () => false);
      if (there) return client;
    }
    await end(client);
    return undefined;
  }

  const cluster: Cluster = {
    major: binaries.major,
    binaries,
    binDir: binaries.binDir,
    root,
    dataDir,
    socketDir,
    get port() {
      return port;
    },
    get connectionOptions() {
      return { host: socketDir, port, user: "postgres", database: "postgres" };
    },
    pid: () => running()?.pid,
    async start() {
      if (running() !== undefined) return;
      for (let attempt = 1; ; attempt += 1) {
        const from = logText().length;
        const child = launch();
        server = child;
        const end = await waitFor(
          `PostgreSQL ${binaries.major} accepts connections`,
          async () => (running() === undefined ? "ended" : (await isReady(child)) ? "ready" : undefined),
          { seen: () => logText().slice(-3000), deadlineMs: 120_000 },
        );
        if (end === "ready") return;
        const said = logText().slice(from);
        // Between choosing a port and binding it, another process may have taken it.
        if (!/could not (bind|create any TCP)/.test(said) || attempt === 5) throw new Error(`the server did not start:\n${said}`);
        port = await freePort();
      }
    },
    async startExpectingFailure() {
      const from = logText().length;
      const child = launch();
      server = child;
      await ended(child);
      return logText().slice(from);
    },
    async stop(mode = "fast") {
      const child = running();
      if (child === undefined) return;
      if (mode === "smart") await endClients();
      child.kill(mode === "smart" ? "SIGTERM" : mode === "fast" ? "SIGINT" : "SIGQUIT");
      await ended(child);
      await endClients();
    },
    async restart(mode = "fast") {
      await cluster.stop(mode);
      await cluster.start();
    },
    async kill9() {
      const child = running();
      if (child?.pid === undefined) return;
      // Stopped first, so that it cannot start children that the list does not hold.
      signalPid(child.pid, "SIGSTOP");
      const pids = [child.pid, ...descendantsOf(child.pid)];
      for (const pid of pids) signalPid(pid, "SIGKILL");
      await ended(child);
      await waitFor("all processes of the server are gone", () => !pids.some(isAlive));
      await endClients();
    },
    async promote() {
      await cluster.sql("SELECT pg_promote(true, 60)");
      await waitFor("the server has left recovery", async () => (await cluster.value("SELECT pg_is_in_recovery()")) === "f");
    },
    async sql(text, options) {
      const usual = options === undefined && !leavesTraces.test(text);
      const known = await takeIdle(usual);
      const client = known ?? (await connect(options));
      let answered = false;
      try {
        const types = { getTypeParser: () => (value: string) => value };
        const answer: unknown = await client.query({ text, rowMode: "array", types });
        const results = (Array.isArray(answer) ? answer : [answer]) as { rows: (string | null)[][] }[];
        answered = true;
        return (results.at(-1)?.rows ?? []).map((row) => row.map((field) => field ?? ""));
      } finally {
        if (usual && answered && idle === undefined && clients.has(client)) idle = client;
        else await end(client);
      }
    },
    async value(text, options) {
      const rows = await cluster.sql(text, options);
      const first = rows[0]?.[0];
      if (first === undefined) throw new Error(`no row: ${text}`);
      return first;
    },
    connect,
    async configure(settings) {
      const lines = Object.entries(settings).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`);
      await appendFile(join(dataDir, "postgresql.conf"), lines.join(""));
    },
    async reload() {
      await cluster.sql("SELECT pg_reload_conf()");
    },
    log: logText,
    async createStandby(options = {}) {
      const directory = temporaryDirectory({ prefix: `mps${binaries.major}`, unprivileged: true, memory: true });
      const standbyData = join(directory.path, "data");
      await createStandbyData(cluster, standbyData, options);
      const standby = await openCluster(binaries, directory.path, standbyData);
      children.add(standby);
      if (options.settings !== undefined) await standby.configure(options.settings);
      await standby.start();
      return standby;
    },
    async destroy() {
      for (const child of children) await child.destroy();
      children.clear();
      await endClients();
      await cluster.stop("immediate");
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
      forget();
    },
  };
  const forget = registerResource({
    name: `cluster ${root}`,
    release: () => cluster.destroy(),
    abandon: () => {
      const pid = running()?.pid;
      if (pid !== undefined) for (const one of [pid, ...descendantsOf(pid)]) signalPid(one, "SIGKILL");
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  });
  return cluster;
}
