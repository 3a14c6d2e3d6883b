/** doc/manual/commands.md. */
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
import { examples, type Example } from "./command-examples.ts";
import { everyCommand, statusesOf } from "./command-notes.ts";
import { linked, table } from "./markdown.ts";

const codeList = (codes: readonly string[]): string => codes.map((code) => `\`${code}\``).join(", ");

const paragraphs = (texts: readonly string[]): string[] => texts.flatMap((text) => [linked(text), ""]);

function shown({ line, text, prints, exit = 0 }: Example): string[] {
  const end = exit === 0 ? [] : [`It ends with ${exit}.`, ""];
  return [linked(text), "", "```", `$ moneta-cli ${line}`, ...prints, "```", "", ...end];
}

function section({ name, spec, usage, notes, statuses }: DescribedCommand): string[] {
  const words = [
    ...spec.arguments.map(({ name: word, optional, description }) => [
      optional === true ? `\`[${word}]\`` : `\`<${word}>\``,
      description,
    ]),
    ...spec.flags.map(({ name: flag, value, description }) => [
      `\`--${flag}${value === undefined ? "" : ` <${value}>`}\``,
      description,
    ]),
  ];
  return [
    `## ${name}`,
    "",
    `${spec.description}.`,
    "",
    "```",
    `moneta-cli ${usage}`,
    "```",
    "",
    ...(words.length === 0 ? [] : [...table(["Argument", ""], words), ""]),
    ...paragraphs(notes.text),
    ...examples.filter(({ command }) => command === name).flatMap(shown),
    ...(statuses.length === 0
      ? []
      : [
          ...table(
            ["Exit", "Errors"],
            statuses.map(([exit, codes]) => [String(exit), codeList(codes)]),
          ),
          "",
        ]),
  ];
}

/** The text of the chapter. */
export function commandsChapter(): string {
  const lines = [
    "# Commands",
    "",
    "This chapter is made from the table of commands by `npm run generate:documents`.",
    "",
    ...paragraphs(synopsis),
    "## Options",
    "",
    "They may stand before or behind the command. `moneta-cli <command> --help` has the short form of this chapter.",
    "",
    ...table(
      ["Option", ""],
      globalOptions().map(({ flags, description }) => [`\`${flags}\``, description]),
    ),
    "",
    ...paragraphs(connection),
    "## Without a daemon",
    "",
    ...paragraphs(offline),
    "## Exit statuses",
    "",
    ...table(
      ["Exit", "Meaning"],
      generalStatuses.map(([status, meaning]) => [status, linked(meaning)]),
    ),
    "",
    "With any command that asks the daemon these can happen; what each command adds stands with it. [ERRORS.md](../ERRORS.md)",
    "says what to do about each.",
    "",
    ...table(
      ["Exit", "Errors"],
      statusesOf(everyCommand).map(([exit, codes]) => [String(exit), codeList(codes)]),
    ),
    "",
    ...availableCommands.flatMap(section),
    "## wal-get",
    "",
    ...paragraphs(walGet),
    "## wal-push",
    "",
    ...paragraphs(walPush),
    "## Not available yet",
    "",
    "These are known and refused with `COMMAND_NOT_AVAILABLE` (exit status 11); nothing is done.",
    "",
    ...laterCommands.map((name) => `- \`${name}\`: ${commandTable[name].description}.`),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}
