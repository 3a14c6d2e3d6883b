/**
 * Shows how far a job is while its command waits for the answer: `progress` is asked again and again on connections
 * of its own, which works with every daemon that speaks the protocol. What cannot be asked is not shown; the
 * command itself never fails for it.
 */
import type { Clock } from "../common/index.ts";
import { buildRequest, compressionCodes, encryptionCodes, sendRequest } from "../management/index.ts";
import type { CommandName, JsonObject } from "../management/index.ts";
import { objectsIn, textIn } from "./document-fields.ts";
import { describeJob, progressLine, readJob } from "./render-progress.ts";
import type { JobView } from "./render-progress.ts";
import type { ClientSettings } from "./settings.ts";
import { printable } from "./table.ts";
import type { Output } from "./terminal.ts";

/** Whose job is meant: a server's, or the conversion of a file. */
export type JobSubject = { readonly Server: string } | { readonly SourceFile: string };

export interface ProgressDisplay {
  show(job: JobView): void;
  /** Takes the bar off the screen. */
  clear(): void;
  /** Keeps it off while something else stands there. */
  hold(held: boolean): void;
}

/** A bar that stays on its line on a terminal; elsewhere a line when the phase changes and every half minute. */
export function createProgressDisplay(output: Output, clock: Pick<Clock, "monotonic">): ProgressDisplay {
  let drawn = false;
  let held = false;
  let lastLine = "";
  let lastPhase = "";
  let lastAt = Number.NEGATIVE_INFINITY;
  return {
    show(job) {
      if (held) return;
      if (output.isTTY) {
        const line = progressLine(job, output.columns);
        if (line === lastLine) return;
        output.write(`\r${line}\u001b[K`);
        lastLine = line;
        drawn = true;
        return;
      }
      const phase = `${job.state} ${job.phase ?? ""}`;
      if (phase === lastPhase && clock.monotonic() - lastAt < 30_000) return;
      lastPhase = phase;
      lastAt = clock.monotonic();
      output.write(`${printable(describeJob(job))}\n`);
    },
    clear() {
      if (drawn) output.write("\r\u001b[K");
      drawn = false;
    },
    hold(now) {
      if (now) this.clear();
      held = now;
      lastLine = "";
    },
  };
}

/** The job to show: the one followed so far, else the newest of this command, which is the one just asked for. */
function chooseJob(response: JsonObject, command: CommandName, followed: string | undefined): JsonObject | undefined {
  const jobs = objectsIn(response, "Jobs");
  if (jobs.length === 0) return "Jobs" in response || Number(response.ProgressState ?? 0) === 0 ? undefined : response;
  const ours = jobs.filter((job) => textIn(job, "Command") === command);
  const same = ours.find((job) => textIn(job, "Job") === followed);
  return (
    same ??
    (followed === undefined ? ours.sort((a, b) => Number(textIn(b, "Job")) - Number(textIn(a, "Job")))[0] : undefined)
  );
}

/** Milliseconds between two looks; each one at another machine is a login. */
export const pollEveryMs = ({ address }: ClientSettings): number => (address.remote === undefined ? 250 : 1_000);

/** Shows progress until `done` fires. Never rejects. */
export async function watchProgress(
  command: CommandName,
  subject: JobSubject,
  settings: ClientSettings,
  display: ProgressDisplay,
  clock: Clock,
  done: AbortSignal,
  found: (job: string) => void = () => undefined,
): Promise<void> {
  const everyMs = pollEveryMs(settings);
  let followed: string | undefined;
  // A login that is refused should be refused once: by then the command itself has heard of it.
  if (settings.address.remote !== undefined) await clock.sleep(everyMs, done).catch(() => undefined);
  while (!done.aborted) {
    try {
      const request = buildRequest(
        "progress",
        { ...subject, Command: command },
        {
          output: "raw",
          compression: compressionCodes[settings.compression],
          encryption: encryptionCodes[settings.encryption],
          now: clock.now(),
        },
      );
      const answer = await sendRequest(settings.address, request, { ...settings, answerTimeoutMs: 5_000, signal: done });
      const job = answer.outcome.status ? chooseJob(answer.response, command, followed) : undefined;
      if (job !== undefined && !done.aborted) {
        followed ??= textIn(job, "Job");
        if (followed !== undefined) found(followed);
        const view = readJob(job);
        display.show({ ...view, command: view.command === "job" ? command : view.command });
      }
      await clock.sleep(everyMs, done);
    } catch {
      // The job is what counts: a look that failed is made again, and the end of the wait ends the loop.
      if (!done.aborted) await clock.sleep(everyMs, done).catch(() => undefined);
    }
  }
  display.clear();
}
