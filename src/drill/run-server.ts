/** The drilled server: started, waited for, asked, stopped. */
import { spawn, type ChildProcess } from "node:child_process";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted, type Clock } from "../common/index.ts";
import { connect, type Connection } from "../replication/index.ts";
import { drillErrors } from "./errors.ts";
import { endProcessesIn } from "./processes.ts";
import { drillPort, type Scratch } from "./scratch.ts";
import { drillHba, drillSettings } from "./server-settings.ts";

export interface ServerOptions {
  readonly postgres: string;
  readonly major: number;
  readonly dataDirectory: string;
  readonly scratch: Scratch;
  readonly environment: Readonly<Record<string, string>>;
  readonly preloadLibraries: string;
}

export interface DrilledServer {
  /** Resolves when recovery has ended and the server is open. Throws DRILL_FAILED with what it said last. */
  opened(signal: AbortSignal): Promise<void>;
  /** A connection to a database, over the socket. */
  connect(user: string, database: string, signal: AbortSignal): Promise<Connection>;
  /** Ends it and all its processes. */
  stop(): Promise<void>;
}

const lookEveryMs = 100;
const connectTimeoutMs = 60_000;
const stopPatienceMs = 6_000;
/** Of the log, bytes that are shown at most. */
const shownOfLog = 64 * 1024;

export async function startServer(options: ServerOptions, clock: Clock): Promise<DrilledServer> {
  const { dataDirectory, environment, major, postgres, preloadLibraries, scratch } = options;
  await writeFile(scratch.hba, drillHba, { mode: 0o600 });
  const settings = drillSettings(major, scratch, preloadLibraries).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const log = await open(scratch.serverLog, "a", 0o600);
  let child: ChildProcess;
  try {
    child = spawn(postgres, ["-D", dataDirectory, ...settings], {
      cwd: scratch.path,
      env: { ...environment },
      stdio: ["ignore", log.fd, log.fd],
    });
  } finally {
    await log.close();
  }
  let problem: Error | undefined;
  child.once("error", (error) => {
    problem = error;
  });
  const running = (): boolean => problem === undefined && child.exitCode === null && child.signalCode === null;
  if (child.pid !== undefined) await scratch.recordServer(child.pid);

  const isOpen = async (): Promise<boolean> => {
    const lines = (await readFile(join(dataDirectory, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
    // The state is the eighth line (miscadmin.h, LOCK_FILE_LINE_PM_STATUS): without
    // hot_standby "standby" while it recovers, then "ready".
    return lines[0] === String(child.pid) && lines[7]?.trim() === "ready";
  };
  const waitForEnd = async (ms: number): Promise<void> => {
    const until = clock.monotonic() + ms;
    while (running() && clock.monotonic() < until) await clock.sleep(lookEveryMs);
  };

  return {
    async opened(signal) {
      while (!(await isOpen())) {
        throwIfAborted(signal);
        if (!running()) {
          const said = lastComplaint(await readServerLog(scratch));
          throw drillErrors.failed(
            `PostgreSQL did not open on the restored cluster: ${problem?.message ?? said}`,
            {},
            problem,
          );
        }
        await clock.sleep(lookEveryMs, signal);
      }
    },
    connect: (user, database, signal) =>
      connect(
        {
          host: scratch.socket,
          port: drillPort,
          user,
          database,
          replication: false,
          applicationName: "moneta drill",
          tls: { mode: "disable" },
          connectTimeoutMs,
          keepAlive: false,
          noDelay: false,
        },
        signal,
      ),
    async stop() {
      // At once: nothing that it has is kept.
      if (running()) child.kill("SIGQUIT");
      await waitForEnd(stopPatienceMs);
      await endProcessesIn(scratch.path, undefined, clock);
    },
  };
}

/** The end of what the drilled server logged; empty when it never ran. */
export async function readServerLog({ serverLog }: Scratch): Promise<string> {
  const text = (await readFile(serverLog).catch(() => Buffer.alloc(0))).subarray(-shownOfLog).toString("utf8");
  return text.length < shownOfLog ? text : text.slice(text.indexOf("\n") + 1);
}

const outOfRoom = /No space left on device|Disk quota exceeded|\b(?:ENOSPC|EDQUOT)\b|\bno space to /;

/** The last line that speaks of a full file system or a quota that is used up: the server's, or of what fetches its WAL. */
export function complaintOfRoom(log: string): string | undefined {
  return log.split("\n").findLast((line) => outOfRoom.test(line))?.trim();
}

/** The line that says why a server ended: its last one of a serious level, with what belongs to it. */
export function lastComplaint(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const at = lines.findLastIndex((line) => /\b(?:FATAL|PANIC):/.test(line));
  const chosen =
    at < 0
      ? lines.slice(-1)
      : lines.slice(at, at + 3).filter((line, index) => index === 0 || /\b(?:DETAIL|HINT|CONTEXT):/.test(line));
  return chosen.length === 0 ? "it ended without a word" : chosen.map((line) => line.trim()).join(" ");
}
