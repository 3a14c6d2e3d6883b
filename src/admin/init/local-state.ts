/** What is on this machine already, and the directories that have to be there. */
import { accessSync, constants, statSync, type Stats } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { messageOf } from "../../common/index.ts";
import { loadConfiguration, readConfigurationFile, type IniDocument, type MainOptions } from "../../config/index.ts";
import { adminErrors } from "../errors.ts";
import { readDocument } from "./configuration-text.ts";
import type { InitRequest, InitSurroundings, Wanted } from "./request.ts";

export interface LocalState {
  /** Directory of the configuration. */
  readonly directory: string;
  /** `-D <directory>` for the commands that are printed; empty where they look there anyway. */
  readonly directoryOption: readonly string[];
  /** pgmoneta.conf, whether it is there or not. */
  readonly main: string;
  readonly users: string;
  /** The file, and what its section `[pgmoneta]` comes to; undefined when there is none. */
  readonly document: IniDocument | undefined;
  readonly options: MainOptions | undefined;
  readonly masterKey: string;
  /** Directory below which a new repository and scratch space go. */
  readonly home: string;
  /** Of a configuration that is new. */
  readonly socketDirectory: string;
  readonly logFile: string;
  /** The unit of systemd that is to start the daemon: it is installed, and for a configuration at this place. */
  readonly unit: string | undefined;
}

/** Where every program looks for it that is not told otherwise. */
export const usualMasterKey = (homeDirectory: string): string => join(homeDirectory, ".pgmoneta/master.key");

export const defaultDirectory = "/etc/pgmoneta";
/** The unit reads `defaultDirectory`, and has systemd make these for the account (etc/systemd/moneta.service). */
const service = { unit: "moneta.service", socketDirectory: "/run/moneta", logFile: "/var/log/moneta/moneta.log" };

/** Looks, and changes nothing. Throws `CONFIGURATION_UNREADABLE` or `CONFIGURATION_INVALID` for a file that is there and cannot be used. */
export async function lookHere(request: InitRequest, { environment, homeDirectory, unitDirectories }: InitSurroundings): Promise<LocalState> {
  const named = request.directory ?? (environment["PGMONETA_CONFIG_DIR"] || undefined);
  const directory = resolve(named ?? defaultDirectory);
  const main = join(directory, "pgmoneta.conf");
  const document = statOf(main) === undefined ? undefined : readDocument(main, readConfigurationFile(main));
  const options = document === undefined ? undefined : (await loadConfiguration({ main, environment, purpose: "offline" })).configuration.main;
  const byService = !request.background && directory === defaultDirectory && unitDirectories.some((place) => statOf(join(place, service.unit)) !== undefined);
  return {
    directory,
    directoryOption: request.directory === undefined ? [] : ["-D", directory],
    main,
    users: join(directory, "pgmoneta_users.conf"),
    document,
    options,
    masterKey: resolve(request.masterKey ?? options?.masterKeyFile ?? usualMasterKey(homeDirectory)),
    home: homeDirectory,
    ...(byService ? service : { unit: undefined, socketDirectory: `${homeDirectory}/run`, logFile: `${homeDirectory}/moneta.log` }),
  };
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // Something above it is a file.
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

interface Place {
  /** What it is for: `the repository`. */
  readonly what: string;
  readonly path: string;
}

/** The directories that the daemon needs, the first made first; without those that systemd makes. */
export function placesOf({ directory, unit }: LocalState, { repository, socketDirectory, logFile }: Wanted): Place[] {
  return [
    { what: "the directory of the configuration", path: directory },
    { what: "the repository", path: repository },
    ...(unit === undefined
      ? [
          { what: "the directory of the management socket", path: socketDirectory },
          { what: "the directory of the log", path: dirname(logFile) },
        ]
      : []),
  ];
}

const usable = constants.R_OK | constants.W_OK | constants.X_OK;

/** Throws `ADMIN_PLACE_UNUSABLE` with the command that puts it right; a directory that can be made is in order. */
export function checkPlaces(places: readonly Place[], account: string): void {
  for (const { what, path } of places) {
    const refuse = (why: string) =>
      adminErrors.placeUnusable(`${what}, ${path}, ${why}; as root: install -d -o ${account} -m 0700 '${path}'`, { path });
    // The directory itself, or the one in which it would be made.
    let existing = path;
    let found: Stats | undefined;
    try {
      while ((found = statOf(existing)) === undefined && dirname(existing) !== existing) existing = dirname(existing);
    } catch (error) {
      throw refuse(`cannot be looked at (${messageOf(error)})`);
    }
    if (found?.isDirectory() !== true) throw refuse(existing === path ? "is not a directory" : `cannot be made: ${existing} is not a directory`);
    try {
      accessSync(existing, usable);
    } catch {
      throw refuse(existing === path ? `may not be written by ${account}` : `is not there, and ${account} may not make it in ${existing}`);
    }
  }
}

/** Makes those that are missing, for nobody else to enter; the paths of those that were made. */
export async function makePlaces(places: readonly Place[]): Promise<string[]> {
  const made: string[] = [];
  for (const { what, path } of places) {
    try {
      if ((await mkdir(path, { recursive: true, mode: 0o700 })) !== undefined) made.push(path);
    } catch (error) {
      throw adminErrors.placeUnusable(`${what}, ${path}, cannot be made: ${messageOf(error)}`, { path }, error);
    }
  }
  return made;
}
