/** Requests of commands to the daemon, one connection each. */
import {
  buildRequest,
  commandTable,
  compressionCodes,
  encryptionCodes,
  managementErrors,
  sendRequest,
} from "../management/index.ts";
import type { ManagementResponse, OutputFormat } from "../management/index.ts";
import { cliErrors } from "./errors.ts";
import type { Invocation } from "./invocation.ts";
import type { ClientSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";
import type { JobSubject } from "./watch.ts";

/** Milliseconds to wait for the answer of a command that is no job. */
const answerTimeoutMs = 60_000;

async function send(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
  signal: AbortSignal = terminal.interrupted,
): Promise<ManagementResponse> {
  const spec = commandTable[invocation.command];
  const request = buildRequest(invocation.command, invocation.fields, {
    output: format,
    compression: compressionCodes[settings.compression],
    encryption: encryptionCodes[settings.encryption],
    now: terminal.clock.now(),
  });
  return sendRequest(settings.address, request, {
    ...settings,
    ...(spec.job || spec.long === true ? {} : { answerTimeoutMs }),
    signal,
  });
}

/** Sends the request, in clear once more when only the default encrypted it and the daemon has no master key. */
export async function sendOnceMore(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
  signal: AbortSignal = terminal.interrupted,
): Promise<ManagementResponse> {
  const response = await send(invocation, format, settings, terminal, signal);
  const refused = response.outcome.code === managementErrors.masterKeyMissing.spec.code;
  if (!refused || !settings.encryptionByDefault || settings.encryption === "none") return response;
  return send(invocation, format, { ...settings, encryption: "none", masterKey: undefined }, terminal, signal);
}

/** Ends a job; throws what speaks against it. The request that waits for the job is answered by its end. */
export async function cancelJob(subject: JobSubject, job: string, settings: ClientSettings, terminal: Terminal): Promise<void> {
  const fields = "Server" in subject ? { ...subject, Job: job } : subject;
  const invocation: Invocation = { command: "cancel", fields, options: {}, relative: [], ignored: [] };
  const { outcome } = await send(invocation, "raw", settings, terminal);
  if (!outcome.status) throw cliErrors.cancelRefused(outcome.message ?? `the daemon answers error ${outcome.error}`, { job });
}
