/** doc/man/moneta-cli.1. */
import { globalOptions } from "../../src/cli/index.ts";
import { commandTable } from "../../src/management/index.ts";
import {
  availableCommands,
  connection,
  generalStatuses,
  laterCommands,
  offline,
  synopsis,
  walGet,
  walPush,
  type DescribedCommand,
} from "./command-content.ts";
import { commandPageNames } from "./command-page.ts";
import { everyCommand, statusesOf } from "./command-notes.ts";
import { roffMarked, roffText } from "./roff.ts";

const paragraphs = (texts: readonly string[]): string[] => texts.flatMap((text) => [".PP", roffMarked(text)]);

const entry = (term: string, text: string): string[] => [".TP", `\\fB${roffText(term)}\\fP`, roffMarked(text)];

function statuses(list: ReturnType<typeof statusesOf>): string[] {
  return [".PP", roffText(`Exit statuses: ${list.map(([exit, codes]) => `${exit} ${codes.join(", ")}`).join("; ")}.`)];
}

function command({ spec, usage, notes, statuses: list }: DescribedCommand): string[] {
  return [
    `.SS ${roffText(usage)}`,
    roffText(`${spec.description}.`),
    ...spec.arguments.flatMap(({ name, description }) => entry(name, `${description}.`)),
    ...spec.flags.flatMap(({ name, value, description }) =>
      entry(`--${name}${value === undefined ? "" : ` <${value}>`}`, `${description}.`),
    ),
    ...paragraphs(notes.text),
    ".PP",
    ".nf",
    ...spec.examples.map((example) => roffText(`  moneta-cli ${example}`)),
    ".fi",
    ...(list.length === 0 ? [] : statuses(list)),
  ];
}

/** The text of the manual page. */
export function cliPage(): string {
  const lines = [
    `.TH MONETA\\-CLI 1 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    "moneta\\-cli \\- asks the Moneta daemon, and works on its repository without it",
    ".SH SYNOPSIS",
    "\\fBmoneta\\-cli\\fP [options] command [arguments]",
    ".SH DESCRIPTION",
    ...paragraphs(synopsis),
    ".SH OPTIONS",
    "They may stand before or behind the command.",
    ...globalOptions().flatMap(({ flags, description }) => entry(flags, `${description}.`)),
    ...entry("-V, --version", "show the version."),
    ...entry("-?, --help", "show the help; behind a command, the help of that command."),
    ".SH CONNECTION",
    ...paragraphs(connection),
    ".SH WITHOUT A DAEMON",
    ...paragraphs(offline),
    ".SH COMMANDS",
    ...availableCommands.flatMap(command),
    ".SH RESTORE_COMMAND",
    ...paragraphs(walGet),
    ".SH ARCHIVE_COMMAND",
    ...paragraphs(walPush),
    ".SH COMMANDS THAT ARE NOT AVAILABLE YET",
    "They are refused with COMMAND_NOT_AVAILABLE, exit status 11.",
    ...laterCommands.flatMap((name) => entry(name, `${commandTable[name].description}.`)),
    ".SH EXIT STATUS",
    ...generalStatuses.flatMap(([status, meaning]) => entry(status, `${meaning}.`)),
    ...statuses(statusesOf(everyCommand)),
    ".SH ENVIRONMENT",
    ...entry("PGMONETA_CONFIG_DIR", "the directory of the configuration files, when `-D` is not given."),
    ...entry("PGMONETA_PASSWORD", "the password for remote management, when `-P` is not given."),
    ...entry("NO_COLOR", "when set, failures are not coloured."),
    ".SH FILES",
    ...entry("~/.pgpass", "passwords for remote management: lines host:port:admin:user:password, mode 0600."),
    ...entry("~/.pgmoneta/root.crt", "the authority that the daemon's certificate is checked against."),
    ...entry("~/.pgmoneta/pgmoneta.crt, ~/.pgmoneta/pgmoneta.key", "certificate and key that are shown to the daemon."),
    ".SH SEE ALSO",
    [...commandPageNames, "moneta", "moneta-admin"].map((name) => `\\fB${roffText(name)}\\fP(1), `).join("") + "\\fBpgmoneta.conf\\fP(5)",
  ];
  return `${lines.join("\n")}\n`;
}
