/** Runs a program of PostgreSQL to its end, with what it says bounded, in an environment of nobody's. */
import { spawn } from "node:child_process";
import { throwIfAborted } from "../common/index.ts";

export interface ProgramRun {
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Both outputs in the order in which they came, cut in the middle. */
  readonly output: string;
}

export interface ProgramOptions {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Characters that are kept of the beginning, and as many of the end. */
const keptHalf = 32 * 1024;

/** Resolves however it ends; rejects with ENOENT and the like when it cannot be started, or when `signal` fires. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramRun> {
  throwIfAborted(options.signal);
  const child = spawn(command, args, {
    cwd: options.directory,
    env: { ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = createBoundedText();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => output.add(text));
  const end = (): void => void child.kill("SIGKILL");
  options.signal.addEventListener("abort", end, { once: true });
  try {
    const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, by) => resolve([code, by]));
    });
    throwIfAborted(options.signal);
    return { status, signal, output: output.text() };
  } finally {
    options.signal.removeEventListener("abort", end);
  }
}

/** A text of which the beginning and the end are kept. */
export function createBoundedText(half = keptHalf): { add(text: string): void; text(): string } {
  let head = "";
  let tail = "";
  let dropped = 0;
  return {
    add(text) {
      const room = Math.max(0, half - head.length);
      head += text.slice(0, room);
      tail += text.slice(room);
      const surplus = tail.length - half;
      if (surplus <= 0) return;
      dropped += surplus;
      tail = tail.slice(surplus);
    },
    text: () => (dropped === 0 ? head + tail : `${head}\n… ${dropped} characters are left out …\n${tail}`),
  };
}
