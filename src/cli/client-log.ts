/** The client's own log (`-L`, or the log keys of its configuration): which command was run and how it ended. */
import type { LoadedClientConfiguration } from "../config/index.ts";
import type { MonetaError } from "../common/index.ts";
import type { Logger, LogSink } from "../log/index.ts";
import type { CommandName, Outcome } from "../management/index.ts";
import type { GlobalOptions } from "./invocation.ts";
import type { Terminal } from "./terminal.ts";

export interface ClientLog {
  /** Opens the file or syslog; throws `LOG_NOT_OPENED`. */
  open(options: GlobalOptions, client: LoadedClientConfiguration, terminal: Terminal): Promise<void>;
  outcome(command: CommandName, outcome: Outcome): void;
  failure(command: CommandName, error: MonetaError): void;
  close(): Promise<void>;
}

/** A log that says nothing until it is opened, and nothing at all where the console is all that is configured. */
export function openClientLog(): ClientLog {
  let logger: Logger | undefined;
  let sink: LogSink | undefined;
  return {
    async open(options, client, terminal) {
      const { logType, logLevel, logPath } = client.options;
      const type = options.logfile === undefined ? logType : "file";
      // What the console would be told, it is told in text already.
      if (type === "console") return;
      // Loaded by the few who want it: the usual command must start quickly.
      const { createLogger, openLogSink } = await import("../log/index.ts");
      sink = openLogSink({
        ...client.options,
        logType: type === "syslog" ? "syslog" : "file",
        logMode: client.options.logMode === "create" ? "create" : "append",
        logFormat: client.options.logFormat === "json" ? "json" : "text",
        logPath: options.logfile ?? logPath,
        clock: terminal.clock,
        stdout: terminal.stdout,
        stderr: terminal.stderr,
        tag: "moneta-cli",
      });
      const open = sink;
      logger = createLogger(["cli"], logLevel, (record) => open.write(record));
    },
    outcome(command, outcome) {
      if (outcome.status) logger?.info(`${command}: success`, { time: outcome.time });
      else logger?.error(`${command}: ${outcome.message ?? "failed"}`, { error: outcome.error, code: outcome.code });
    },
    failure(command, error) {
      logger?.error(`${command}: ${error.message}`, { code: error.code });
    },
    async close() {
      await sink?.close();
    },
  };
}
