/** The daemon, from outside: asked over its socket, started in the background, and given jobs by moneta-cli. */
import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { MonetaError, toMonetaError } from "../../common/index.ts";
import {
  buildRequest,
  managementErrors,
  managementSocketName,
  objectsIn,
  parseResponse,
  sendRequest,
  textIn,
  type CommandName,
  type JsonObject,
  type ManagementResponse,
  type Outcome,
  type RequestFields,
} from "../../management/index.ts";
import { adminErrors } from "../errors.ts";
import { ownDaemon, type DaemonPlace } from "./daemon-place.ts";
import type { InitSurroundings } from "./request.ts";

/** Milliseconds to wait for an answer of a command that is no job. */
const answerTimeoutMs = 60_000;

/** Asks a command that is no job; the Response. Throws what the daemon says against it, and `DAEMON_UNREACHABLE`. */
export async function ask(place: DaemonPlace, surroundings: Pick<InitSurroundings, "clock" | "signal">, command: CommandName, fields: RequestFields = {}): Promise<JsonObject> {
  const { clock, signal } = surroundings;
  const request = buildRequest(command, fields, { output: "raw", compression: 0, encryption: 0, now: clock.now() });
  const address = { socketPath: join(place.socketDirectory, managementSocketName) };
  const { outcome, response } = await sendRequest(address, request, { compression: "none", encryption: "none", answerTimeoutMs, signal });
  if (!outcome.status) throw errorOf(outcome, command);
  return response;
}

function errorOf({ code, error, exit, hint, message }: Partial<Outcome>, command: string): MonetaError {
  const text = message ?? `${command} failed with error ${error ?? "unknown"}`;
  return new MonetaError({ code: code ?? "UNEXPECTED", exit: exit ?? 1, retryable: false, hint: hint ?? "See the log of the daemon." }, text);
}

/**
 * Whether the daemon of this configuration answers there. Throws `ADMIN_FOREIGN_DAEMON` where another one does: its servers may have the
 * same names, and what it says of them would be taken for ours.
 */
export async function isRunning(place: DaemonPlace, surroundings: InitSurroundings): Promise<boolean> {
  const files = await filesOfDaemon(place, surroundings);
  if (files === undefined) return false;
  const main = textIn(files, "main_configuration_path");
  if (main !== undefined && realPath(main) === realPath(place.main)) return true;
  throw adminErrors.foreignDaemon(`the daemon that answers in ${place.socketDirectory} has the configuration ${main ?? "of a place that it does not tell"}, not ${place.main}`, {
    path: place.socketDirectory,
  });
}

/** What it was configured by; undefined where none answers. One that is starting is waited for. */
async function filesOfDaemon(place: DaemonPlace, surroundings: InitSurroundings): Promise<JsonObject | undefined> {
  const { clock, signal } = surroundings;
  const until = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await ask(place, surroundings, "conf ls");
    } catch (error) {
      if (managementErrors.daemonUnreachable.is(error)) return undefined;
      if (!(error instanceof MonetaError) || error.code !== daemonStarting || clock.monotonic() >= until) throw error;
    }
    await clock.sleep(lookEveryMs, signal);
  }
}

const daemonStarting = "DAEMON_STARTING";

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // One that is not there, or lies where we may not look, is the same only by its name.
    return path;
  }
}

/** What a program of ours said and how it ended. */
interface ProgramEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** No password that was given to this process is the business of another one. */
function environmentOf({ environment }: InitSurroundings, { directory }: DaemonPlace): Record<string, string> {
  const kept = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && !/^(PGPASSWORD|PGMONETA_PASSWORD)$/.test(entry[0]));
  return { ...Object.fromEntries(kept), PGMONETA_CONFIG_DIR: directory };
}

interface ProgramRun {
  readonly name: "moneta" | "moneta-cli";
  readonly words: readonly string[];
  /** It is shown to the operator, and may ask. */
  readonly atTerminal: boolean;
}

function runProgram({ name, words, atTerminal }: ProgramRun, place: DaemonPlace, surroundings: InitSurroundings): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(surroundings.programs, name), [...words], {
      env: environmentOf(surroundings, place),
      stdio: [atTerminal ? "inherit" : "ignore", "pipe", atTerminal ? "inherit" : "pipe"],
      // A Ctrl-C at the terminal reaches the whole group, and a daemon that starts must not end by it.
      detached: !atTerminal,
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const { signal } = surroundings;
    // A daemon that is being started is waited for: it is there, or it is not. A job is left, which goes on.
    const onInterrupt = (): void => void (name === "moneta-cli" && !atTerminal && child.kill("SIGINT"));
    signal.addEventListener("abort", onInterrupt, { once: true });
    if (signal.aborted) onInterrupt();
    child.once("error", (error) => {
      signal.removeEventListener("abort", onInterrupt);
      reject(toMonetaError(error));
    });
    child.once("close", (status) => {
      signal.removeEventListener("abort", onInterrupt);
      resolve({ status, stdout, stderr });
    });
  });
}

