/** Runs the hooks of one server around what a job does. */
import { runOperatorProgram, toMonetaError, commonErrors, type OperatorProgramEnd } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { hookErrors } from "./errors.ts";
import type { HookVariable } from "./hook-table.ts";
import type { HookName } from "./options.ts";

export interface HooksOptions {
  readonly server: string;
  readonly baseDir: string;
  /** Command of the job. */
  readonly job: string;
  /** Programs by the name of the hook. */
  readonly programs: Readonly<Partial<Record<HookName, string>>>;
  readonly timeLimitMs: number;
  /** What programs get besides the variables of the hook. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logger: Logger;
  /** Fires when the job is told to end. */
  readonly signal: AbortSignal;
}

export type HookFactsOf = Readonly<Partial<Record<HookVariable, string>>>;

export interface Hooks {
  /** Whether there is a program for it. */
  has(name: HookName): boolean;
  /** Runs a `before` hook; throws HOOK_REFUSED, HOOK_TIME_LIMIT, HOOK_NOT_STARTED or ABORTED unless it ends with 0. */
  before(name: HookName, facts: HookFactsOf): Promise<void>;
  /** Runs an `after` hook; never throws: what it has to say against it is a sentence for the operator. */
  after(name: HookName, facts: HookFactsOf): Promise<string | undefined>;
  /**
   * Does something that its `before` hook has allowed, then runs the `after` hook with how it ended. The sentence of an
   * `after` hook that failed goes to `note`.
   */
  around<T>(subject: HookSubject, facts: HookFactsOf, action: () => Promise<T>, more: Around<T>): Promise<T>;
}

export type HookSubject = "backup" | "restore" | "delete" | "wal_archive";

export interface Around<T> {
  readonly note: (sentence: string) => void;
  /** What is known only when it is done. */
  readonly learned?: (result: T) => HookFactsOf;
}

/** A job that was told to end is killed after ten seconds: its `after` hook has to be quicker. Milliseconds. */
const farewellMs = 5000;

export function createHooks(options: HooksOptions): Hooks {
  const { baseDir, environment, job, logger, programs, server, signal } = options;

  async function run(name: HookName, path: string, facts: HookFactsOf, cut: boolean): Promise<OperatorProgramEnd> {
    logger.debug(`hook ${name} runs ${path}`);
    const end = await runOperatorProgram({
      path,
      environment: { ...environment, MONETA_HOOK: name, MONETA_SERVER: server, MONETA_BASE_DIR: baseDir, MONETA_JOB: job, ...present(facts) },
      // One that tells of a job that was cancelled is not cancelled with it.
      timeLimitMs: cut ? Math.min(farewellMs, options.timeLimitMs) : options.timeLimitMs,
      ...(cut ? {} : { signal }),
    });
    const good = end.how === "exit" && end.status === 0;
    for (const line of linesOf(end.output)) logger[good ? "info" : "warn"](`hook ${name}: ${line}`);
    return end;
  }

  const hooks: Hooks = {
    has: (name) => programs[name] !== undefined,
    async before(name, facts) {
      const path = programs[name];
      if (path === undefined) return;
      const end = await run(name, path, facts, false);
      if (end.how === "exit" && end.status === 0) return;
      const message = `hook ${name} refuses: "${path}" ${end.words}${lastLine(end.output)}`;
      const details = { hook: name, path, status: end.status };
      switch (end.how) {
        case "aborted":
          throw commonErrors.aborted(message, details);
        case "not started":
          throw hookErrors.notStarted(message, details);
        case "time limit":
          throw hookErrors.timeLimit(message, details);
        case "exit":
        case "signal":
          throw hookErrors.refused(message, details);
      }
    },
    async after(name, facts) {
      const path = programs[name];
      if (path === undefined) return undefined;
      const end = await run(name, path, facts, signal.aborted);
      if (end.how === "exit" && end.status === 0) return undefined;
      const sentence = `hook ${name} failed: "${path}" ${end.words}${lastLine(end.output)}`;
      logger.warn(sentence, { hook: name, status: end.status });
      return sentence;
    },
    async around(subject, facts, action, { note, learned }) {
      await hooks.before(`before_${subject}`, facts);
      return hooks.has(`after_${subject}`) ? told() : action();

      async function told(): ReturnType<typeof action> {
        let result: Awaited<ReturnType<typeof action>>;
        try {
          result = await action();
        } catch (error) {
          await hooks.after(`after_${subject}`, { ...facts, ...failureOf(error, signal) });
          throw error;
        }
        const sentence = await hooks.after(`after_${subject}`, { ...facts, ...learned?.(result), MONETA_RESULT: "succeeded" });
        if (sentence !== undefined) note(sentence);
        return result;
      }
    },
  };
  return hooks;
}

/** How something failed, as its `after` hook is told. */
export function failureOf(error: unknown, signal: AbortSignal): HookFactsOf {
  const { code, message } = toMonetaError(error);
  return { MONETA_RESULT: signal.aborted ? "cancelled" : "failed", MONETA_CODE: code, MONETA_MESSAGE: message };
}

/** A variable cannot hold a zero byte. */
function present(facts: HookFactsOf): Record<string, string> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, value.replaceAll("\0", "")]));
}

/** Lines in the log of one run at most; what is in the middle was left out already. */
const mostLines = 200;

function linesOf(output: string): string[] {
  const lines = output.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
  return lines.length <= mostLines ? lines : [...lines.slice(0, mostLines - 1), `… ${lines.length - mostLines + 1} more lines`];
}

/** The end of what it said, which is the reason as a rule. */
function lastLine(output: string): string {
  const line = linesOf(output).at(-1);
  return line === undefined ? "" : `, saying: ${line.length > 300 ? `${line.slice(0, 300)}…` : line}`;
}
