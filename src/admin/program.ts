/** The command line of moneta-admin: pgmoneta-admin's options and commands. */
import { readFileSync } from "node:fs";
import { Argument, Command, InvalidArgumentError, Option, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { roles, type Role } from "../auth/index.ts";
import { longestGenerated } from "../vault/index.ts";
import type { AdminCommand } from "./actions.ts";
import type { ConfRequest } from "./conf.ts";
import type { InitRequest } from "./init/request.ts";

/** The options as they were given. */
export interface GivenOptions {
  readonly file?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly generate?: true | undefined;
  readonly length: number;
  readonly format: "text" | "json";
  readonly masterKey?: string | undefined;
  /** `-D`. */
  readonly directory?: string | undefined;
  /** Of `master-key`. */
  readonly rotate?: true | undefined;
  readonly without?: readonly string[] | undefined;
  /** Of `conf`. */
  readonly conf?: ConfRequest | undefined;
  /** Of `init`. */
  readonly init?: InitRequest | undefined;
  /** Of `user add` and `user edit`, and the argument of `user role`. */
  readonly role?: Role | undefined;
  /** Of `user ls`. */
  readonly roles?: true | undefined;
}

function parseLength(text: string): number {
  const length = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (length < 1 || length > longestGenerated)
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${longestGenerated}.`);
  return length;
}

function versionText(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  return `moneta-admin ${version}`;
}

const examples = `
Examples:
  moneta-admin init
  moneta-admin -U postgres init --host db1 --repository /srv/moneta --yes
  moneta-admin master-key
  moneta-admin -g master-key --rotate
  moneta-admin -f /etc/pgmoneta/pgmoneta_users.conf -U repl user add
  moneta-admin -f /etc/pgmoneta/pgmoneta_admins.conf -U admin -g user add
  moneta-admin -f /etc/pgmoneta/pgmoneta_users.conf user ls
  moneta-admin conf set /etc/pgmoneta/pgmoneta.conf primary retention 14
  moneta-admin -f /etc/pgmoneta/pgmoneta_admins.conf -U watch user add --role viewer
  moneta-admin -f /etc/pgmoneta/pgmoneta_admins.conf -U watch user role operator

The password comes from -P, -g, the environment variable PGMONETA_PASSWORD, or a
question.`;

/** The commands that edit a file of the configuration; each has its arguments where pgmoneta-config has them. */
function addConf(program: CommandUnknownOpts, chosen: (request: ConfRequest) => void): void {
  const conf = program
    .command("conf")
    .description("a configuration file, edited without a daemon")
    .helpOption("-?, --help", "show this help")
    .helpCommand(false);
  const help = ["-?, --help", "show this help"] as const;
  conf
    .command("init")
    .description("make a new file by a few questions")
    .helpOption(...help)
    .option("-o, --output <file>", "the file", "./pgmoneta.conf")
    .option("-q, --quiet", "ask nothing: a file to be edited")
    .option("--force", "replace a file that is there")
    .action(({ output, quiet, force }) => chosen({ command: "conf init", output, quiet: quiet === true, force: force === true }));
  conf
    .command("get <file> <section> <key>")
    .description("show a value; a secret is not shown")
    .helpOption(...help)
    .action((file, section, key) => chosen({ command: "conf get", file, section, key }));
  conf
    .command("set <file> <section> <key> <value>")
    .description("set a value; comments and order stay, a section or key that is missing is added")
    .helpOption(...help)
    .action((file, section, key, value) => chosen({ command: "conf set", file, section, key, value }));
  conf
    .command("del <file> <section> [key]")
    .description("remove a key, or a whole section")
    .helpOption(...help)
    .action((file, section, key) => chosen({ command: "conf del", file, section, key }));
  conf
    .command("ls <file> [section]")
    .description("list the sections of a file, or the keys of a section")
    .helpOption(...help)
    .action((file, section) => chosen({ command: "conf ls", file, section }));
}

/** The way from nothing to a proven backup; what is not given is asked for. */
function addInit(program: CommandUnknownOpts, chosen: (request: Omit<InitRequest, "user" | "password" | "directory" | "masterKey">) => void): void {
  program
    .command("init")
    .description("set up Moneta for a PostgreSQL server: role, vault, configuration, daemon, first backup and its proof; a repeat goes on where it ended")
    .helpOption("-?, --help", "show this help")
    .option("--host <host>", "address of PostgreSQL, or the directory of its socket")
    .option("--port <port>", "its port")
    .option("--database <name>", "the database in which SQL is run (default: postgres)")
    .option("--server-name <name>", "name of the server in every command of Moneta")
    .option("--replication-role <name>", "the role for Moneta, made if it is missing")
    .option("--slot <name>", "the replication slot, made if it is missing (default: moneta)")
    .option("--repository <directory>", "where backups and WAL go")
    .option("--schedule <cron>", "when backups are taken by themselves")
    .option("--retention <policy>", "how long they are kept, as in pgmoneta.conf(5)")
    .option("--password-file <file>", "pass file with the password of the superuser (default: ~/.pgpass)")
    .option("--role-password-file <file>", "file with the password of a role that exists already")
    .option("--reset-password", "give a role that exists a new password")
    .option("--no-administrator", "run no statement: print what a superuser has to run")
    .addOption(new Option("--tls-mode <mode>", "TLS to PostgreSQL; without it prefer, with --tls-ca verify-full").choices(["disable", "prefer", "require", "verify-full"] as const))
    .option("--tls-ca <file>", "authority that the server's certificate is checked against")
    .option("-y, --yes", "ask nothing: what is not given has its default, and what is missing is made")
    .option("--no-start", "end when the configuration is written")
    .option("--no-backup", "end when the WAL is streamed")
    .option("--background", "start the daemon with -d, even where a unit of systemd is installed")
    .action((own) => chosen({ ...own, yes: own.yes === true, resetPassword: own.resetPassword === true, background: own.background === true }));
}

/** The parser; `chosen` is called with the one command that the arguments name. */
export function createProgram(chosen: (command: AdminCommand, options: GivenOptions) => void) {
  const program = new Command("moneta-admin")
    .description(
      "Leads from the address of a PostgreSQL server to a proven backup, makes the master key, keeps the files with users and admins, and edits the configuration of Moneta and pgmoneta.",
    )
    .helpOption("-?, --help", "show this help")
    .version(versionText(), "-V, --version", "show the version")
    .option("-f, --file <file>", "the users or admins file")
    .option("-U, --user <name>", "the name of the user; of init the superuser, or - for none")
    .option("-P, --password <text>", "the password (for a moment others see it in the list of processes)")
    .option("-g, --generate", "generate the password")
    .option("-l, --length <number>", "the length of a generated password", parseLength, 64)
    .option("-m, --master-key <file>", "the master key (default: ~/.pgmoneta/master.key)")
    .option("-D, --directory <directory>", "directory of the configuration files, for init and --rotate")
    .addOption(
      new Option("-F, --format <format>", "the form of the output").choices(["text", "json"]).default("text" as const),
    )
    .addHelpText("after", examples)
    .helpCommand(false)
    .showHelpAfterError("(see moneta-admin --help)");
  addInit(program, (own) => {
    const given = program.opts();
    const { user, password, directory, masterKey } = given;
    const nobody = user === "-";
    chosen("init", { ...given, init: { ...own, user: nobody ? undefined : user, administrator: own.administrator && !nobody, password, directory, masterKey } });
  });
  const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];
  program
    .command("master-key")
    .description("create the master key, or replace it with --rotate; without that one that exists is never replaced")
    .helpOption("-?, --help", "show this help")
    .option("--rotate", "replace it by a new one and rewrap every key; backups and WAL stay as they are")
    .option("--without <directory>", "with --rotate: leave out a repository or second copy that cannot be reached", collect)
    .action((own) => chosen("master-key", { ...program.opts(), ...own }));
  const user = program
    .command("user")
    .description("the users of a file")
    .helpOption("-?, --help", "show this help")
    .helpCommand(false);
  addConf(program, (conf) => chosen(conf.command, { ...program.opts(), conf }));
  const add = (name: string, description: string) =>
    user.command(name).description(description).helpOption("-?, --help", "show this help");
  const roleOption = (without: string) =>
    new Option("--role <role>", `what an admin may do in remote management: viewer, operator or admin; without it ${without}`).choices(roles);
  add("add", "add a user; the file is created when it is missing")
    .addOption(roleOption("everything"))
    .action((own) => chosen("user add", { ...program.opts(), ...own }));
  add("edit", "change the password of a user")
    .addOption(roleOption("what it was"))
    .action((own) => chosen("user edit", { ...program.opts(), ...own }));
  add("role", "change what an admin may do in remote management; the password stays")
    .addArgument(new Argument("<role>", "viewer, operator or admin").choices(roles))
    .action((role) => chosen("user role", { ...program.opts(), role }));
  add("del", "remove a user").action(() => chosen("user del", program.opts()));
  add("ls", "list the users")
    .option("--roles", "with their roles, which needs the master key")
    .action((own) => chosen("user ls", { ...program.opts(), ...own }));
  return program;
}
