/** `progress --follow`: finds a job that runs again, shows it until it is over, and ends as it ended. */
import { MonetaError } from "../common/index.ts";
import { compressionCodes, encryptionCodes, buildRequest, managementErrors, sendRequest, isJsonObject } from "../management/index.ts";
import type { JsonObject, ManagementResponse, OutputFormat } from "../management/index.ts";
import { objectsIn, textIn } from "./document-fields.ts";
import { askAtInterruption } from "./interruption.ts";
import type { Invocation } from "./invocation.ts";
import { readJob } from "./render-progress.ts";
import { cancelJob } from "./send.ts";
import type { ClientSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";
import { createProgressDisplay, pollEveryMs, type JobSubject } from "./watch.ts";

/** The entry of the job that is followed, or of the one that runs when none is yet. */
function jobIn(response: JsonObject, followed: string | undefined): JsonObject | undefined {
  const jobs = objectsIn(response, "Jobs");
  return followed === undefined ? jobs[0] : jobs.find((job) => textIn(job, "Job") === followed);
}

/** Throws what the job failed with, or that nobody knows how it ended. */
function checkOutcome(response: JsonObject, job: string, whose: string): void {
  const last = isJsonObject(response.Last) ? response.Last : undefined;
  if (last === undefined || textIn(last, "Job") !== job) {
    throw managementErrors.connectionClosed(`job ${job}${whose} is over, and another one has ended since: its outcome is in the log of the daemon`);
  }
  const state = textIn(last, "State") ?? "";
  if (state === "succeeded") return;
  const spec = { code: textIn(last, "Code") ?? "UNEXPECTED", exit: state === "cancelled" ? 20 : 1, retryable: false, hint: textIn(last, "Hint") ?? "" };
  throw new MonetaError(spec, textIn(last, "Message") ?? `job ${job} ended as ${state}`);
}

/** The last answer of the daemon, once the job is over; at once when none runs. */
export async function followProgress(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
): Promise<ManagementResponse> {
  const { Server: server } = invocation.fields;
  const whose = typeof server === "string" ? ` of ${server}` : "";
  const leaving = new AbortController();
  const signal = AbortSignal.any([terminal.interrupted, leaving.signal]);
  const display = createProgressDisplay(terminal.stderr, terminal.clock);
  let followed: string | undefined;
  let subject: JobSubject | undefined;
  const release = askAtInterruption({
    terminal,
    what: typeof server === "string" ? `job of ${server}` : "conversion",
    hold: (held) => display.hold(held),
    cancel: async () => {
      if (followed !== undefined && subject !== undefined) await cancelJob(subject, followed, settings, terminal);
    },
    leave: () => leaving.abort(),
  });
  try {
    for (;;) {
      const header = { output: format, compression: compressionCodes[settings.compression], encryption: encryptionCodes[settings.encryption], now: terminal.clock.now() };
      const request = buildRequest("progress", invocation.fields, header);
      const answer = await sendRequest(settings.address, request, { ...settings, answerTimeoutMs: 60_000, signal });
      if (!answer.outcome.status) return answer;
      const job = jobIn(answer.response, followed);
      if (job === undefined) {
        if (followed !== undefined) checkOutcome(answer.response, followed, whose);
        return answer;
      }
      followed ??= textIn(job, "Job");
      subject ??= typeof server === "string" ? { Server: server } : { SourceFile: textIn(job, "SourceFile") ?? "" };
      display.show(readJob(job));
      await terminal.clock.sleep(pollEveryMs(settings), signal);
    }
  } catch (error) {
    if (signal.aborted) throw managementErrors.interrupted("interrupted; the job goes on", {}, error);
    throw error;
  } finally {
    release();
    display.clear();
  }
}
