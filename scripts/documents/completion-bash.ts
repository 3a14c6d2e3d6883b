/** etc/completion/moneta-cli.bash. */
import { commands, connectionOptions, firstWords, groups, options, type CompletedOption, type Place } from "./completion-words.ts";

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A call that fills COMPREPLY for one place. */
function fill(place: Place): string {
  switch (place.is) {
    case "words":
      return `_moneta_cli_words ${quoted(place.words.join(" "))}`;
    case "servers":
      return `_moneta_cli_words "$(_moneta_cli_ask servers)"`;
    case "backups":
      return `_moneta_cli_words "oldest newest $(_moneta_cli_ask backups "\${given[depth]}")"`;
    case "directories":
      return "_moneta_cli_files -d";
    case "files":
      return "_moneta_cli_files -f";
    case "nothing":
      return ":";
  }
}

const valued = (list: readonly CompletedOption[]): readonly CompletedOption[] => list.filter(({ value }) => value !== undefined);
const pattern = (list: readonly CompletedOption[]): string => list.flatMap(({ names }) => names).join("|");
const own = commands.flatMap((command) => command.options);

/** One branch a distinct way of completing values. */
function valueBranches(): string[] {
  const byFill = new Map<string, string[]>();
  for (const { names, value } of valued([...options, ...own])) {
    const call = fill(value ?? { is: "nothing" });
    byFill.set(call, [...new Set([...(byFill.get(call) ?? []), ...names])]);
  }
  return [...byFill].map(([call, names]) => `    ${names.join("|")}) ${call}; return ;;`);
}

function commandBranches(): string[] {
  return commands.map(({ words, arguments: places, options: mine }) => {
    const at = places.map((place, index) => `${index}) ${fill(place)} ;;`).join(" ");
    const flags = mine.flatMap(({ names }) => names).join(" ");
    return `    ${quoted(words.join(" "))}) depth=${words.length}; flags=${quoted(flags)}; case $((\${#given[@]} - depth)) in ${at} esac ;;`.replace("case $((${#given[@]} - depth)) in  esac ", "");
  });
}

/** The text of the script. */
export function bashCompletion(): string {
  const wide = options.flatMap(({ names }) => names.filter((name) => name.startsWith("--"))).join(" ");
  const lines = [
    "# Completion of moneta-cli for bash, made by `npm run generate:documents`.",
    "# Source it, or install it as /usr/share/bash-completion/completions/moneta-cli.",
    "",
    "_moneta_cli_words() {",
    `  COMPREPLY+=($(compgen -W "$1" -- "$cur"))`,
    "}",
    "",
    "_moneta_cli_files() {",
    "  compopt -o filenames 2>/dev/null",
    "  local line",
    `  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$cur")`,
    "}",
    "",
    "# The daemon that the line names is asked, and nobody is asked for a password.",
    "_moneta_cli_ask() {",
    `  "\${COMP_WORDS[0]}" "\${connection[@]}" complete "$@" </dev/null 2>/dev/null`,
    "}",
    "",
    "_moneta_cli() {",
    "  COMPREPLY=()",
    "  local cur=${COMP_WORDS[COMP_CWORD]} word before='' i depth=0 flags=''",
    "  local -a given=() connection=()",
    "  [[ $cur == = ]] && cur=''",
    "  for ((i = 1; i < COMP_CWORD; i++)); do",
    "    word=${COMP_WORDS[i]}",
    "    # bash takes an equals sign for a word of its own.",
    "    [[ $word == = ]] && continue",
    "    if [[ -n $before ]]; then",
    `      case $before in ${connectionOptions.join("|")}|-c|-D|-h|-p|-U) connection+=("$before" "$word") ;; esac`,
    "      before=''",
    "      continue",
    "    fi",
    "    case $word in",
    `      ${pattern(valued([...options, ...own]))}) before=$word ;;`,
    "      -*) ;;",
    `      *) given+=("$word") ;;`,
    "    esac",
    "  done",
    "  case $before in",
    "    '') ;;",
    ...valueBranches(),
    "  esac",
    `  case "\${given[0]}" in`,
    "    '') _moneta_cli_words " + quoted(firstWords.map(({ word }) => word).join(" ")) + " ;;",
    ...[...groups].map(
      ([first, members]) => `    ${first}) [[ \${#given[@]} -eq 1 ]] && _moneta_cli_words ${quoted(members.map(({ words }) => words[1] ?? "").join(" "))} ;;`,
    ),
    "  esac",
    "  word=${given[0]}",
    `  case $word in ${[...groups.keys()].join("|")}) [[ \${#given[@]} -gt 1 ]] && word+=" \${given[1]}" ;; esac`,
    "  case $word in",
    ...commandBranches(),
    "  esac",
    `  [[ $cur == -* ]] && _moneta_cli_words "$flags ${wide}"`,
    "  return 0",
    "}",
    "",
    "complete -F _moneta_cli moneta-cli",
  ];
  return `${lines.join("\n")}\n`;
}
