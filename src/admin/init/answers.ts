/** From options, answers and what is there already to everything that is wanted. */
import { resolve } from "node:path";
import { messageOf, type Prompt } from "../../common/index.ts";
import { adminErrors } from "../errors.ts";
import { hasSection, problemWith, valueOf } from "./configuration-text.ts";
import { usualMasterKey, type LocalState } from "./local-state.ts";
import type { InitRequest, Wanted } from "./request.ts";

/** Why an answer will not do; undefined when it will. */
type Check = (answer: string) => string | undefined;

/** Asks until the answer will do; nobody is asked with `--yes`. */
export type Ask = (question: string, standard: string, check?: Check) => Promise<string>;

/** The way of asking: at the prompt, with the answer that Enter stands for between brackets. `complain` says what is wrong with one. */
export function createAsk(prompt: Prompt, yes: boolean, complain: (text: string) => void): Ask {
  return async (question, standard, check = () => undefined) => {
    if (yes) return standard;
    for (;;) {
      const answer = (await prompt.ask(`  ${question} [${standard}]: `)).trim() || standard;
      const problem = check(answer);
      if (problem === undefined) return answer;
      complain(problem);
    }
  };
}

/** Y or n; Enter is `standard`. */
export async function askYesNo(prompt: Prompt, question: string, standard: boolean): Promise<boolean> {
  for (;;) {
    const answer = (await prompt.ask(`  ${question} [${standard ? "Y/n" : "y/N"}]: `)).trim().toLowerCase();
    if (answer === "") return standard;
    if (["y", "yes"].includes(answer)) return true;
    if (["n", "no"].includes(answer)) return false;
  }
}

/** A name that can be typed in every command, and be a directory and a section. */
export function checkServerName(name: string): string | undefined {
  if (name === "all" || name === "pgmoneta") return `"${name}" is reserved: choose another name`;
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/.test(name) ? undefined : "expected a name of letters, digits, -, _ and .";
}

export function checkPort(text: string): string | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535 ? undefined : "expected a port from 1 to 65535";
}

export const checkAbsolute = (path: string): string | undefined => (path.startsWith("/") ? undefined : "expected an absolute path");

/** What stands for nobody: statements are printed for somebody else to run. */
export const nobody = "-";

const nightly = "15 2 * * *";
const week = "7";

/** Asks for what was not given. Throws `ADMIN_USAGE` for an option that will not do. */
export async function settle(
  request: InitRequest,
  local: LocalState,
  ask: Ask,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Wanted> {
  const { document } = local;
  const given = async (option: string, value: string | undefined, question: string, standard: string, check: Check): Promise<string> => {
    if (value === undefined) return ask(question, standard, safely(check));
    const problem = safely(check)(value);
    if (problem !== undefined) throw adminErrors.usage(`${option} ${value}: ${problem}`);
    return value;
  };
  const server = await given("--server-name", request.serverName, "Name of this server in every command", "primary", checkServerName);
  const known = hasSection(document, server);
  const key = (name: string): Check => (value) => problemWith(server, name, value, environment);
  /** A section that is there answers by itself. */
  const ofServer = async (option: string, name: string, value: string | undefined, question: string, standard: string, check: Check): Promise<string> => {
    const there = valueOf(document, server, name);
    return value === undefined && known && there !== undefined ? there : given(option, value, question, standard, check);
  };
  const host = await ofServer("--host", "host", request.host, "Address of PostgreSQL, or the directory of its socket", "localhost", key("host"));
  const port = await ofServer("--port", "port", request.port, "Its port", "5432", checkPort);
  const role = await ofServer("--replication-role", "user", request.replicationRole, "Role for Moneta, made if it is missing", "repl", key("user"));
  const slot = request.slot ?? valueOf(document, server, "wal_slot") ?? "moneta";
  const slotProblem = safely(key("wal_slot"))(slot);
  if (slotProblem !== undefined) throw adminErrors.usage(`--slot ${slot}: ${slotProblem}`);
  const administrator = !request.administrator
    ? nobody
    : (request.user ?? (await ask(`Superuser, or a role that may create roles (${nobody} for none)`, "postgres")));
  const places = await settlePlaces(request, local, given);
  const plans = await settlePlans(request, local, given, environment);
  return {
    server,
    host,
    port: Number(port),
    database: request.database ?? "postgres",
    administrator: administrator === nobody ? undefined : administrator,
    role,
    slot,
    tls: tlsOf(request, (name) => valueOf(document, server, name)),
    ...places,
    ...plans,
  };
}

type Given = (option: string, value: string | undefined, question: string, standard: string, check: Check) => Promise<string>;

async function settlePlaces(request: InitRequest, local: LocalState, given: Given): Promise<Pick<Wanted, "repository" | "socketDirectory" | "logFile" | "workspace" | "masterKey">> {
  const { home, masterKey, options } = local;
  if (options !== undefined && resolve(options.masterKeyFile) !== masterKey) {
    throw adminErrors.initConflict(`${local.main} has the master key ${options.masterKeyFile}, not ${masterKey}`, { path: local.main });
  }
  const there = options?.baseDir;
  if (there !== undefined && request.repository !== undefined && resolve(request.repository) !== resolve(there)) {
    throw adminErrors.initConflict(`${local.main} has its repository in ${there} already, and a daemon has one`, { path: local.main });
  }
  const repository = there ?? resolve(await given("--repository", request.repository, "Repository: where backups and WAL go", `${home}/repository`, checkAbsolute));
  return {
    repository,
    masterKey: masterKey === usualMasterKey(home) ? undefined : masterKey,
    workspace: `${home}/workspace`,
    socketDirectory: options?.unixSocketDir ?? local.socketDirectory,
    // The file of a configuration that logs elsewhere needs no directory.
    logFile: options === undefined ? local.logFile : options.logType === "file" ? options.logPath : `${options.baseDir}/moneta.log`,
  };
}

async function settlePlans(
  { schedule, retention }: InitRequest,
  { document }: LocalState,
  given: Given,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Pick<Wanted, "schedule" | "retention">> {
  const key = (name: string): Check => (value) => problemWith("pgmoneta", name, value, environment);
  // Where there is a configuration, what it says of all servers holds for this one too.
  if (document !== undefined && schedule === undefined && retention === undefined) return { schedule, retention };
  return {
    schedule: document !== undefined && schedule === undefined ? undefined : await given("--schedule", schedule, "When backups are taken (cron)", nightly, key("backup")),
    retention: document !== undefined && retention === undefined ? undefined : await given("--retention", retention, "How many days backups are kept", week, key("retention")),
  };
}

function tlsOf({ tlsCa, tlsMode }: InitRequest, there: (key: string) => string | undefined): Wanted["tls"] {
  const caFile = tlsCa === undefined ? there("tls_ca_file") : resolve(tlsCa);
  const certFile = there("tls_cert_file");
  const keyFile = there("tls_key_file");
  const mode = tlsMode ?? (there("tls_mode") as Wanted["tls"]["mode"] | undefined) ?? (caFile === undefined ? "prefer" : "verify-full");
  return {
    mode,
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile }),
  };
}

/** A value that the syntax of the file has no way to write is refused like any other. */
function safely(check: Check): Check {
  return (answer) => {
    try {
      return check(answer);
    } catch (error) {
      return messageOf(error);
    }
  };
}
