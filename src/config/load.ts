/** Reading the configuration of the daemon: one call, one frozen result or one error that names everything wrong. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import type { SectionUnderCheck } from "./check-consistency.ts";
import type { CompileContext } from "./compile-section.ts";
import type { Configuration, ConfigProblem } from "./configuration.ts";
import { configErrors } from "./errors.ts";
import { deepFreeze } from "./freeze.ts";
import { locateFiles, type FileLocations } from "./locate-files.ts";
import type { MainOptions } from "./option-table.ts";
import { inFileOrder, invalid } from "./problem.ts";
import type { StoredMasterKey } from "../vault/index.ts";

export interface LoadOptions extends FileLocations {
  /**
   * `daemon` (the default): everything that the daemon will need is checked on this machine.
   * `offline`: for commands that work without a daemon, perhaps on another machine after the loss of the first:
   * the machine is not checked, passwords are not read, keys of features that are not there are warnings.
   */
  readonly purpose?: "daemon" | "offline";
  /**
   * Called when all but the secrets is found right, while the master key is derived, which takes longer than everything
   * else: what is begun here costs a start no time. The secrets may still turn out wrong.
   */
  readonly meanwhile?: (main: MainOptions) => void;
  /** What the main file is taken to hold; without it the file is read. */
  readonly mainText?: string | undefined;
}

export interface LoadedConfiguration {
  readonly configuration: Configuration;
  readonly warnings: readonly ConfigProblem[];
  /** Derived already (that takes 0.2 s); undefined offline, and when there is none and nothing needs it. Never part of `configuration`. */
  readonly masterKey: StoredMasterKey | undefined;
  readonly source: ConfigurationSource;
}

/** What a configuration was made from: to compare it with another one, to show it, and to change a key of it. */
export interface ConfigurationSource {
  /** The main file. */
  readonly text: string;
  readonly main: SectionUnderCheck;
  readonly servers: readonly SectionUnderCheck[];
  readonly context: CompileContext;
}

/** The content of a file of the configuration; `CONFIGURATION_UNREADABLE` when it cannot be had or is no UTF-8. */
export function readConfigurationFile(path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
  } catch (error) {
    throw configErrors.unreadable(`"${path}" cannot be read`, { path }, error);
  }
}

/** Where defaults such as the master key lie: the account's home, as the environment or the system knows it. */
export function compileContext(
  file: string,
  environment: FileLocations["environment"],
  tolerateRefused: boolean,
): CompileContext {
  return {
    file,
    environment,
    homeDirectory: environment["HOME"] ?? homedir(),
    userId: process.getuid?.() ?? 0,
    tolerateRefused,
  };
}

/**
 * Reads and checks pgmoneta.conf, the users and the admins file.
 *
 * @throws MonetaError `CONFIGURATION_NOT_FOUND`, `CONFIGURATION_UNREADABLE`, or `CONFIGURATION_INVALID` with one
 *   line `file:line: key: expected …` a problem.
 */
export async function loadConfiguration(options: LoadOptions): Promise<LoadedConfiguration> {
  // A command line that asks a daemon needs its own file alone, and must start quickly.
  const { compileMain, mainOptionsOf, serverOptionsOf } = await import("./compile-main.ts");
  const { checkMainEnvironment, checkServerEnvironment } = await import("./check-environment.ts");
  const { noSecrets, readSecrets } = await import("./load-secrets.ts");
  const files = locateFiles(options);
  const offline = options.purpose === "offline";
  const context = compileContext(files.main, options.environment, offline);
  const text = options.mainText ?? readConfigurationFile(files.main);
  const { main, servers, ...compiled } = compileMain(text, context);
  const problems = [...compiled.problems];
  if (main === undefined) throw invalid(problems);
  const mainOptions = mainOptionsOf(main);
  if (!offline) {
    problems.push(...checkMainEnvironment(files.main, main, context.userId));
    for (const server of servers) problems.push(...checkServerEnvironment(files.main, server, context.userId));
  }
  const reading = offline
    ? Promise.resolve(noSecrets)
    : readSecrets(files, mainOptions.masterKeyFile, whereEncryptionIsAsked([main, ...servers]));
  reading.catch(() => undefined); // Heard of below, unless something else is wrong before.
  if (problems.length === 0) options.meanwhile?.(mainOptions);
  const secrets = await reading;
  problems.push(...secrets.problems);
  if (problems.length > 0) throw invalid(problems);
  const { users, admins, masterKey } = secrets;
  const configuration: Configuration = {
    main: mainOptions,
    servers: servers.map(serverOptionsOf),
    users,
    admins,
    files,
  };
  return {
    configuration: deepFreeze(configuration),
    warnings: inFileOrder(compiled.warnings),
    masterKey,
    source: { text, main, servers, context },
  };
}

/** The first section that encrypts, with the line of its key. */
function whereEncryptionIsAsked(
  sections: readonly SectionUnderCheck[],
): { readonly line: number | undefined } | undefined {
  const asking = sections.find(({ compiled }) => (compiled.values.get("encryption") ?? "none") !== "none");
  return asking === undefined ? undefined : { line: asking.compiled.entries.get("encryption")?.line };
}
