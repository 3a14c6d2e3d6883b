import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { registerResource } from "./resources.ts";
import { asUnprivileged } from "./unprivileged-user.ts";
import { waitFor } from "./wait-for.ts";

export interface ProcessOptions {
  readonly cwd?: string;
  /** Replaces the environment; default: the one of the tests. */
  readonly env?: NodeJS.ProcessEnv;
  /** Run as the unprivileged user when the tests run as root. Default false. */
  readonly unprivileged?: boolean;
  /** Bytes for its standard input; default: none at all. */
  readonly input?: string | Uint8Array;
  /** More is going to be written: its standard input stays open. Default false. */
  readonly keepInputOpen?: boolean;
}

export interface Finished {
  /** Exit status, or null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProcess {
  readonly pid: number;
  /** What it wrote so far on both channels. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The two as they came in. */
  readonly output: () => string;
  /** Settles when the process has ended and its output is complete; never rejects. */
  readonly finished: Promise<Finished>;
  readonly isRunning: () => boolean;
  /** To its standard input, where that was kept open. */
  write(text: string): void;
  kill(signal?: NodeJS.Signals): void;
}

/** Starts a program. Whatever it does, it is killed (this pid only) at the end of the test file at the latest. */
export function startProcess(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<RunningProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? (options.unprivileged === true ? "/" : process.cwd()),
      env: options.env ?? process.env,
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.unprivileged === true ? asUnprivileged() : {}),
    });
    const stdout = collectText(child.stdout);
    const stderr = collectText(child.stderr);
    const output = collectText(child.stdout, child.stderr);
    // A program that does not read its input may close it early: that is its own business.
    child.stdin.on("error", () => undefined);
    if (options.keepInputOpen !== true) child.stdin.end(options.input);
    let running = true;
    const finished = new Promise<Finished>((settle) => {
      child.once("exit", () => {
        running = false;
      });
      child.once("close", (status, signal) => {
        forget();
        settle({ status, signal, stdout: stdout(), stderr: stderr() });
      });
    });
    const kill = (signal: NodeJS.Signals = "SIGTERM"): void => {
      if (running) child.kill(signal);
    };
    const forget = registerResource({
      name: `process ${child.pid ?? "?"} (${command})`,
      release: async () => {
        kill("SIGKILL");
        // Descendants may hold the pipes open: do not wait for them.
        await waitFor(`process ${child.pid ?? "?"} is gone`, () => !running);
        child.stdout.destroy();
        child.stderr.destroy();
      },
      abandon: () => kill("SIGKILL"),
    });
    child.once("error", (error) => {
      running = false;
      forget();
      reject(error);
    });
    child.once("spawn", () => {
      if (child.pid === undefined) return;
      resolve({
        pid: child.pid,
        stdout,
        stderr,
        output,
        finished,
        isRunning: () => running,
        write: (more) => void child.stdin.write(more),
        kill,
      });
    });
  });
}

/** What streams have said so far: kept as text, because whoever waits for a line asks again and again. */
function collectText(...streams: readonly Readable[]): () => string {
  let text = "";
  for (const stream of streams) {
    const decoder = new StringDecoder("utf8");
    stream.on("data", (piece: Buffer) => {
      text += decoder.write(piece);
    });
    stream.once("end", () => {
      text += decoder.end();
    });
  }
  return () => text;
}

/** Runs a program to its end and returns all that it said, whatever the exit status. */
export async function run(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
  return (await startProcess(command, args, options)).finished;
}

/** Runs a program that must succeed; its standard output. */
export async function runOrFail(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<string> {
  const done = await run(command, args, options);
  if (done.status === 0) return done.stdout;
  const ending = done.status === null ? `was killed by ${done.signal ?? "?"}` : `ended with status ${done.status}`;
  throw new Error(`${command} ${args.join(" ")} ${ending}\n${done.stdout}${done.stderr}`);
}

/** Whether a process of this pid exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.state !== "Z";
}

/** The pids of all live children of a process, and of their children. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat === undefined || stat.state === "Z") continue;
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
  }
  const result: number[] = [];
  const visit = (parent: number): void => {
    for (const child of children.get(parent) ?? []) {
      result.push(child);
      visit(child);
    }
  };
  visit(pid);
  return result;
}

/** Sends a signal to one pid; false when there is no such process (any more). */
export function signalPid(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function readStat(pid: number): { state: string; parent: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // The process ended between listing and reading.
    return undefined;
  }
  // The command name stands in parentheses and may itself contain blanks and parentheses.
  const [state, parent] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return state === undefined || parent === undefined ? undefined : { state, parent: Number(parent) };
}
