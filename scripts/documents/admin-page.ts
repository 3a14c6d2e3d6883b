/** doc/man/moneta-admin.1, from the parser of the command line. */
import { createProgram } from "../../src/admin/index.ts";
import { roffMarked, roffText } from "./roff.ts";

function entry(flags: string, description: string): string[] {
  return [".TP", `\\fB${roffText(flags)}\\fP`, roffText(`${description}.`)];
}

/** As the parser has them: `<file>`, `[key]`. */
const argumentsOf = (command: { readonly registeredArguments: readonly { name(): string; readonly required: boolean }[] }): string[] =>
  command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`));

/** The text of the manual page. */
export function adminPage(): string {
  const program = createProgram(() => undefined);
  // What `init` takes has a page of its own.
  const commands = program.commands.filter((command) => command.name() !== "init").flatMap((command) =>
    command.commands.length === 0
      ? [{ name: command.name(), command }]
      : command.commands.map((inner) => ({ name: [command.name(), inner.name(), ...argumentsOf(inner)].join(" "), command: inner })),
  );
  const lines = [
    `.TH MONETA\\-ADMIN 1 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    "moneta\\-admin \\- first steps, master key, users and configuration files of Moneta",
    ".SH SYNOPSIS",
    "\\fBmoneta\\-admin\\fP [options] \\fBinit\\fP [\\fB\\-\\-host\\fP host] [\\fB\\-\\-repository\\fP directory] [\\fB\\-\\-yes\\fP] ...",
    ".br",
    "\\fBmoneta\\-admin\\fP [options] \\fBmaster\\-key\\fP [\\fB\\-\\-rotate\\fP [\\fB\\-\\-without\\fP directory]...]",
    ".br",
    "\\fBmoneta\\-admin\\fP [options] \\fB\\-f\\fP file \\fBuser\\fP add|edit|role|del|ls",
    ".br",
    "\\fBmoneta\\-admin\\fP [options] \\fBconf\\fP init|get|set|del|ls [file] [section] [key] [value]",
    ".SH DESCRIPTION",
    roffText(program.description()),
    ".SH COMMANDS",
    ...entry("init", `${program.commands.find((command) => command.name() === "init")?.description() ?? ""}: see moneta-admin-init(1)`),
    ...commands.flatMap(({ command, name }) => [
      ...entry(name, command.description()),
      ...command.options.flatMap((option) => entry(`${name} ${option.flags}`, option.description)),
    ]),
    ".SH OPTIONS",
    ...program.options.flatMap((option) => entry(option.flags, option.description)),
    ...entry("-?, --help", "show the help"),
    ".SH ENVIRONMENT",
    ...entry(
      "PGMONETA_PASSWORD",
      "the password, when neither -P nor -g is given; without it the password is asked for, twice; for init that of the superuser",
    ),
    ...entry("PGMONETA_CONFIG_DIR", "the directory of the configuration files, when -D is not given"),
    ".SH FILES",
    ...entry("~/.pgmoneta/master.key", "the master key, mode 0600 in a directory of mode 0700"),
    ...entry("/etc/pgmoneta/pgmoneta_users.conf", "passwords of PostgreSQL logins, mode 0600"),
    ...entry("/etc/pgmoneta/pgmoneta_admins.conf", "passwords of remote management, mode 0600"),
    ".SH EXIT STATUS",
    "0 when the command was carried out; otherwise not, and then nothing was changed, but for a rotation or an init that was cut off: what there is by then is said, all of it can be used, and a repeat of the command completes it. doc/ERRORS.md and moneta\\-errors(7) have the number of each error.",
    ".SH NOTES",
    roffMarked("The files can be exchanged with those of pgmoneta-admin, but for lines of viewers and operators: pgmoneta, where every admin may do everything, does not let them log in. `moneta-admin` refuses to run as root, but for `conf`, which keeps the owner of a file."),
    ".PP",
    roffMarked("`conf` is what pgmoneta-config is. A value is checked as the daemon would check it, an unknown key is refused, and what is still missing in the file is told. The file is replaced in one step; its comments, order, mode and owner stay. `conf get` does not show secrets."),
    ".SH SEE ALSO",
    "\\fBmoneta\\-admin\\-init\\fP(1), \\fBmoneta\\fP(1), \\fBmoneta\\-cli\\fP(1), \\fBpgmoneta.conf\\fP(5), \\fBmoneta\\-errors\\fP(7)",
  ];
  return `${lines.join("\n")}\n`;
}
