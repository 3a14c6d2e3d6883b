/** doc/man/moneta-cli-<command>.1: a page for each command that can be used. */
import { generalStatuses, availableCommands, walPush, walPushExamples, type DescribedCommand } from "./command-content.ts";
import { examples, type Example } from "./command-examples.ts";
import { everyCommand, statusesOf } from "./command-notes.ts";
import { roffMarked, roffText } from "./roff.ts";

/** `moneta-cli-status-details`. */
const pageName = (command: string): string => `moneta-cli-${command.replaceAll(" ", "-")}`;

const paragraphs = (texts: readonly string[]): string[] => texts.flatMap((text) => [".PP", roffMarked(text)]);

const entry = (term: string, text: string): string[] => [".TP", `\\fB${roffText(term)}\\fP`, roffMarked(text)];

function shown({ line, text, prints, exit = 0 }: Example): string[] {
  return [
    ".PP",
    roffMarked(text),
    ".PP",
    ".RS 4",
    ".nf",
    `\\fB$ ${roffText(`moneta-cli ${line}`)}\\fP`,
    ...prints.map((printed) => (printed === "" ? "" : `\\&${roffText(printed)}`)),
    ".fi",
    ".RE",
    ...(exit === 0 ? [] : [".PP", `It ends with ${exit}.`]),
  ];
}

function exitStatus({ statuses }: DescribedCommand): string[] {
  const merged = new Map<number, string[]>();
  for (const [exit, codes] of [...statusesOf(everyCommand), ...statuses])
    merged.set(exit, [...(merged.get(exit) ?? []), ...codes]);
  const meanings = new Map(generalStatuses.map(([status, meaning]) => [status, meaning]));
  return [
    ...entry("0", "done."),
    ...[...merged]
      .toSorted(([one], [other]) => one - other)
      .flatMap(([exit, codes]) => {
        const meaning = meanings.get(String(exit));
        return entry(String(exit), `${meaning === undefined ? "" : `${meaning}: `}${[...new Set(codes)].join(", ")}.`);
      }),
  ];
}

function page(command: DescribedCommand): string {
  const { name, spec, usage, notes } = command;
  const own = examples.filter((example) => example.command === name);
  const offline = spec.examples.length > 0 && notes.text.some((text) => text.includes("`--offline`"));
  const lines = [
    `.TH ${roffText(pageName(name).toUpperCase())} 1 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    `${roffText(pageName(name))} \\- ${roffText(spec.description.charAt(0).toLowerCase() + spec.description.slice(1))}`,
    ".SH SYNOPSIS",
    `\\fBmoneta\\-cli\\fP [options] ${roffText(usage)}`,
    ".SH DESCRIPTION",
    roffText(`${spec.description}.`),
    ...paragraphs(notes.text),
    ...(spec.arguments.length === 0 ? [] : [".SH ARGUMENTS"]),
    ...spec.arguments.flatMap(({ name: argument, description, optional }) =>
      entry(argument, `${description}${optional === true ? "; may be left out" : ""}.`),
    ),
    ".SH OPTIONS",
    ...spec.flags.flatMap(({ name: flag, value, description }) =>
      entry(`--${flag}${value === undefined ? "" : ` <${value}>`}`, `${description}.`),
    ),
    ...(offline ? entry("--offline", "work without a daemon.") : []),
    ".PP",
    "Those of every command are in \\fBmoneta\\-cli\\fP(1).",
    ".SH EXAMPLES",
    ...own.flatMap(shown),
    ".SH EXIT STATUS",
    ...exitStatus(command),
    ".PP",
    "doc/ERRORS.md says what to do about each.",
    ".SH SEE ALSO",
    "\\fBmoneta\\-cli\\fP(1), \\fBmoneta\\fP(1), \\fBpgmoneta.conf\\fP(5)",
  ];
  return `${lines.join("\n")}\n`;
}

/** PostgreSQL calls it, not people, and no daemon answers it: it is not in the table of commands. */
function walPushPage(): string {
  const lines = [
    `.TH ${roffText(pageName("wal-push").toUpperCase())} 1 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    `${roffText(pageName("wal-push"))} \\- takes a file of pg_wal into the repository: an archive_command`,
    ".SH SYNOPSIS",
    "\\fBmoneta\\-cli\\fP wal\\-push [-D directory] [--stdin] [server] file",
    ".SH DESCRIPTION",
    ...walPush.map(roffMarked).flatMap((text, index) => (index === 0 ? [text] : [".PP", text])),
    ".SH EXAMPLES",
    ...walPushExamples.flatMap(({ text, line }) => [".PP", roffMarked(text), ".PP", ".RS 4", ".nf", `\\&${roffText(line)}`, ".fi", ".RE"]),
    ".SH EXIT STATUS",
    ...entry("0", "the file is durable in the repository, or was before with the same content."),
    ...entry("71", "another content is stored under its name: WAL_SEGMENT_CONFLICT."),
    ...entry("1 to 125", "anything else; PostgreSQL keeps the file and tries again."),
    ".PP",
    "doc/ERRORS.md says what to do about each.",
    ".SH SEE ALSO",
    "\\fBmoneta\\-cli\\fP(1), \\fBmoneta\\fP(1), \\fBpgmoneta.conf\\fP(5)",
  ];
  return `${lines.join("\n")}\n`;
}

/** The pages by their path from the root of the project. */
export const commandPages: Readonly<Record<string, () => string>> = {
  ...Object.fromEntries(availableCommands.map((command) => [`doc/man/${pageName(command.name)}.1`, () => page(command)])),
  [`doc/man/${pageName("wal-push")}.1`]: walPushPage,
};

/** What moneta-cli(1) refers to. */
export const commandPageNames: readonly string[] = [...availableCommands.map(({ name }) => pageName(name)), pageName("wal-push")];
