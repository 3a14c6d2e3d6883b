/** Sends the request of a command to the daemon and keeps the operator informed while it works. */
import { commandTable } from "../management/index.ts";
import type { ManagementResponse, OutputFormat } from "../management/index.ts";
import { cliErrors } from "./errors.ts";
import { askAtInterruption } from "./interruption.ts";
import type { Invocation } from "./invocation.ts";
import { cancelJob, sendOnceMore } from "./send.ts";
import type { ClientSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";
import { createProgressDisplay, watchProgress, type JobSubject } from "./watch.ts";

/** Whose job the command becomes; undefined for one that is none. A conversion is one wherever the daemon does it. */
function subjectOf({ command, fields: { Server: server, SourceFile: file } }: Invocation): JobSubject | undefined {
  if (commandTable[command].job && typeof server === "string") return { Server: server };
  return commandTable[command].long === true && typeof file === "string" ? { SourceFile: file } : undefined;
}

/** The answer of the daemon; a failed outcome is one. */
export async function askDaemon(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
): Promise<ManagementResponse> {
  const { command } = invocation;
  const subject = subjectOf(invocation);
  const follow = invocation.options.follow === true;
  if (command === "progress" && follow) {
    return (await import("./follow-progress.ts")).followProgress(invocation, format, settings, terminal);
  }
  if (subject === undefined || (format !== "text" && !follow)) {
    return sendOnceMore(invocation, format, settings, terminal);
  }
  const done = new AbortController();
  const leaving = new AbortController();
  const display = createProgressDisplay(terminal.stderr, terminal.clock);
  let job: string | undefined;
  const answer = sendOnceMore(invocation, format, settings, terminal, AbortSignal.any([terminal.interrupted, leaving.signal]));
  const watching = watchProgress(command, subject, settings, display, terminal.clock, done.signal, (found) => {
    job = found;
  });
  const release = askAtInterruption({
    terminal,
    what: `${command} of ${"Server" in subject ? subject.Server : subject.SourceFile}`,
    hold: (held) => display.hold(held),
    cancel: async () => {
      if (job === undefined) throw cliErrors.cancelRefused("the daemon has not said yet which job it is");
      await cancelJob(subject, job, settings, terminal);
    },
    leave: () => leaving.abort(),
  });
  try {
    return await answer;
  } finally {
    release();
    done.abort();
    await watching;
  }
}
