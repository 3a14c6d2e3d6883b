/** etc/completion/moneta-cli.fish. */
import { commands, connectionOptions, firstWords, groups, options, type CompletedOption, type Place } from "./completion-words.ts";

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** Options of `complete` for what follows an option. */
function valueOf(value: Place | undefined): string {
  if (value === undefined) return "";
  if (value.is === "words") return ` -x -a ${quoted(value.words.join(" "))}`;
  if (value.is === "files") return " -r -F";
  return value.is === "directories" ? ` -x -a '(__fish_complete_directories)'` : " -x";
}

function optionLine({ names, description, value }: CompletedOption, condition = ""): string {
  const flags = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${quoted(name.slice(1))}`)).join(" ");
  return `complete -c moneta-cli${condition} ${flags}${valueOf(value)} -d ${quoted(description)}`;
}

const call: Readonly<Record<Exclude<Place["is"], "words">, string>> = {
  servers: "__moneta_cli_ask servers",
  backups: "printf '%s\\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]",
  directories: "__fish_complete_directories (commandline -ct)",
  files: "__fish_complete_path (commandline -ct)",
  nothing: "true",
};
const fill = (place: Place): string => (place.is === "words" ? `printf '%s\\n' ${place.words.map(quoted).join(" ")}` : call[place.is]);

const taking = (list: readonly CompletedOption[]): string[] => list.filter(({ value }) => value !== undefined).flatMap(({ names }) => names);

/** The text of the script. */
export function fishCompletion(): string {
  const valued = [...new Set([...taking(options), ...taking(commands.flatMap((command) => command.options))])];
  const described = (entries: readonly { readonly word: string; readonly description: string }[]): string =>
    `printf '%s\\t%s\\n' ${entries.flatMap(({ word, description }) => [quoted(word), quoted(description)]).join(" ")}`;
  const lines = [
    "# Completion of moneta-cli for fish, made by `npm run generate:documents`.",
    "# Install it as moneta-cli.fish in a completions directory, such as ~/.config/fish/completions.",
    "",
    "# The words of the line that are no options and no values of options, after the name of the program.",
    "function __moneta_cli_given",
    "    set -l skip 0",
    "    for word in (commandline -opc)[2..-1]",
    "        if test $skip -eq 1",
    "            set skip 0",
    "            continue",
    "        end",
    "        switch $word",
    `            case ${valued.map(quoted).join(" ")}`,
    "                set skip 1",
    "            case '-*'",
    "            case '*'",
    "                echo $word",
    "        end",
    "    end",
    "end",
    "",
    "# The daemon that the line names is asked, and nobody is asked for a password.",
    "function __moneta_cli_ask",
    "    set -l all (commandline -opc)",
    "    set -l connection",
    "    for at in (seq 2 (count $all))",
    "        switch $all[$at]",
    `            case -c -D -h -p -U ${connectionOptions.join(" ")}`,
    "                set -a connection $all[$at] $all[(math $at + 1)]",
    `            case ${connectionOptions.map((name) => quoted(`${name}=*`)).join(" ")}`,
    "                set -a connection $all[$at]",
    "        end",
    "    end",
    "    $all[1] $connection complete $argv </dev/null 2>/dev/null",
    "end",
    "",
    "# True when the line is that of the command.",
    "function __moneta_cli_is",
    "    set -l given (__moneta_cli_given)",
    "    set -l last (count $argv)",
    `    test (count $given) -ge $last; and test "$given[1..$last]" = "$argv"`,
    "end",
    "",
    "function __moneta_cli_place",
    "    set -l given (__moneta_cli_given)",
    "    if test (count $given) -eq 0",
    `        ${described(firstWords)}`,
    "        return",
    "    end",
    ...[...groups].flatMap(([first, members]) => [
      `    if test (count $given) -eq 1; and test $given[1] = ${first}`,
      `        ${described(members.map(({ words, description }) => ({ word: words[1] ?? "", description })))}`,
      "    end",
    ]),
    "    set -l depth 1",
    `    test (count $given) -gt 1; and contains -- "$given[1] $given[2]" ${commands.filter(({ words }) => words.length > 1).map(({ words }) => quoted(words.join(" "))).join(" ")}; and set depth 2`,
    `    switch "$given[1..$depth] "(math (count $given) - $depth)`,
    ...commands.flatMap(({ words, arguments: places }) =>
      places.flatMap((place, index) => (place.is === "nothing" ? [] : [`        case ${quoted(`${words.join(" ")} ${index}`)}`, `            ${fill(place)}`])),
    ),
    "    end",
    "end",
    "",
    "complete -c moneta-cli -f",
    "complete -c moneta-cli -a '(__moneta_cli_place)'",
    ...options.map((option) => optionLine(option)),
    ...commands.flatMap(({ words, options: own }) => own.map((option) => optionLine(option, ` -n '__moneta_cli_is ${words.join(" ")}'`))),
  ];
  return `${lines.join("\n")}\n`;
}
