/** What the completion of shells knows of moneta-cli, from its tables: words only, no syntax of any shell. */
import { globalOptions } from "../../src/cli/index.ts";
import { commandNames, commandTable, type CommandArgument, type CommandSpec } from "../../src/management/index.ts";

/** What stands in one place of a command line. */
export type Place =
  | { readonly is: "servers" | "backups" | "directories" | "files" | "nothing" }
  | { readonly is: "words"; readonly words: readonly string[] };

export interface CompletedOption {
  /** `-h`, `--host`: as typed. */
  readonly names: readonly string[];
  readonly description: string;
  /** What follows it; undefined for a switch. */
  readonly value: Place | undefined;
}

export interface CompletedCommand {
  /** One or two words. */
  readonly words: readonly string[];
  readonly description: string;
  readonly options: readonly CompletedOption[];
  readonly arguments: readonly Place[];
}

const choices: Readonly<Record<string, readonly string[]>> = {
  "--format": ["text", "json", "raw"],
  "--compress": ["none", "gz", "zstd", "lz4", "bz2"],
  "--encrypt": ["none", "aes", "aes256", "aes192", "aes128"],
  "--sort": ["asc", "desc"],
  "--tls-mode": ["disable", "prefer", "require", "verify-full"],
};

function placeOfOption(long: string, value: string): Place {
  const words = choices[long];
  if (words !== undefined) return { is: "words", words };
  if (value === "file") return { is: "files" };
  return { is: value === "directory" || value === "dir" ? "directories" : "nothing" };
}

/** Options of every command. */
export const options: readonly CompletedOption[] = [
  ...globalOptions().map(({ flags, description }) => {
    const [, short, long = "", value] = /^(?:(-.), )?(--[\w-]+)(?: <([\w-]+)>)?$/.exec(flags) ?? [];
    return { names: [...(short === undefined ? [] : [short]), long], description, value: value === undefined ? undefined : placeOfOption(long, value) };
  }),
  { names: ["-?", "--help"], description: "show this help", value: undefined },
  { names: ["-V", "--version"], description: "show the version", value: undefined },
];

const places: Readonly<Record<CommandArgument["kind"], Place>> = {
  server: { is: "servers" },
  label: { is: "backups" },
  directory: { is: "directories" },
  file: { is: "files" },
  position: { is: "words", words: ["current"] },
  key: { is: "nothing" },
  text: { is: "nothing" },
  choice: { is: "nothing" },
};

/** Optional arguments may be left out, so that the next one can stand in the place of each. */
function argumentsOf(spec: CommandSpec): readonly Place[] {
  return spec.arguments.map(({ kind, choices: words }) => (words === undefined ? places[kind] : { is: "words", words }));
}

/** Flags that stand among the options of every command. */
const everywhere = new Set(options.flatMap(({ names }) => names));

export const commands: readonly CompletedCommand[] = [
  ...commandNames
    .map((name): CommandSpec => commandTable[name])
    .filter(({ available }) => available)
    .map((spec) => ({
      words: spec.name.split(" "),
      description: spec.description,
      arguments: argumentsOf(spec),
      options: spec.flags
        .filter(({ name }) => !everywhere.has(`--${name}`))
        .map(({ name, value, description }) => ({ names: [`--${name}`], description, value: value === undefined ? undefined : placeOfOption(`--${name}`, value) })),
    })),
  {
    words: ["wal-push"],
    description: "archive_command: take one file of pg_wal into the repository",
    arguments: [{ is: "servers" }, { is: "files" }],
    options: [{ names: ["--stdin"], description: "the content comes from standard input", value: undefined }],
  },
];

/** Words after which a second one belongs to the command: `key rotate`. */
export const groups: ReadonlyMap<string, readonly CompletedCommand[]> = new Map(
  [...new Set(commands.filter(({ words }) => words.length > 1).map(({ words }) => words[0] ?? ""))].map((first) => [
    first,
    commands.filter(({ words }) => words.length > 1 && words[0] === first),
  ]),
);

/** The first words of all commands, each once, with what the first of its commands does. */
export const firstWords: readonly { readonly word: string; readonly description: string }[] = [
  ...new Map(commands.toReversed().map(({ words: [word = ""], description }) => [word, { word, description }] as const)).values(),
].toReversed();

/** Options whose value says which daemon is asked: completion asks the same one. */
export const connectionOptions = ["--config", "--directory", "--host", "--port", "--user", "--password-file", "--tls-mode", "--tls-ca", "--tls-cert", "--tls-key"];
