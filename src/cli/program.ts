/** The command line as commander understands it, made from the command table. */
import { Command, CommanderError, Option } from "commander";
import { commandNames, commandTable } from "../management/index.ts";
import type { CommandName, CommandSpec } from "../management/index.ts";
import { cliErrors } from "./errors.ts";
import { bindInvocation, usageOf } from "./invocation.ts";
import type { GlobalOptions, Invocation } from "./invocation.ts";
import { wrap } from "./table.ts";
import type { WalGetArguments } from "./wal-get.ts";
import { walPushCommand, type WalPushArguments } from "./wal-push.ts";

/** What the words of the command line ask for. */
export type Choice =
  | { readonly kind: "command"; readonly invocation: Invocation }
  | { readonly kind: "wal-get"; readonly request: WalGetArguments }
  | { readonly kind: "wal-push"; readonly request: WalPushArguments }
  | { readonly kind: "complete"; readonly words: readonly string[]; readonly options: GlobalOptions }
  /** Help or version was printed, or a mistake was explained. */
  | { readonly kind: "end"; readonly status: number };

export interface ProgramOutput {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly columns: number;
}

const examples = (spec: CommandSpec): string =>
  spec.examples.length === 0 ? "" : `\n\nExamples:\n${spec.examples.map((line) => `  moneta-cli ${line}`).join("\n")}`;

const argumentHelp = (spec: CommandSpec): string => {
  if (spec.arguments.length === 0) return "";
  const lines = spec.arguments.flatMap(({ name, description }) =>
    wrap(description, 78, `  ${name.padEnd(12)}`, " ".repeat(14)),
  );
  return `\nArguments:\n${lines.join("\n")}`;
};

const epilogue = `
\`moneta-cli <command> --help\` explains the arguments of a command.

Configuration: the file of -c, else pgmoneta_cli.conf in the directory of -D or
PGMONETA_CONFIG_DIR, else /etc/pgmoneta/pgmoneta_cli.conf. Without one messages
are compressed (zstd) and, when there is a master key, encrypted (aes256), and
unix_socket_dir is taken from pgmoneta.conf. With host and port, here or there,
remote management is asked: the password comes from -P, PGMONETA_PASSWORD, the
pass file, or a question.

Exit status: 0 done; 2 wrong use; 3 daemon not reachable or lost, so that the
outcome is unknown; 4 protocol or key; 5 no such server or job; 6 not in this
state; 11 not available yet; 20 cancelled; 30 no space; 40 no such backup;
15 not allowed, or login refused; 130 interrupted. Any other: failed;
doc/ERRORS.md has the number of each error.`;

/** What commands of two words have in common, for the list of commands. */
const groups: Readonly<Record<string, string>> = {
  key: "Data keys: key rotate <server>",
  notify: "Notifications: notify test",
  conf: "Configuration: conf reload, ls, get and set",
  clear: "Counters: clear prometheus",
};

/** What stands for a command in the list of commands; its own help has the arguments. */
const termOf = (command: Command): string => (command.name() === "status" ? "status [details]" : command.name());

function addGlobalOptions(program: Command): void {
  program
    .option("-c, --config <file>", "configuration file of moneta-cli; /dev/null for none")
    .option("-D, --directory <directory>", "directory of the configuration files")
    .option("-h, --host <host>", "host of remote management")
    .option("-p, --port <port>", "port of remote management")
    .option("-U, --user <name>", "name for remote management; asked for without it")
    .option("-P, --password <text>", "its password (for a moment others see it in the list of processes)")
    .option("--password-file <file>", "pass file with its password, as ~/.pgpass")
    .option("--tls-mode <mode>", "remote management: disable, prefer, require or verify-full")
    .option("--tls-ca <file>", "authority that the daemon's certificate is checked against")
    .option("--tls-cert <file>", "certificate that is shown to the daemon")
    .option("--tls-key <file>", "private key of that certificate")
    .option("-L, --logfile <file>", "write a log to this file")
    .option("-v, --verbose", "say how it ended, with the error number")
    .option("-F, --format <format>", "text, json (translated) or raw")
    .option("-C, --compress <method>", "compression of the messages: none, gz, zstd, lz4, bz2")
    .option("-E, --encrypt <mode>", "encryption of the messages: none, aes, aes256, aes192, aes128")
    .option("-s, --sort <order>", "list-backup: asc or desc")
    .option("--cascade", "retain, expunge: also for the parents")
    .option("--force", "delete: also when the backup is retained")
    .option("--follow", "jobs, progress: show how far it is, until it ends")
    .option("--offline", "work without a daemon: list-backup, info, restore, archive, verify, diagnose");
}

/** The options of every command, for the documents. */
export function globalOptions(): readonly { readonly flags: string; readonly description: string }[] {
  const program = new Command();
  addGlobalOptions(program);
  return program.options;
}

