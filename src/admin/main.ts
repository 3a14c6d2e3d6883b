/** moneta-admin: the process. */
import { homedir } from "node:os";
import { CommanderError } from "@commander-js/extra-typings";
import { createPrompt, hideSecretArguments, keepMemoryOutOfCoreDumps, toMonetaError, type Prompt } from "../common/index.ts";
import { runAction, type ActionOptions, type ActionResult, type AdminCommand, type VaultCommand } from "./actions.ts";
import { adminErrors } from "./errors.ts";
import { createProgram, type GivenOptions } from "./program.ts";
import { failureDocument, failureText, successDocument, successText } from "./report.ts";

const isOfVault = (command: AdminCommand): command is VaultCommand => command !== "init" && !command.startsWith("conf ");

/** What brings the configuration and the repository with it is loaded when it is asked for. */
async function run(command: AdminCommand, given: GivenOptions, options: ActionOptions, prompt: Prompt): Promise<ActionResult> {
  if (given.conf !== undefined) {
    const { runConf } = await import("./conf.ts");
    return runConf(given.conf, { prompt, environment: process.env });
  }
  if (given.init !== undefined) {
    const { init } = await import("./run-init.ts");
    // The narrative is for people; where the result is a document, that stands alone on standard output.
    const output = given.format === "json" ? process.stderr : process.stdout;
    const interactive = process.stdin.isTTY && process.stderr.isTTY && !given.init.yes;
    return init(given.init, { prompt, environment: process.env, output, signals: process, interactive });
  }
  if (!isOfVault(command)) throw adminErrors.usage(`${command} needs its arguments`);
  if (command !== "master-key" || given.rotate !== true) {
    if (given.without !== undefined) throw adminErrors.usage("--without belongs to master-key --rotate");
    return runAction(command, options, prompt);
  }
  const { rotateMasterKey } = await import("./rotate.ts");
  const { directory, masterKey, without } = given;
  return rotateMasterKey({ ...options, directory, without: without ?? [], masterKeyNamed: masterKey, environment: process.env, now: Date.now }, prompt);
}

/** Runs the command that was chosen; the exit status. */
async function execute(command: AdminCommand, given: GivenOptions): Promise<number> {
  const startedAt = Date.now();
  const occasion = (): { command: AdminCommand; startedAt: number; elapsedMs: number } => ({
    command,
    startedAt,
    elapsedMs: Date.now() - startedAt,
  });
  const json = given.format === "json";
  const prompt = createPrompt({ input: process.stdin, output: process.stderr }, adminErrors);
  try {
    // A configuration file that a package has installed belongs to root, and keeps its owner.
    if (process.getuid?.() === 0 && given.conf === undefined) throw adminErrors.root("moneta-admin does not run as root");
    const options = {
      file: given.file,
      user: given.user,
      password: given.password,
      generate: given.generate === true,
      length: given.length,
      fromEnvironment: process.env["PGMONETA_PASSWORD"],
      role: given.role,
      showRoles: given.roles,
      masterKeyFile: given.masterKey ?? `${homedir()}/.pgmoneta/master.key`,
    };
    const result = await run(command, given, options, prompt);
    process.stdout.write(json ? `${successDocument(occasion(), result)}\n` : successText(result));
    return 0;
  } catch (error) {
    if (json) process.stdout.write(`${failureDocument(occasion(), error)}\n`);
    else process.stderr.write(failureText(error, process.stderr.isTTY ? 80 : undefined));
    return toMonetaError(error).exit;
  } finally {
    prompt.close();
  }
}

/** Parses the arguments; help and version end with 0, a command line that is wrong with 1, as in pgmoneta-admin. */
async function main(): Promise<number> {
  let choice: { readonly command: AdminCommand; readonly options: GivenOptions } | undefined;
  const program = createProgram((command, options) => {
    choice = { command, options };
  });
  for (const command of [program, ...program.commands, ...program.commands.flatMap((each) => each.commands)])
    command.exitOverride();
  try {
    program.parse(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  return choice === undefined ? 1 : execute(choice.command, choice.options);
}

// Whatever the surroundings say: what is written here is nobody else's business.
process.umask(0o077);
keepMemoryOutOfCoreDumps();
hideSecretArguments("moneta-admin", process.argv.slice(2), (title) => (process.title = title));
// Until it has said how it ended, it has not succeeded: also when nothing is left to wait for.
process.exitCode = 1;
// A program is built as a script, which cannot wait by itself; what is thrown is an uncaught exception.
void main().then((status) => {
  process.exitCode = status;
});
