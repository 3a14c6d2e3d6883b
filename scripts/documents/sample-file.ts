/** etc/pgmoneta.conf: every key with its description, all but the required ones commented out. */
import { mainGroups, serverTable, type AnyOption, type OptionTable } from "../../src/config/index.ts";
import { defaultText, remarks } from "./option-facts.ts";

/** Values that make the sample a configuration that works after little change. */
const values: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  pgmoneta: { host: "localhost", unix_socket_dir: "/run/pgmoneta", base_dir: "/var/lib/pgmoneta" },
  primary: { host: "localhost", port: "5432", user: "repl", wal_slot: "moneta" },
};

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function comment(text: string): string[] {
  return wrapped(text, 90).map((line) => `# ${line}`);
}

/** The line to uncomment: with the value if one can be written there. */
function assignment(section: string, key: string, option: AnyOption): string {
  const value = values[section]?.[key];
  if (value !== undefined) return `${key} = ${value}`;
  return option.presence.is === "default" ? `#${key} = ${option.kind.format(option.presence.value)}` : `#${key} =`;
}

function keys(section: string, options: OptionTable): string[] {
  return Object.entries(options).flatMap(([key, option]) => {
    const shown =
      option.presence.is === "default" || option.presence.is === "required" ? "" : ` Default: ${defaultText(option)}.`;
    return [
      ...comment([`${option.description}${shown}`, ...remarks(option)].join(" ")),
      assignment(section, key, option),
      "",
    ];
  });
}

/** The text of the sample file. */
export function sampleFile(): string {
  const lines = [
    ...comment("Configuration of Moneta. This file is made from the table of keys: npm run generate:documents."),
    ...comment("Keys that are commented out have the value that is shown. The manual is pgmoneta.conf(5)."),
    "",
    "[pgmoneta]",
    "",
    ...mainGroups.flatMap(({ title, options }) => [`# ---- ${title} ----`, "", ...keys("pgmoneta", options)]),
    ...comment("One section for each PostgreSQL server. Its name is the name of the server in every command."),
    "[primary]",
    "",
    ...keys("primary", serverTable),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}
