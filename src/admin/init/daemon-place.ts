/** How the commands find the daemon of this configuration and no other one: those that are run here, and those that are printed. */
import { resolve } from "node:path";
import { messageOf } from "../../common/index.ts";
import { loadCliConfiguration } from "../../config/index.ts";
import type { LocalState } from "./local-state.ts";
import type { InitRequest } from "./request.ts";

export interface DaemonPlace {
  /** `unix_socket_dir`. */
  readonly socketDirectory: string;
  /** Directory of the configuration. */
  readonly directory: string;
  /** Its pgmoneta.conf. */
  readonly main: string;
}

/** Has moneta-cli read no pgmoneta_cli.conf. */
const noClientFile = ["-c", "/dev/null"];

/**
 * Words for moneta-cli that have it ask this daemon, whatever a pgmoneta_cli.conf names; nothing depends on a master key, which may lie
 * where it does not look.
 */
export const ownDaemon = ({ directory }: Pick<DaemonPlace, "directory">): readonly string[] => [...noClientFile, "-C", "none", "-E", "none", "-D", directory];

/** What stands behind `moneta-cli` in commands that are printed. */
export interface PrintedOptions {
  readonly words: readonly string[];
  /** Why they name no pgmoneta_cli.conf, in a sentence without its full stop; undefined where one would not be in the way. */
  readonly avoided: string | undefined;
}

/** Looks whether the pgmoneta_cli.conf that moneta-cli would read leads to this daemon. */
export function printedOptions(
  { directoryOption }: Pick<LocalState, "directoryOption">,
  { directory }: Pick<InitRequest, "directory">,
  socketDirectory: string,
  environment: Readonly<Record<string, string | undefined>>,
): PrintedOptions {
  const avoided = whyAvoided(directory, socketDirectory, environment);
  return { words: [...directoryOption, ...(avoided === undefined ? [] : noClientFile)], avoided };
}

function whyAvoided(directory: string | undefined, socketDirectory: string, environment: Readonly<Record<string, string | undefined>>): string | undefined {
  try {
    const { file, options } = loadCliConfiguration({ directory, environment });
    const { host, port, unixSocketDir } = options;
    if (host !== undefined && host !== "" && port !== 0) return `${file ?? "pgmoneta_cli.conf"} leads to the daemon at ${host}:${port}`;
    if (unixSocketDir !== undefined && resolve(unixSocketDir) !== resolve(socketDirectory)) return `${file ?? "pgmoneta_cli.conf"} leads to the daemon in ${unixSocketDir}`;
    return undefined;
  } catch (error) {
    // Each of its problems is a line.
    return `pgmoneta_cli.conf cannot be used: ${messageOf(error).replaceAll("\n", "; ")}`;
  }
}
