/** Processes of the programs that put messages into the socket of a service manager. */
import { spawn, type ChildProcess } from "node:child_process";
import { messageOf } from "../common/index.ts";
import type { SenderProgram } from "./sender-program.ts";

export interface SenderOptions {
  /** A path, or `@` and an abstract name. */
  readonly socket: string;
  /** A program that does not answer for so long is ended, milliseconds. */
  readonly patienceMs: number;
  /** Whose PATH finds the programs. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a program said of a message: `taken`, or why the socket did not take it, or why the program is of no use. */
export type Answer = { readonly is: "taken" } | { readonly is: "refused" | "lost"; readonly why: string };

export interface RunningSender {
  ask(assignments: readonly string[]): Promise<Answer>;
  end(): Promise<void>;
}

const localeOfNobody = { LC_ALL: "C" };

function environmentOf({ environment, socket }: SenderOptions, program: SenderProgram): Record<string, string> {
  return { PATH: environment["PATH"] ?? "/usr/bin:/bin", ...localeOfNobody, ...(program.stays ? {} : { NOTIFY_SOCKET: socket }) };
}

/** Starts one that stays. */
export function startSender(program: SenderProgram, options: SenderOptions): RunningSender {
  let child: ChildProcess;
  let heard = "";
  let said = "";
  let answer: ((answer: Answer) => void) | undefined;
  let gone: string | undefined;
  let whenGone: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    whenGone = resolve;
  });
  const lost = (why: string): void => {
    gone = `${program.command} ${why}`;
    answer?.({ is: "lost", why: gone });
    whenGone();
  };
  try {
    child = spawn(program.command, [...program.arguments(options.socket, [])], {
      stdio: ["pipe", "pipe", "pipe"],
      env: environmentOf(options, program),
    });
  } catch (error) {
    const why = `cannot be started: ${messageOf(error)}`;
    return { ask: async () => ({ is: "lost", why: `${program.command} ${why}` }), end: async () => undefined };
  }
  child.on("error", (error) => {
    if (child.pid === undefined) lost(`cannot be started: ${error.message}`);
  });
  child.on("close", (status, signal) => lost(`ended with ${signal ?? `status ${status ?? "unknown"}`}${said === "" ? "" : `: ${said.trim()}`}`));
  // Followed by `close`.
  child.stdin?.on("error", () => undefined);
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-500);
  });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
    const end = heard.indexOf("\n");
    if (end < 0) return;
    const line = heard.slice(0, end);
    heard = heard.slice(end + 1);
    answer?.(line === "ok" ? { is: "taken" } : { is: "refused", why: `${options.socket}: ${line}` });
  });
  return {
    ask: (assignments) =>
      new Promise((resolve) => {
        const settle = (result: Answer): void => {
          clearTimeout(limit);
          answer = undefined;
          resolve(result);
        };
        const limit = setTimeout(() => {
          child.kill("SIGKILL");
          settle({ is: "lost", why: `${program.command} did not answer within ${options.patienceMs} ms` });
        }, options.patienceMs);
        answer = settle;
        if (gone === undefined) child.stdin?.write(`${assignments.join("\t")}\n`);
        else settle({ is: "lost", why: gone });
      }),
    end() {
      child.stdin?.end();
      const limit = setTimeout(() => child.kill("SIGKILL"), options.patienceMs);
      return ended.finally(() => clearTimeout(limit));
    },
  };
}

/** Starts one that does not stay, for one message. */
export function runOnce(program: SenderProgram, assignments: readonly string[], options: SenderOptions): Promise<Answer> {
  return new Promise((resolve) => {
    const lost = (why: string): void => resolve({ is: "lost", why: `${program.command} ${why}` });
    try {
      const child = spawn(program.command, [...program.arguments(options.socket, assignments)], {
        stdio: ["ignore", "ignore", "pipe"],
        env: environmentOf(options, program),
        timeout: options.patienceMs,
        killSignal: "SIGKILL",
      });
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        said = `${said}${text}`.slice(-500);
      });
      child.on("error", (error) => lost(`cannot be started: ${error.message}`));
      child.on("close", (status, signal) => {
        if (status === 0) resolve({ is: "taken" });
        else lost(`ended with ${signal ?? `status ${status ?? "unknown"}`}${said === "" ? "" : `: ${said.trim()}`}`);
      });
    } catch (error) {
      lost(`cannot be started: ${messageOf(error)}`);
    }
  });
}
