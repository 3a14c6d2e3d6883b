/** One run of the command line, from its words to its exit status. */
import { toMonetaError } from "../common/index.ts";
import type { MonetaError } from "../common/index.ts";
import type { LoadedClientConfiguration } from "../config/index.ts";
import {
  buildRequest,
  buildResponse,
  commandNames,
  encodeDocument,
  encodeJson,
  exitStatusOfNumber,
  managementErrors,
  parseRequest,
} from "../management/index.ts";
import type { JsonObject, ManagementResponse, OutputFormat } from "../management/index.ts";
import { openClientLog } from "./client-log.ts";
import { cliErrors } from "./errors.ts";
import { askDaemon } from "./exchange.ts";
import type { Invocation } from "./invocation.ts";
import { narrowConfiguration } from "./narrow-configuration.ts";
import { parseCommandLine } from "./program.ts";
import type { Choice } from "./program.ts";
import { checkStatus, failedCheckStatus } from "./render-check.ts";
import { renderRefusal, renderResponse } from "./render.ts";
import { failureOfError, failureOfOutcome, renderFailure } from "./render-failure.ts";
import type { Failure } from "./render-failure.ts";
import { chooseFormat, loadClient, resolveSettings } from "./settings.ts";
import type { ClientSettings } from "./settings.ts";
import type { Output, Terminal } from "./terminal.ts";
import { printable } from "./table.ts";
import { translateDocument } from "./translate.ts";
import { runWalPush } from "./wal-push.ts";
import { fatalForRecovery, runWalGet, walGetCommand } from "./wal-get.ts";

const writeLines = (output: Output, lines: readonly string[]): void => {
  output.write(lines.map((line) => `${line}\n`).join(""));
};

const hasColour = (terminal: Terminal): boolean =>
  terminal.stderr.isTTY && (terminal.environment.NO_COLOR ?? "") === "";

function reportFailure(failure: Failure, terminal: Terminal): void {
  const width = terminal.stderr.isTTY ? terminal.stderr.columns : undefined;
  writeLines(terminal.stderr, renderFailure(failure, hasColour(terminal), width));
}

function writeDocument(document: JsonObject, format: OutputFormat, terminal: Terminal): void {
  const shown = format === "json" ? translateDocument(document) : document;
  terminal.stdout.write(`${encodeJson(shown, 2)}\n`);
}

/** What failed before there was an answer, as the document that the answer would have been. */
function failedDocument(invocation: Invocation, format: OutputFormat, error: MonetaError, now: number): JsonObject {
  const header = { output: format, compression: 0, encryption: 0, now } as const;
  const raw = parseRequest(encodeDocument(buildRequest(invocation.command, invocation.fields, header)));
  return buildResponse(raw, { status: false, error }, 0);
}

/** Exit status of an answer: 0 only when its outcome says so. */
function statusOf(invocation: Invocation, { outcome, response }: ManagementResponse): number {
  // A check that was made says how the server is, in the statuses of monitoring.
  if (invocation.command === "check") return outcome.status ? checkStatus(response) : failedCheckStatus(outcome.code);
  if (outcome.status) return 0;
  const status = outcome.exit ?? exitStatusOfNumber(invocation.command, outcome.error);
  // A failure must never become 0 by what somebody sent as a status.
  return Number.isInteger(status) && status > 0 && status < 256 ? status : 1;
}

/** Whether a program of monitoring reads what is printed. */
const asPlugin = ({ command, fields }: Invocation, format: OutputFormat): boolean =>
  command === "check" && fields.Nagios === true && format === "text";

async function present(
  invocation: Invocation,
  response: ManagementResponse,
  format: OutputFormat,
  terminal: Terminal,
): Promise<number> {
  const { outcome } = response;
  if (asPlugin(invocation, format)) {
    const { renderFailedPlugin, renderPlugin } = await import("./render-plugin.ts");
    const lines = outcome.status ? renderPlugin(response.response) : renderFailedPlugin({ code: outcome.code ?? "", message: outcome.message ?? "", hint: outcome.hint ?? "" });
    writeLines(terminal.stdout, lines.map(printable));
    return statusOf(invocation, response);
  }
  if (format !== "text") writeDocument(response.document, format, terminal);
  else if (outcome.status)
    writeLines(terminal.stdout, renderResponse(invocation.command, response.response, terminal.clock.now()));
  if (!outcome.status && format === "text") writeLines(terminal.stdout, renderRefusal(response.response));
  if (!outcome.status) reportFailure(failureOfOutcome(invocation.command, outcome), terminal);
  if (invocation.options.verbose === true) {
    const output = format === "text" ? terminal.stdout : terminal.stderr;
    output.write(outcome.status ? "Success (0)\n" : `Error (${outcome.error})\n`);
  }
  return statusOf(invocation, response);
}

