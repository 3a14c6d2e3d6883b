/**
 * Lines to syslog through util-linux's `logger`, because Node has no datagram Unix sockets. Each line goes to its
 * standard input with a priority prefix (logger(1), `--prio-prefix`); a child that ends is started again, not more
 * often than once in a while. Lines that it cannot take go to standard error, and the last ones that it was given
 * when it ended by itself go there too, because it may not have delivered them.
 */
import { spawn, type ChildProcess } from "node:child_process";
import type { Complain, LineFormat, LogSink } from "./log-sink.ts";
import { syslogSeverities } from "./severity.ts";

export interface SyslogOptions {
  readonly format: LineFormat;
  readonly complain: Complain;
  /** Milliseconds from any origin, never going back. */
  readonly monotonic: () => number;
  /** The program name in syslog. */
  readonly tag: string;
  /** The id in syslog; that of the process whose lines these are. */
  readonly pid: number;
  /** Further arguments of `logger`, such as another socket. */
  readonly extraArguments?: readonly string[];
}

/** The facility daemon of RFC 5424, section 6.2.1. */
const facility = 3;

/** Longest message; logger(1) cuts at 1 KiB unless told otherwise. */
const messageSize = "8KiB";
/** Bytes that may wait for a child that does not read. */
const backlogLimit = 1024 * 1024;
/** Lines that are told again when the child ends by itself. */
const recentLines = 100;
/** Milliseconds between two starts of the child. */
const restartInterval = 5_000;

export function createSyslogSink(options: SyslogOptions): LogSink {
  let child: ChildProcess | undefined;
  let lastStart = Number.NEGATIVE_INFINITY;
  let closing = false;
  /** The last lines that the child was given: it does not say which of them it delivered before it ended. */
  let recent: string[] = [];

  function start(): ChildProcess | undefined {
    if (options.monotonic() - lastStart < restartInterval) return undefined;
    lastStart = options.monotonic();
    const fixed = [
      "--prio-prefix",
      `--id=${options.pid}`,
      "--tag",
      options.tag,
      "--size",
      messageSize,
      "--socket-errors=on",
    ];
    const started = spawn("logger", [...fixed, ...(options.extraArguments ?? [])], {
      stdio: ["pipe", "ignore", "pipe"],
    });
    const failed = (reason: string): void => {
      if (child !== started) return;
      child = undefined;
      if (!closing) options.complain(`moneta: the syslog helper ended: ${reason}; lines go here until it runs again\n`);
      // Rather twice than not at all.
      if (!closing || said !== "") for (const line of recent) options.complain(line);
      recent = [];
    };
    let said = "";
    started.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-1000);
    });
    started.on("error", (error) => {
      failed(error.message);
    });
    started.on("close", (code, signal) => {
      failed(`${signal ?? `status ${code ?? "unknown"}`}${said === "" ? "" : `, ${said.trim()}`}`);
    });
    // A broken pipe is followed by `close`, which tells the reason.
    started.stdin.on("error", () => undefined);
    child = started;
    return started;
  }

  return {
    write: (record) => {
      // One line of syslog is one line here: what is indented on further lines would lose its prefix.
      const line = `${options.format(record).replaceAll(/\n\t?/g, " | ")}\n`;
      const target = child ?? (closing ? undefined : start());
      const stdin = target?.stdin;
      if (stdin === undefined || stdin === null || !stdin.writable || stdin.writableLength > backlogLimit) {
        options.complain(line);
        return;
      }
      recent.push(line);
      if (recent.length > recentLines) recent.shift();
      stdin.write(`<${facility * 8 + syslogSeverities[record.level]}>${line}`);
    },
    reopen: () => undefined,
    close: () =>
      new Promise((resolve) => {
        closing = true;
        const running = child;
        if (running === undefined) {
          resolve();
          return;
        }
        running.on("close", () => {
          resolve();
        });
        running.stdin?.end();
      }),
  };
}
