/** Gives the procedure of `init` what it needs of the process. */
import { homedir, userInfo } from "node:os";
import { fileURLToPath } from "node:url";
import { systemClock, type Prompt } from "../common/index.ts";
import type { ActionResult } from "./actions.ts";
import { runInit } from "./init/init.ts";
import type { InitRequest } from "./init/request.ts";
import { createInterruptions, type SignalSource } from "./interruptions.ts";

export interface InitProcess {
  readonly prompt: Prompt;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the narrative goes: standard output, or standard error where that is for a document. */
  readonly output: { write(text: string): unknown };
  readonly signals: SignalSource;
  readonly interactive: boolean;
}

/** Where units lie, those of the administrator first (systemd.unit(5)). */
const unitDirectories = ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/** Runs it; Ctrl-C ends it after the step in hand. */
export async function init(request: InitRequest, { prompt, environment, output, signals, interactive }: InitProcess): Promise<ActionResult> {
  const interruptions = createInterruptions(signals);
  try {
    return await runInit(request, {
      prompt,
      environment,
      homeDirectory: environment["HOME"] ?? homedir(),
      account: userInfo().username,
      clock: systemClock,
      write: (line) => void output.write(`${line}\n`),
      signal: interruptions.signal,
      leaveInterruptionsTo: interruptions.leaveTo,
      programs: fileURLToPath(new URL("../../bin", import.meta.url)),
      unitDirectories,
      interactive,
    });
  } finally {
    interruptions.release();
  }
}