/** How the daemon is reached; a path that is to be looked at on another machine must not be one of this directory. */
async function settingsFor(invocation: Invocation, client: LoadedClientConfiguration, terminal: Terminal): Promise<ClientSettings> {
  const settings = await resolveSettings(invocation.options, client, terminal);
  const [relative] = invocation.relative;
  if (settings.address.remote === undefined || relative === undefined) return settings;
  throw cliErrors.usage(`"${relative}" must be absolute: it is a path of ${settings.address.remote.host}`);
}

const needsNoDaemon = ["compress", "decrypt", "decompress", "encrypt"] as const;

/** Asks the daemon; without one, where that was asked for or the command does not need one, it is done here. */
async function askWhoeverCan(
  invocation: Invocation,
  format: OutputFormat,
  client: LoadedClientConfiguration,
  terminal: Terminal,
): Promise<ManagementResponse> {
  const { command, options } = invocation;
  // It asks the daemon for many things, and writes a file here.
  if (command === "diagnose") return (await import("./diagnose.ts")).diagnose(invocation, format, client, terminal);
  const conversion = needsNoDaemon.find((name) => name === command);
  if (conversion === undefined) {
    if (options.offline === true) return (await import("./offline.ts")).askOffline(invocation, format, terminal);
    return askDaemon(invocation, format, await settingsFor(invocation, client, terminal), terminal);
  }
  if (options.offline !== true) {
    // Another machine's files are not those of this one, whatever that machine answers.
    let here = true;
    try {
      const settings = await settingsFor(invocation, client, terminal);
      here = settings.address.remote === undefined;
      return await askDaemon(invocation, format, settings, terminal);
    } catch (error) {
      if (!here || (!managementErrors.daemonUnreachable.is(error) && !cliErrors.socketUnknown.is(error))) throw error;
    }
  }
  return (await import("./convert-file.ts")).convertHere(conversion, invocation, format, terminal);
}

async function runCommand(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { command, options } = invocation;
  let format: OutputFormat = options.format === "json" || options.format === "raw" ? options.format : "text";
  const log = openClientLog();
  try {
    if (terminal.userId === 0) throw cliErrors.rootRefused("moneta-cli does not run as root");
    for (const name of invocation.ignored)
      terminal.stderr.write(`moneta-cli: --${name} means nothing for ${command}\n`);
    const client = loadClient(options, terminal);
    format = chooseFormat(options, client);
    await log.open(options, client, terminal);
    const response = narrowConfiguration(invocation, await askWhoeverCan(invocation, format, client, terminal));
    log.outcome(command, response.outcome);
    return await present(invocation, response, format, terminal);
  } catch (error) {
    const known = toMonetaError(error);
    log.failure(command, known);
    if (format !== "text")
      writeDocument(failedDocument(invocation, format, known, terminal.clock.now()), format, terminal);
    if (asPlugin(invocation, format)) {
      const { renderFailedPlugin } = await import("./render-plugin.ts");
      writeLines(terminal.stdout, renderFailedPlugin(known).map(printable));
    } else reportFailure(failureOfError(command, known), terminal);
    return command === "check" ? failedCheckStatus(known.code) : Math.max(1, known.exit);
  } finally {
    await log.close();
  }
}

/** Whether the command is `check`, as far as that can be said of words that were not understood. */
function isCheck(words: readonly string[]): boolean {
  const first = words.find((word) => commandNames.some((name) => name.split(" ", 1)[0] === word));
  return first === "check";
}

function understand(words: readonly string[], terminal: Terminal): Choice {
  try {
    return parseCommandLine(words, terminal.version, {
      stdout: (text) => terminal.stdout.write(text),
      stderr: (text) => terminal.stderr.write(text),
      columns: terminal.stdout.columns,
    });
  } catch (error) {
    const known = toMonetaError(error);
    reportFailure(failureOfError("the command line", known), terminal);
    return { kind: "end", status: Math.max(1, known.exit) };
  }
}

/**
 * Runs moneta-cli with the words after its name. Never rejects. The exit status is 0 only when the outcome of the
 * command is true; other statuses are those of the error catalogue, 130 after an interruption.
 */
export async function runCli(words: readonly string[], terminal: Terminal): Promise<number> {
  const choice = understand(words, terminal);
  switch (choice.kind) {
    case "end":
      // PostgreSQL would take a mistake in its restore_command for the end of the archive.
      if (choice.status !== 0 && words.includes(walGetCommand)) return fatalForRecovery;
      // To monitoring 2 is critical, and a mistake in its configuration is not.
      return choice.status !== 0 && isCheck(words) ? failedCheckStatus(undefined) : choice.status;
    case "wal-get":
      return runWalGet(choice.request, terminal.stderr);
    case "wal-push":
      return runWalPush(choice.request, terminal, process.stdin);
    case "complete":
      return (await import("./complete.ts")).runComplete(choice.words, choice.options, terminal);
    case "command":
      return runCommand(choice.invocation, terminal);
  }
}
