/**
 * Runs a program that an operator has named: in a process group of its own, within a limit of time, with what it says
 * bounded. It never throws for what the program does; the end says what became of it.
 */
import { spawn, type ChildProcess } from "node:child_process";

export interface OperatorProgram {
  /** Absolute. */
  readonly path: string;
  readonly arguments?: readonly string[];
  /** All that it sees of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it gets on standard input; nothing by default. */
  readonly input?: string;
  readonly timeLimitMs: number;
  /** Ends the program. */
  readonly signal?: AbortSignal;
}

export interface OperatorProgramEnd {
  readonly how: "exit" | "signal" | "time limit" | "aborted" | "not started";
  /** Of the exit. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Both outputs in the order in which they came, cut in the middle. */
  readonly output: string;
  /** What became of it, in words that follow its name: `ended with exit status 1`. */
  readonly words: string;
}

/** Characters of output that are kept of the beginning, and as many of the end. */
const keptHalf = 8 * 1024;
/** After SIGTERM a program has this long to end, milliseconds. */
const graceMs = 2000;
/** What a program leaves running may hold its output open: it is read no longer than this after its end, milliseconds. */
const lastWordsMs = 500;

/** Resolves when the program has ended, or could not be started. */
export function runOperatorProgram(program: OperatorProgram): Promise<OperatorProgramEnd> {
  const { signal, timeLimitMs } = program;
  if (signal?.aborted === true) return Promise.resolve(endOf("aborted", "", null, null, "was not started: the job was told to end"));
  return new Promise((resolve) => {
    let child: ChildProcess;
    const notStarted = (error: Error): void => resolve(endOf("not started", "", null, null, `cannot be started: ${error.message}`));
    try {
      child = spawn(program.path, [...(program.arguments ?? [])], {
        cwd: "/",
        env: { ...program.environment },
        stdio: ["pipe", "pipe", "pipe"],
        detached: true,
      });
    } catch (error) {
      notStarted(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    const output = boundedText();
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => output.add(text));
    // One that does not read its input has ended, or does not want it.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(program.input ?? "");

    let cut: "time limit" | "aborted" | undefined;
    let killer: NodeJS.Timeout | undefined;
    const stop = (why: "time limit" | "aborted"): void => {
      if (cut !== undefined) return;
      cut = why;
      signalGroup(child, "SIGTERM");
      killer = setTimeout(() => signalGroup(child, "SIGKILL"), graceMs);
    };
    const timer = setTimeout(() => stop("time limit"), timeLimitMs);
    const onAbort = (): void => stop("aborted");
    signal?.addEventListener("abort", onAbort, { once: true });
    const tidy = (): void => {
      clearTimeout(timer);
      clearTimeout(killer);
      signal?.removeEventListener("abort", onAbort);
    };
    child.once("error", (error) => {
      if (child.pid !== undefined) return;
      tidy();
      notStarted(error);
    });
    child.once("exit", (status, by) => {
      tidy();
      // Whoever went over the limit takes along what it has started.
      if (cut !== undefined) signalGroup(child, "SIGKILL");
      const done = (): void => {
        clearTimeout(lastWords);
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve(describe(cut, status, by, output.text(), timeLimitMs));
      };
      const lastWords = setTimeout(done, lastWordsMs);
      child.once("close", done);
    });
  });
}

function describe(
  cut: "time limit" | "aborted" | undefined,
  status: number | null,
  by: NodeJS.Signals | null,
  output: string,
  timeLimitMs: number,
): OperatorProgramEnd {
  if (cut === "time limit") return endOf(cut, output, status, by, `did not end within ${timeLimitMs / 1000} s and was killed`);
  if (cut === "aborted") return endOf(cut, output, status, by, "was ended with the job");
  if (by !== null) return endOf("signal", output, status, by, `was ended by ${by}`);
  return endOf("exit", output, status, by, `ended with exit status ${status ?? "unknown"}`);
}

function endOf(
  how: OperatorProgramEnd["how"],
  output: string,
  status: number | null,
  signal: NodeJS.Signals | null,
  words: string,
): OperatorProgramEnd {
  return { how, status, signal, output, words };
}

/** The program and what it has started, unless that has gone its own way. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing of the group is left.
    return;
  }
}

/** A text of which the beginning and the end are kept. */
function boundedText(): { add(text: string): void; text(): string } {
  let head = "";
  let tail = "";
  let dropped = 0;
  return {
    add(text) {
      const room = Math.max(0, keptHalf - head.length);
      head += text.slice(0, room);
      tail += text.slice(room);
      const surplus = tail.length - keptHalf;
      if (surplus <= 0) return;
      dropped += surplus;
      tail = tail.slice(surplus);
    },
    text: () => (dropped === 0 ? head + tail : `${head}\n… ${dropped} characters are left out …\n${tail}`),
  };
}

const passedOn = /^(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TMP|TEMP)$/;

/** What a program of an operator gets of our own environment: nothing that could hold a secret. */
export function environmentForOperators(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined && passedOn.test(entry[0]));
  return Object.fromEntries(kept);
}
