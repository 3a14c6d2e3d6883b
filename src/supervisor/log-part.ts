/** The log of the daemon in a reload: another destination is open before anything is in force, and the level follows. */
import { systemClock } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import { goesToJournal, openLogSink, type AdjustableLogger, type LogSink, type ReplaceableSink } from "../log/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { ReloadPart } from "./reload-part.ts";
import { logWords } from "./settings.ts";

/** Opens the sink that the configuration asks for. Throws `LOG_NOT_OPENED`. */
export function openSink(main: MainOptions): LogSink {
  return openLogSink({
    ...main,
    ...logWords(main),
    clock: systemClock,
    stdout: process.stdout,
    stderr: process.stderr,
    tag: "moneta",
    journal: goesToJournal(1, process.env["JOURNAL_STREAM"]),
  });
}

const destination = ({ logType, logPath }: MainOptions): string => `${logType} ${logType === "file" ? logPath : ""}`;
const form = ({ logFormat, logLinePrefix, logRotationAge, logRotationSize }: MainOptions): string =>
  JSON.stringify([logFormat, logLinePrefix, logRotationAge, logRotationSize]);

export interface LogPartOptions {
  readonly sink: ReplaceableSink;
  readonly logger: AdjustableLogger;
  /** Whether nobody sees what the process prints. */
  readonly background: boolean;
}

export function logPart({ background, logger, sink }: LogPartOptions): ReloadPart {
  return {
    name: "the log",
    async prepare({ after, before }) {
      const [old, main] = [before.configuration.main, after.configuration.main];
      if (background && main.logType === "console") {
        throw supervisorErrors.daemonise("a daemon in the background needs a log_type other than console: nobody would see the log");
      }
      const elsewhere = destination(old) !== destination(main);
      // A log that goes on is never emptied, whatever log_mode says.
      const next = elsewhere || form(old) !== form(main) ? openSink(elsewhere ? main : { ...main, logMode: "append" }) : undefined;
      return {
        commit() {
          if (next !== undefined) sink.replace(next);
          logger.setLevel(main.logLevel);
        },
        abandon: async () => next?.close(),
      };
    },
  };
}
