/** The built command line, restoring without a daemon: a process that can be killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { program, type Rig } from "./rig.ts";

export interface OfflineRun {
  readonly status: number | null;
  /** What it wrote, to both streams. */
  readonly output: string;
}

export interface OfflineOptions {
  /** Kills it after so many milliseconds. */
  readonly killMs?: number;
  /** Runs it below another program, strace for example: what stands before it on the command line. */
  readonly below?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** `moneta-cli --offline restore primary newest <directory>` on the repository of a rig. */
export function offlineRestore(rig: Rig): (directory: string, options?: OfflineOptions) => Promise<OfflineRun> {
  const configuration = temporaryDirectory({ unprivileged: true }).path;
  const { host, port } = rig.cluster.connectionOptions;
  const lines = [
    "[pgmoneta]",
    "host = localhost",
    `base_dir = ${rig.storage.root}`,
    `unix_socket_dir = ${configuration}`,
    "[primary]",
    `host = ${host}`,
    `port = ${port}`,
    "user = postgres",
    "wal_slot = moneta",
  ];
  writeFileSync(join(configuration, "pgmoneta.conf"), `${lines.join("\n")}\n`);
  return async (directory, { killMs, below = [], environment = {} } = {}) => {
    const words = [...below, program.node, program.script, "--offline", "-D", configuration, "restore", "primary", "newest", directory];
    const child = spawn(words[0] ?? "", words.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (output += text.toString()));
    const exit = once(child, "exit");
    if (killMs !== undefined) {
      await Promise.race([exit, sleep(killMs)]);
      child.kill("SIGKILL");
    }
    await exit;
    return { status: child.exitCode, output };
  };
}
