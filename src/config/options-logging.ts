/** Keys about the log, the same for the daemon and for the command-line client except for defaults. */
import type { LogLevel } from "../log/index.ts";
import { defaulting, type OptionTable, type ReloadClass, type ValueKind } from "./option.ts";
import { byteSize, duration, oneOf, path, text } from "./value-kinds.ts";

/** pgmoneta's debug levels: 1 is debug, 2 to 5 are one level. */
const logLevel: ValueKind<LogLevel> = oneOf(["fatal", "error", "warn", "info", "debug", "trace"], {
  debug1: "debug",
  debug2: "trace",
  debug3: "trace",
  debug4: "trace",
  debug5: "trace",
});

function loggingOptions(logPath: string, live: ReloadClass) {
  return {
    log_type: defaulting(oneOf(["console", "file", "syslog"]), "console", {
      reload: live,
      description: "Where the log goes.",
    }),
    log_level: defaulting(logLevel, "info", { reload: live, description: "The least severe level that is logged." }),
    log_path: defaulting(path, logPath, {
      reload: live,
      expandsEnvironment: true,
      description: "The log file for log_type = file. It may contain % conversions of strftime(3).",
    }),
    log_rotation_size: defaulting(byteSize, 0, {
      reload: live,
      description: "The size at which the log file is rotated; 0 is off.",
    }),
    log_rotation_age: defaulting(duration, 0, {
      reload: live,
      description: "The age at which the log file is rotated; 0 is off.",
    }),
    log_line_prefix: defaulting(text, "%Y-%m-%d %H:%M:%S", {
      reload: live,
      description: "The beginning of each line, with % conversions of strftime(3).",
    }),
    log_mode: defaulting(oneOf(["append", "create"]), "append", {
      reload: live,
      description: "Whether an existing log file is continued or replaced at the start; a reload never replaces the one that is written.",
    }),
    log_format: defaulting(oneOf(["text", "json"]), "text", {
      reload: live,
      ours: true,
      description: "The form of a line: text, or one JSON object.",
    }),
  } satisfies OptionTable;
}

export const daemonLoggingOptions = loggingOptions("pgmoneta.log", "live");
export const clientLoggingOptions = loggingOptions("pgmoneta-cli.log", "none");
