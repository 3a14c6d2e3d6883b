/** What tests look at from outside: processes by their titles, servers by their status. */
import { readFileSync } from "node:fs";
import type { Daemon } from "../support/daemon.ts";

/** The part of a server's entry in `status details` that tests look at. */
export interface ServerStatus {
  readonly Server: string;
  readonly Online: boolean;
  readonly WalStreaming: boolean;
  readonly StreamState: string;
  readonly NumberOfBackups: number;
  readonly Jobs: readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
}

/** The Response of a command that must succeed, with the values as they travel, not as people read them. */
export async function ask(daemon: Daemon, ...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const result = await daemon.cli(args, { format: "raw" });
  if (result.status === 0 && result.json?.Outcome.Status === true) return result.json.Response;
  throw new Error(
    `moneta-cli ${args.join(" ")} failed:\n${result.stdout}${result.stderr}\ndaemon:\n${daemon.log().slice(-3000)}`,
  );
}

/** Asked without moneta-cli, so that whoever waits may look often. */
export async function serverStatus(daemon: Daemon, name: string): Promise<ServerStatus> {
  const servers = (await daemon.look("status details"))["Servers"] as ServerStatus[];
  const server = servers.find((one) => one.Server === name);
  if (server === undefined) throw new Error(`status details does not list ${name}`);
  return server;
}

/** The words of a process's command line, or its title where it has set one. */
export function commandLine(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
}

/** Pids of the daemon's children whose title contains `words`. */
export function childrenTitled(daemon: Daemon, words: string): number[] {
  return daemon.children().filter((pid) => {
    try {
      return commandLine(pid).includes(words);
    } catch {
      // It ended between the two looks.
      return false;
    }
  });
}

export async function receiverPid(daemon: Daemon, server: string): Promise<number> {
  const [pid, ...others] = childrenTitled(daemon, `moneta: receiver ${server}`);
  if (pid === undefined || others.length > 0)
    throw new Error(`${server} has ${others.length + (pid === undefined ? 0 : 1)} receivers`);
  return pid;
}