function addCommand(
  parent: Command,
  word: string,
  name: CommandName,
  choose: (choice: Choice) => void,
  root: Command,
): Command {
  const spec = commandTable[name];
  const usage = usageOf(spec).split(" ").slice(spec.name.split(" ").length).join(" ");
  const command = parent
    .command(word, { hidden: !spec.available })
    .description(spec.available ? spec.description : `${spec.description} (not available yet)`)
    .usage(`[options] ${usage}`)
    .argument("[arguments...]")
    // As a function: the text is broken into lines only for whoever asks for help.
    .addHelpText("after", () => argumentHelp(spec) + examples(spec))
    .helpOption("-?, --help", "show this help");
  for (const flag of spec.flags) {
    // Those that pgmoneta has may stand anywhere and belong to the program.
    if (["sort", "cascade", "force"].includes(flag.name)) continue;
    const option = new Option(`--${flag.name}${flag.value === undefined ? "" : ` <${flag.value}>`}`, flag.description);
    const more = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
    command.addOption(flag.form === "places" ? option.argParser<string[] | undefined>(more) : option);
  }
  command.action((values: string[]) => {
    const options = { ...root.opts<GlobalOptions>(), ...command.opts<Record<string, unknown>>() };
    choose({ kind: "command", invocation: bindInvocation(name, values, options) });
  });
  // The arguments are explained from the table; commander knows only that there are some.
  command.configureHelp({ visibleArguments: () => [] });
  return command;
}

function addWalGet(program: Command, choose: (choice: Choice) => void): void {
  program
    .command("wal-get", { hidden: true })
    .description("restore_command of a restored server: fetches one file of WAL from the repository")
    .argument("<server>")
    .argument("<file>")
    .argument("<destination>")
    .option("--plan <file>", "what the restore wrote down")
    .action((server: string, file: string, destination: string, options: { plan?: string }) => {
      choose({ kind: "wal-get", request: { server, file, destination, plan: options.plan } });
    });
}

function addWalPush(program: Command, choose: (choice: Choice) => void): void {
  program
    .command(walPushCommand)
    .description("archive_command: take one file of pg_wal into the repository")
    .usage("[options] [server] <file>")
    .argument("[arguments...]")
    .option("--stdin", "the content comes from standard input, and the name is %f")
    .configureHelp({ visibleArguments: () => [] })
    .addHelpText(
      "after",
      `
Arguments:
  server      name of a server section; may be left out where there is one only
  file        path of the file, %p; with --stdin its name, %f

Examples:
  archive_command = 'moneta-cli wal-push primary %p'
  archive_command = 'ssh moneta@backup moneta-cli wal-push --stdin primary %f < %p'

Needs no daemon. Exit status 0 only when the file is durable in the repository.`,
    )
    .helpOption("-?, --help", "show this help")
    .action((words: string[], options: { stdin?: boolean }) => {
      const [file, server, ...more] = [...words].reverse();
      if (file === undefined || more.length > 0) throw cliErrors.usage("wrong number of arguments: wal-push [server] <file>");
      const { directory, verbose } = program.opts<GlobalOptions>();
      choose({
        kind: "wal-push",
        request: { directory, server, file, stdin: options.stdin === true, verbose: verbose === true },
      });
    });
}

function addComplete(program: Command, choose: (choice: Choice) => void): void {
  program
    .command("complete", { hidden: true })
    .description("words for the completion of shells: servers, or backups of a server")
    .argument("[words...]")
    .action((words: string[]) => choose({ kind: "complete", words, options: program.opts<GlobalOptions>() }));
}

/** Describing all commands takes longer than asking the daemon: without a call for help only those that are named count. */
function namesToKnow(words: readonly string[]): readonly CommandName[] {
  const named = commandNames.filter((name) => words.includes(name.split(" ", 1)[0] ?? name));
  const all = named.length === 0 || words.some((word) => word === "-?" || word === "--help");
  return all ? commandNames : named;
}

/**
 * Understands the words after the name of the program. Throws `COMMAND_LINE_INVALID`; what commander itself finds
 * wrong has been explained on standard error when this returns.
 */
export function parseCommandLine(words: readonly string[], version: string, output: ProgramOutput): Choice {
  let choice: Choice | undefined;
  const choose = (made: Choice): void => {
    choice = made;
  };
  const program = new Command("moneta-cli")
    .description("Talks to the Moneta daemon, here or by remote management, and works on its repository without it.")
    .version(`moneta-cli ${version}`, "-V, --version", "show the version")
    .helpOption("-?, --help", "show this help")
    .helpCommand(false)
    .addHelpText("after", epilogue)
    .configureOutput({
      writeOut: output.stdout,
      writeErr: output.stderr,
      getOutHelpWidth: () => output.columns,
      getErrHelpWidth: () => output.columns,
    })
    .configureHelp({ subcommandTerm: termOf })
    .exitOverride();
  addGlobalOptions(program);
  for (const name of namesToKnow(words)) {
    const [first = name, second] = name.split(" ");
    if (second === undefined) addCommand(program, first, name, choose, program);
    else {
      const group =
        program.commands.find((command) => command.name() === first) ??
        program
          .command(first, { hidden: !commandTable[name].available })
          .description(groups[first] ?? "")
          .helpOption("-?, --help", "show this help")
          .helpCommand(false);
      addCommand(group, second, name, choose, program);
    }
  }
  addWalGet(program, choose);
  addWalPush(program, choose);
  addComplete(program, choose);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((each) => each.commands)]) {
    command.exitOverride().configureOutput(program.configureOutput());
  }
  try {
    program.parse([...words], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help that was asked for ends with 0; everything else that commander ends has explained a mistake.
    return { kind: "end", status: error.exitCode === 0 ? 0 : 2 };
  }
  return choice ?? { kind: "end", status: 2 };
}
