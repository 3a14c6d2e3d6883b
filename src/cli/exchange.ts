/** Sends the request of a command to the daemon and keeps the operator informed while it works. */
import {
  buildRequest,
  commandTable,
  compressionCodes,
  encryptionCodes,
  managementErrors,
  sendRequest,
} from "../management/index.ts";
import type { ManagementResponse, OutputFormat } from "../management/index.ts";
import type { Invocation } from "./invocation.ts";
import type { ClientSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";
import { createProgressDisplay, watchProgress } from "./watch.ts";

/** Milliseconds to wait for the answer of a command that is no job. */
const answerTimeoutMs = 60_000;

async function send(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
): Promise<ManagementResponse> {
  const spec = commandTable[invocation.command];
  const request = buildRequest(invocation.command, invocation.fields, {
    output: format,
    compression: compressionCodes[settings.compression],
    encryption: encryptionCodes[settings.encryption],
    now: terminal.clock.now(),
  });
  return sendRequest(settings, request, {
    ...settings,
    ...(spec.job || spec.long === true ? {} : { answerTimeoutMs }),
    signal: terminal.interrupted,
  });
}

/** Sends the request, in clear once more when only the default encrypted it and the daemon has no master key. */
async function sendOnceMore(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
): Promise<ManagementResponse> {
  const response = await send(invocation, format, settings, terminal);
  const refused = response.outcome.code === managementErrors.masterKeyMissing.spec.code;
  if (!refused || !settings.encryptionByDefault || settings.encryption === "none") return response;
  return send(invocation, format, { ...settings, encryption: "none", masterKey: undefined }, terminal);
}

/** The answer of the daemon; a failed outcome is one. */
export async function askDaemon(
  invocation: Invocation,
  format: OutputFormat,
  settings: ClientSettings,
  terminal: Terminal,
): Promise<ManagementResponse> {
  const { command, fields } = invocation;
  const server = fields.Server;
  if (!commandTable[command].job || format !== "text" || typeof server !== "string") {
    return sendOnceMore(invocation, format, settings, terminal);
  }
  const done = new AbortController();
  const display = createProgressDisplay(terminal.stderr, terminal.clock);
  const answer = sendOnceMore(invocation, format, settings, terminal);
  const watching = watchProgress(command, server, settings, display, terminal.clock, done.signal);
  try {
    return await answer;
  } finally {
    done.abort();
    await watching;
  }
}
