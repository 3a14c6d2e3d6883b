/** Starts one process of ours and turns what becomes of it into a few calls; knows nothing of restarts or jobs. */
import { fork, type ChildProcess } from "node:child_process";
import { messageOf, type MonetaError } from "../common/index.ts";
import { createChannel, type Channel, type Check } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import { supervisorErrors } from "./errors.ts";
import { createLineSplitter } from "./line-splitter.ts";
import { childEnvironment, programPath, type ChildProgram } from "./program.ts";

export interface ChildProcessOptions<In> {
  readonly program: ChildProgram;
  /** Its main module, when that is not the program's own. */
  readonly path?: string;
  readonly check: Check<In>;
  readonly onMessage: (message: In) => void;
  /** The process is gone; called exactly once, after its last message. */
  readonly onEnd: (end: ProcessEnd) => void;
  readonly logger: Logger;
  /** Descriptor of the owner lock: a child holds it as long as it lives, so that a new supervisor waits for it. */
  readonly lockFd: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Arguments that mean nothing and make room for the title that it gives itself. */
  readonly titleRoom?: readonly string[];
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it ended, when that is not its own message. */
  readonly error: MonetaError | undefined;
}

export interface RunningProcess<Out> {
  readonly pid: number | undefined;
  readonly channel: Channel<Out>;
  /** Ends it at once; onEnd follows. */
  kill(): void;
}

/** Time for messages that are still in the pipe after the process has ended, milliseconds. */
const LAST_WORDS_MS = 1000;
/** Time for a process to end once it has closed its channel, milliseconds. */
const SILENT_MS = 5000;

function forkProgram(
  options: Pick<ChildProcessOptions<never>, "program" | "path" | "environment" | "lockFd" | "titleRoom">,
): ChildProcess {
  return fork(options.path ?? programPath(options.program), options.titleRoom ?? [], {
    serialization: "json",
    env: childEnvironment(options.program, options.environment),
    execArgv: import.meta.url.endsWith(".ts") ? ["--import", "tsx"] : [],
    stdio: ["ignore", "pipe", "pipe", "ipc", options.lockFd ?? "ignore"],
  });
}

/** Throws `CHILD_LOST` when the system refuses the process at once; a later refusal comes through `onEnd`. */
export function startProcess<Out, In>(options: ChildProcessOptions<In>): RunningProcess<Out> {
  const { logger } = options;
  let child: ChildProcess;
  try {
    child = forkProgram(options);
  } catch (error) {
    throw supervisorErrors.childLost(`the ${options.program} could not be started: ${messageOf(error)}`, {}, error);
  }
  let invalid: MonetaError | undefined;
  let exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  let talking = true;
  let reported = false;
  let lastWords: NodeJS.Timeout | undefined;
  let silent: NodeJS.Timeout | undefined;

  const report = (): void => {
    if (reported || exit === undefined || talking) return;
    reported = true;
    clearTimeout(lastWords);
    clearTimeout(silent);
    options.onEnd({ ...exit, error: invalid });
  };
  const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
    exit = { code, signal };
    // Messages may still be in the pipe: the disconnect comes after the last of them. Should a grandchild hold
    // the pipe open, the wait is bounded.
    lastWords = setTimeout(() => {
      talking = false;
      channel.close();
      report();
    }, LAST_WORDS_MS);
    report();
  };
  const refuse = (error: unknown): void => {
    invalid = supervisorErrors.childInvalid(
      `the ${options.program} sent what cannot be: ${messageOf(error)}`,
      {},
      error,
    );
    talking = false;
    channel.close();
    child.kill("SIGKILL");
    report();
  };
  const channel = createChannel<Out, In>({
    endpoint: child,
    check: options.check,
    onMessage(message) {
      try {
        options.onMessage(message);
      } catch (error) {
        // A defect in the dealings with one child must not take the others down with the supervisor.
        refuse(error);
      }
    },
    onInvalid: refuse,
    onDisconnect: () => {
      talking = false;
      // Without its channel a child ends by itself; one that is stuck is helped.
      silent = setTimeout(() => child.kill("SIGKILL"), SILENT_MS);
      report();
    },
  });
  child.on("exit", ended);
  child.on("error", (error) => {
    if (child.pid !== undefined) {
      logger.warn("a message or signal could not be delivered to the child", { error: error.message });
      return;
    }
    invalid = supervisorErrors.childLost(`the ${options.program} could not be started: ${error.message}`, {}, error);
    talking = false;
    ended(null, null);
  });
  child.stdout?.on(
    "data",
    createLineSplitter((line) => logger.info(line, { stream: "stdout" })),
  );
  child.stderr?.on(
    "data",
    createLineSplitter((line) => logger.error(line, { stream: "stderr" })),
  );
  return {
    pid: child.pid,
    channel,
    kill: () => void child.kill("SIGKILL"),
  };
}

/** How a process ended, in words: `exit status 1`, `signal SIGKILL`. */
export function describeEnd(end: ProcessEnd): string {
  if (end.error !== undefined) return end.error.message;
  return end.signal !== null ? `signal ${end.signal}` : `exit status ${end.code ?? "unknown"}`;
}