/** Starts the daemon in the background; resolves when it answers. Throws `ADMIN_DAEMON_NOT_STARTED` with what it said. */
export async function startDaemon(place: DaemonPlace, surroundings: InitSurroundings): Promise<void> {
  const words = ["-D", place.directory, "-d"];
  const { status, stderr } = await runProgram({ name: "moneta", words, atTerminal: false }, place, surroundings);
  if (status === 0) return;
  const said = stderr.trim().replace(/^moneta: /, "").replaceAll("\n", ". ");
  throw adminErrors.daemonNotStarted(`the daemon does not start (moneta ${words.join(" ")}): ${said || `exit status ${status ?? "unknown"}`}`, { status });
}

/**
 * Runs a command that is a job to its end. At a terminal its progress is shown there, and Ctrl-C asks what is to become of the job.
 * Resolves with its Response; throws what speaks against it, and `ADMIN_INIT_INTERRUPTED`.
 */
export async function runJob(place: DaemonPlace, surroundings: InitSurroundings, words: readonly string[]): Promise<JsonObject> {
  const { interactive, leaveInterruptionsTo } = surroundings;
  const all = [...ownDaemon(place), "-F", "raw", ...(interactive ? ["--follow"] : []), ...words];
  const run = (): Promise<ProgramEnd> => runProgram({ name: "moneta-cli", words: all, atTerminal: interactive }, place, surroundings);
  const { status, stdout, stderr } = await (interactive ? leaveInterruptionsTo(run) : run());
  const [command = "", server = ""] = words;
  // One that was hit before it listened ended without a word.
  if (status === interruptedStatus || surroundings.signal.aborted) {
    throw adminErrors.initInterrupted(`interrupted; moneta-cli progress ${server} says whether the ${command} still runs`, { server });
  }
  const answer = answerIn(stdout);
  if (status === 0 && answer?.outcome.status === true) return answer.response;
  throw errorOf(answer?.outcome ?? { message: stderr.trim() || `moneta-cli ${words.join(" ")} ended with exit status ${status ?? "unknown"}` }, command);
}

/** Of moneta-cli after Ctrl-C. */
const interruptedStatus = 130;

function answerIn(text: string): ManagementResponse | undefined {
  try {
    return parseResponse(text);
  } catch {
    // It ended before it could write one; its exit status and what it said count.
    return undefined;
  }
}

/** The entry of a server in the answer of `status`; undefined while the daemon does not know it. */
export async function statusOf(place: DaemonPlace, surroundings: InitSurroundings, server: string): Promise<JsonObject | undefined> {
  const response = await ask(place, surroundings, "status");
  return objectsIn(response, "Servers").find((entry) => textIn(entry, "Server") === server);
}

/** Milliseconds between two looks, and until it is given up: a receiver tries again within half a minute. */
const lookEveryMs = 250;
const patienceMs = 60_000;

/** Waits until the WAL of the server is streamed. Throws `ADMIN_NOT_STREAMING` with what the daemon says against it. */
export async function waitUntilStreaming(place: DaemonPlace, surroundings: InitSurroundings, server: string): Promise<JsonObject> {
  const { clock, signal } = surroundings;
  const until = clock.monotonic() + patienceMs;
  for (;;) {
    const status = await statusOf(place, surroundings, server);
    if (status === undefined) throw adminErrors.notStreaming(`the daemon does not know the server ${server}`, { server });
    if (textIn(status, "StreamState") === "streaming") return status;
    if (clock.monotonic() >= until) {
      const problems = objectsIn(status, "Problems").map((problem) => [textIn(problem, "Message"), textIn(problem, "Statement")].filter(Boolean).join(": "));
      const state = textIn(status, "StreamState") ?? "unknown";
      throw adminErrors.notStreaming(`after ${patienceMs / 1000} s the WAL of ${server} is not streamed (state: ${state})${problems.map((text) => `; ${text}`).join("")}`, { server, state });
    }
    await clock.sleep(lookEveryMs, signal);
  }
}
