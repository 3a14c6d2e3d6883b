/** From the words of the command line to a request: which argument is which, and what options mean. */
import { isAbsolute, resolve } from "node:path";
import { commandTable, formatPlaces, frameCompressions } from "../management/index.ts";
import type {
  CommandArgument,
  CommandName,
  CommandSpec,
  FrameCompression,
  FrameEncryption,
  OutputFormat,
  RequestFields,
} from "../management/index.ts";
import { cliErrors } from "./errors.ts";

/** Options that may stand anywhere, as the parser found them. */
export interface GlobalOptions {
  readonly config?: string;
  readonly directory?: string;
  readonly host?: string;
  readonly port?: string;
  readonly user?: string;
  readonly password?: string;
  readonly logfile?: string;
  readonly verbose?: boolean;
  readonly format?: string;
  readonly compress?: string;
  readonly encrypt?: string;
  readonly sort?: string;
  readonly cascade?: boolean;
  readonly force?: boolean;
  readonly offline?: boolean;
  readonly passwordFile?: string;
  readonly tlsMode?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly follow?: boolean;
}

export interface Invocation {
  readonly command: CommandName;
  readonly fields: RequestFields;
  readonly options: GlobalOptions;
  /** Paths that were given as seen from here; on another machine they would mean something else. */
  readonly relative: readonly string[];
  /** Options that were given and mean nothing for this command. */
  readonly ignored: readonly string[];
}

/** `restore <server> <backup> [position] <directory>`. */
export function usageOf(spec: CommandSpec): string {
  const words = spec.arguments.map(({ name, optional }) => (optional === true ? `[${name}]` : `<${name}>`));
  return [spec.name, ...words].join(" ");
}

/** Optional arguments may stand before required ones, as in `restore`: they are filled from the left by what is left over. */
function bindArguments(spec: CommandSpec, values: readonly string[], pathOf: (path: string) => string): Record<string, string | null> {
  const required = spec.arguments.filter((argument) => argument.optional !== true).length;
  if (values.length < required || values.length > spec.arguments.length) {
    throw cliErrors.usage(`wrong number of arguments: ${usageOf(spec)}`, { command: spec.name });
  }
  let spare = values.length - required;
  let at = 0;
  const bound: Record<string, string | null> = {};
  for (const argument of spec.arguments) {
    let value: string | null = null;
    if (argument.optional !== true || (spare > 0 && !belongsToLater(spec, argument, values[at], spare))) {
      if (argument.optional === true) spare -= 1;
      value = values[at] ?? null;
      at += 1;
    }
    if (value === "") throw cliErrors.usage(`the argument ${argument.name} of ${spec.name} is empty`);
    if (value !== null && argument.choices !== undefined && !argument.choices.includes(value)) {
      throw cliErrors.usage(`${argument.name} must be ${argument.choices.join(" or ")}, not "${value}"`);
    }
    // The daemon works in another directory than the one who types.
    const isPath = argument.kind === "directory" || argument.kind === "file";
    bound[argument.field] = value !== null && isPath ? pathOf(value) : value;
  }
  return bound;
}

/** A word that a later argument can only have: `verify primary newest all` names no directory. */
function belongsToLater({ arguments: all }: CommandSpec, argument: CommandArgument, value: string | undefined, spare: number): boolean {
  const later = all.slice(all.indexOf(argument) + 1).filter(({ optional }) => optional === true);
  return spare <= later.length && value !== undefined && later.some(({ choices }) => choices?.includes(value) === true);
}

/** Switches and valued options of commands, by the name under which the parser gives them. */
const flagKeys: Readonly<Record<string, string>> = {
  "tablespace-map": "tablespaceMap",
  "tablespace-map-all": "tablespaceMapAll",
  "dry-run": "dryRun", "copy-wal": "copyWal" };

/** `<what>=<path>`, several times, as the field that carries them. The path begins behind the first `=`. */
function placesOf(flag: string, values: readonly string[], pathOf: (path: string) => string): string {
  const places = new Map<string, string>();
  for (const value of values) {
    const [, what = "", path = ""] = /^([^=]+)=([^]+)$/.exec(value) ?? [];
    if (what === "") throw cliErrors.usage(`--${flag} must be <what>=<directory>, not "${value}"`);
    if (places.has(what)) throw cliErrors.usage(`--${flag} names "${what}" twice`);
    places.set(what, pathOf(path));
  }
  return formatPlaces(places);
}

/** Makes the request of a command. Throws `COMMAND_LINE_INVALID`. */
export function bindInvocation(
  command: CommandName,
  values: readonly string[],
  options: GlobalOptions & Readonly<Record<string, unknown>>,
): Invocation {
  const spec = commandTable[command];
  const relative: string[] = [];
  const pathOf = (path: string): string => {
    if (!isAbsolute(path)) relative.push(path);
    return resolve(path);
  };
  const fields: Record<string, string | boolean | null> = bindArguments(spec, values, pathOf);
  for (const flag of spec.flags) {
    const value = options[flagKeys[flag.name] ?? flag.name];
    if (flag.value === undefined) fields[flag.field] = value === true;
    else if (flag.form === "places" && Array.isArray(value)) fields[flag.field] = placesOf(flag.name, value as string[], pathOf);
    else if (typeof value === "string" && flag.form === "path") fields[flag.field] = pathOf(value);
    else if (typeof value === "string") {
      if (flag.choices !== undefined && !flag.choices.includes(value)) {
        throw cliErrors.usage(`--${flag.name} must be ${flag.choices.join(" or ")}, not "${value}"`);
      }
      fields[flag.field] = value;
    }
  }
  // pgmoneta's client always names an order.
  if (command === "list-backup") fields.Sort ??= "asc";
  const ignored: string[] = (["sort", "cascade", "force"] as const).filter(
    (name) => options[name] !== undefined && !spec.flags.some((flag) => flag.name === name),
  );
  const hasProgress = spec.job || command === "progress" || spec.arguments.some(({ kind }) => kind === "file");
  if (options.follow === true && !hasProgress) ignored.push("follow");
  return { command, fields, options, relative, ignored };
}

const compressions: Readonly<Record<string, FrameCompression>> = {
  ...Object.fromEntries(frameCompressions.map((name) => [name, name])),
  gz: "gzip",
  bz2: "bzip2",
};

const encryptions: Readonly<Record<string, FrameEncryption>> = {
  none: "none",
  aes: "aes-256-gcm",
  ...Object.fromEntries(
    ([256, 192, 128] as const).flatMap((bits) =>
      [`aes${bits}`, `aes-${bits}`, `aes${bits}-gcm`, `aes-${bits}-gcm`].map((name) => [name, `aes-${bits}-gcm`]),
    ),
  ),
};

function choose<T>(option: string, table: Readonly<Record<string, T>>, value: string, expected: string): T {
  const chosen = Object.hasOwn(table, value) ? table[value] : undefined;
  if (chosen === undefined) throw cliErrors.usage(`--${option} must be one of ${expected}, not "${value}"`);
  return chosen;
}

/** `-C`. */
export const compressionNamed = (value: string): FrameCompression =>
  choose("compress", compressions, value, "none, gz, zstd, lz4, bz2");

/** `-E`. */
export const encryptionNamed = (value: string): FrameEncryption =>
  choose("encrypt", encryptions, value, "none, aes, aes256, aes192, aes128");

/** `-F`. */
export const formatNamed = (value: string): OutputFormat =>
  choose("format", { text: "text", json: "json", raw: "raw" } as const, value, "text, json, raw");
