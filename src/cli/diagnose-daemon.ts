/** The parts of a support bundle that a daemon has: its own, and the answers of the commands that look. */
import { MonetaError } from "../common/index.ts";
import type { LoadedClientConfiguration } from "../config/index.ts";
import { boundedLists, makePart, makeParts, mostServers, type BundlePart, type PartContent, type PartPlan } from "../diagnose/index.ts";
import {
  encodeJson,
  managementErrors,
  readDiagnosis,
  type CommandName,
  type JsonObject,
  type JsonValue,
  type ManagementResponse,
  type RequestFields,
} from "../management/index.ts";
import type { Collected } from "./diagnose-collected.ts";
import { cliErrors } from "./errors.ts";
import { objectsIn, textIn } from "./document-fields.ts";
import type { Invocation } from "./invocation.ts";
import { sendOnceMore } from "./send.ts";
import { resolveSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

type Ask = (command: CommandName, fields: RequestFields, signal: AbortSignal) => Promise<ManagementResponse>;

/** A part has this long, milliseconds: a check asks the server, and the daemon collects parts of its own that may each hang. */
const answerMs = 180_000;

/** A no of the daemon, to be thrown. */
const refusal = ({ code, error, exit, hint, message }: ManagementResponse["outcome"]): MonetaError =>
  new MonetaError(
    { code: code ?? cliErrors.partRefused.spec.code, exit: exit ?? 1, retryable: false, hint: hint ?? cliErrors.partRefused.spec.hint },
    message ?? `the daemon answers error ${error}`,
  );

/** An answer as it came, its long lists shortened. */
function documentOf({ document }: ManagementResponse): PartContent {
  const { dropped, value } = boundedLists(document);
  return {
    text: `${encodeJson(value as JsonValue, 2)}\n`,
    ...(dropped === 0 ? {} : { remark: `${dropped} entries of long lists are left out` }),
  };
}

const planOf = (name: string, about: string, command: CommandName, fields: RequestFields, ask: Ask): PartPlan => ({
  name,
  about,
  // One server that hangs, or the daemon itself, holds up no more than one part.
  place: typeof fields.Server === "string" ? `server ${fields.Server}` : "daemon",
  async produce(signal) {
    const answer = await ask(command, fields, signal);
    if (!answer.outcome.status) throw refusal(answer.outcome);
    return documentOf(answer);
  },
});

const daemonPlans = (ask: Ask): readonly PartPlan[] => [
  planOf("commands/configuration.json", "the configuration in force, every key with its value, without secrets", "conf get", {}, ask),
  planOf("commands/configuration-files.json", "the files it was read from", "conf ls", {}, ask),
  planOf("commands/schedule.json", "what runs by itself, when next, and how it went", "schedule", {}, ask),
];

const serverPlans = (server: string, ask: Ask): readonly PartPlan[] => [
  planOf(`servers/${server}/check.json`, `all checks of ${server}`, "check", { Server: server }, ask),
  planOf(`servers/${server}/progress.json`, `running and waiting jobs of ${server}, and how the last one ended`, "progress", { Server: server }, ask),
  planOf(`servers/${server}/backups.json`, `the backups of ${server}`, "list-backup", { Server: server, Sort: "asc" }, ask),
  planOf(`servers/${server}/lineage.json`, `which clusters ${server} was`, "lineage", { Server: server }, ask),
];

/** Whether there is a daemon that answers at all. Throws DAEMON_UNREACHABLE, MANAGEMENT_ANSWER_TIMEOUT, and why a login was refused. */
async function askPing(ask: Ask, signal: AbortSignal): Promise<BundlePart> {
  const answer = await ask("ping", {}, signal);
  if (!answer.outcome.status) throw refusal(answer.outcome);
  return { name: "commands/ping.json", about: "which version answers", remark: undefined, ...documentOf(answer) };
}

/** The daemon's own parts, in its own words. Throws ROLE_INSUFFICIENT: whoever may not have them gets no half of a bundle. */
async function ownParts(ask: Ask, signal: AbortSignal): Promise<readonly BundlePart[]> {
  let parts: readonly BundlePart[] = [];
  const met: { refusal?: MonetaError } = {};
  const asked = await makePart(
    {
      name: "daemon",
      about: "what only the daemon and its machine have",
      async produce(limited) {
        const { outcome, response } = await ask("diagnose", {}, limited);
        if (!outcome.status) {
          const error = refusal(outcome);
          if (managementErrors.roleInsufficient.is(error)) met.refusal = error;
          throw error;
        }
        parts = readDiagnosis(response);
        return { text: "" };
      },
    },
    signal,
    answerMs,
  );
  if (met.refusal !== undefined) throw met.refusal;
  return asked.text === undefined ? [asked] : parts;
}

/** The status, and the names of the servers in it. */
async function askStatus(ask: Ask, signal: AbortSignal): Promise<{ readonly part: BundlePart; readonly servers: readonly string[] }> {
  let response: JsonObject = {};
  const status = planOf("commands/status.json", "the status in all details, with what is wrong", "status details", {}, async (...asked) => {
    const answer = await ask(...asked);
    response = answer.response;
    return answer;
  });
  const part = await makePart(status, signal, answerMs);
  return { part, servers: objectsIn(response, "Servers").flatMap((server) => textIn(server, "Server") ?? []) };
}

/** Asks the daemon that options and configuration name. Throws what `askPing` and `ownParts` throw: then there is no bundle. */
export async function collectFromDaemon({ options }: Invocation, client: LoadedClientConfiguration, terminal: Terminal): Promise<Collected> {
  const settings = await resolveSettings(options, client, terminal);
  const { interrupted } = terminal;
  const ask: Ask = (command, fields, signal) =>
    sendOnceMore({ command, fields, options: {}, relative: [], ignored: [] }, "raw", settings, terminal, signal);
  const ping = await askPing(ask, interrupted);
  const own = await ownParts(ask, interrupted);
  const { part: status, servers } = await askStatus(ask, interrupted);
  const common = await makeParts(daemonPlans(ask), interrupted, answerMs);
  const looked = servers.slice(0, mostServers);
  const ofServers = await makeParts(looked.flatMap((server) => serverPlans(server, ask)), interrupted, answerMs);
  const remark = servers.length > looked.length ? `the servers behind the first ${looked.length} of ${servers.length} are left out of servers/ and repository/` : undefined;
  const { address } = settings;
  return {
    parts: [{ ...status, remark: [status.remark, remark].filter((each) => each !== undefined).join("; ") || undefined }, ping, ...common, ...ofServers, ...own],
    source: address.remote === undefined ? `the daemon at ${address.socketPath}` : `the daemon at ${address.remote.host}:${address.remote.port}`,
    secrets: [address.remote?.password ?? ""],
  };
}
