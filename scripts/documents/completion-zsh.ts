/** etc/completion/_moneta-cli, for zsh. */
import { commands, connectionOptions, firstWords, groups, options, type CompletedCommand, type CompletedOption, type Place } from "./completion-words.ts";

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** Within a specification of _arguments colons and brackets have a meaning. */
const plain = (text: string): string => text.replaceAll(/[[\]:\\]/g, (sign) => `\\${sign}`);

function action(place: Place): string {
  switch (place.is) {
    case "words":
      return `(${place.words.join(" ")})`;
    case "servers":
      return "_moneta_cli_servers";
    case "backups":
      return "_moneta_cli_backups";
    case "directories":
      return "_directories";
    case "files":
      return "_files";
    case "nothing":
      return " ";
  }
}

function optionSpec({ names, description, value }: CompletedOption): string {
  const other = `(${names.join(" ")})`;
  return names
    .map((name) => {
      const long = name.startsWith("--");
      const takes = value === undefined ? "" : long ? "=" : "+";
      return quoted(`${names.length > 1 ? other : ""}${name}${takes}[${plain(description)}]${value === undefined ? "" : `:${plain(name.replace(/^-+/, ""))}:${action(value)}`}`);
    })
    .join(" ");
}

/** What completes one place of a command, as code. */
function placeCode(place: Place): string {
  if (place.is === "words") return `compadd -- ${place.words.map(quoted).join(" ")}`;
  return place.is === "nothing" ? "_message 'no completion'" : action(place);
}

const ownOptions = ({ words, options: own }: CompletedCommand): string[] =>
  own.length === 0 ? [] : [`    ${words[0] ?? ""}) own+=(${own.map(optionSpec).join(" ")}) ;;`];

const placeBranches = ({ words, arguments: places }: CompletedCommand): string[] =>
  places.map((place, index) => `    ${quoted(`${words.join(" ")}:${index + 1}`)}) ${placeCode(place)} ;;`);

const list = (name: string, entries: readonly { readonly word: string; readonly description: string }[]): string[] => [
  `  local -a ${name}=(`,
  ...entries.map(({ word, description }) => `    ${quoted(`${plain(word)}:${description}`)}`),
  "  )",
];

/** The text of the function. */
export function zshCompletion(): string {
  const lines = [
    "#compdef moneta-cli",
    "# Completion of moneta-cli for zsh, made by `npm run generate:documents`.",
    "# Install it as a file of this name in a directory of $fpath.",
    "",
    "# The daemon that the line names is asked, and nobody is asked for a password.",
    "_moneta_cli_ask() {",
    "  local -a connection found",
    "  local at",
    "  for ((at = 2; at < ${#whole}; at++)); do",
    "    case ${whole[at]} in",
    `      ${connectionOptions.join("|")}|-c|-D|-h|-p|-U) connection+=("\${whole[at]}" "\${whole[at+1]}") ;;`,
    `      ${connectionOptions.map((name) => `${name}=*`).join("|")}) connection+=("\${whole[at]}") ;;`,
    "    esac",
    "  done",
    `  found=(\${(f)"$("\${whole[1]}" $connection complete "$@" </dev/null 2>/dev/null)"})`,
    "  reply=($found)",
    "}",
    "",
    "_moneta_cli_servers() {",
    "  local -a reply",
    "  _moneta_cli_ask servers",
    "  compadd -a reply",
    "}",
    "",
    "# The server stands before the backup, wherever the options are.",
    "_moneta_cli_backups() {",
    "  local -a reply",
    "  _moneta_cli_ask backups ${line[depth+1]}",
    "  compadd -V backups -- newest oldest $reply",
    "}",
    "",
    "_moneta_cli() {",
    "  local curcontext=$curcontext state word name",
    "  local -a line own whole=($words)",
    "  local -A opt_args",
    "  integer depth=1",
    "  local -a shared=(",
    ...options.map((option) => `    ${optionSpec(option)}`),
    "  )",
    ...list("commands", firstWords),
    "  # The options of a command are known once it is on the line.",
    "  for word in ${words[2,CURRENT-1]}; do case $word in",
    ...commands.flatMap(ownOptions),
    "  esac; done",
    "  _arguments -C -S -s $shared $own '1:command:->command' '*:argument:->argument' && return",
    "  if [[ $state == command ]]; then _describe command commands; return; fi",
    "  [[ $state == argument ]] || return",
    "  name=$line[1]",
    "  case $name in",
    ...[...groups].flatMap(([first, members]) => [
      `    ${first})`,
      ...list(`${first}_words`, members.map(({ words, description }) => ({ word: words[1] ?? "", description }))).map((text) => `    ${text}`),
      `      if ((\${#line} == 2)); then _describe word ${first}_words`,
      `      elif ((\${${first}_words[(I)$line[2]:*]})); then name+=" $line[2]"; depth=2; fi ;;`,
    ]),
    "  esac",
    '  case "$name:$((${#line} - depth))" in',
    ...commands.flatMap(placeBranches),
    "  esac",
    "}",
    "",
    `_moneta_cli "$@"`,
  ];
  return `${lines.join("\n")}\n`;
}
