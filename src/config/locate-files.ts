/** Where the configuration files are: named, in the directory of `-D` or `PGMONETA_CONFIG_DIR`, or at pgmoneta's places. */
import { statSync, type Stats } from "node:fs";
import { join, resolve } from "node:path";
import { configErrors } from "./errors.ts";

/** What the command line and the environment say about the files. */
export interface FileLocations {
  /** `-c`. */
  readonly main?: string | undefined;
  /** `-u`. */
  readonly users?: string | undefined;
  /** `-A`. */
  readonly admins?: string | undefined;
  /** `-D`; without it `PGMONETA_CONFIG_DIR`. */
  readonly directory?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where files are looked for that are neither named nor in the directory. */
  readonly defaultDirectory?: string | undefined;
}

export interface LocatedFiles {
  readonly main: string;
  readonly users: string | undefined;
  readonly admins: string | undefined;
  readonly directory: string | undefined;
}

const defaultDirectory = "/etc/pgmoneta";

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A place that may not be entered is not a place without the file: going on elsewhere would read another configuration.
    throw configErrors.unreadable(`"${path}" cannot be examined`, { path }, error);
  }
}

function isFile(path: string): boolean {
  return statOf(path)?.isFile() === true;
}

/** A file that is named must be there; one that is not is looked for in the places in turn. */
function locate(named: string | undefined, name: string, directories: readonly string[]): string | undefined {
  if (named !== undefined) {
    if (!isFile(named))
      throw configErrors.notFound(`the file "${named}" is not there or is no regular file`, { path: named });
    return resolve(named);
  }
  return directories.map((directory) => resolve(join(directory, name))).find(isFile);
}

/** Finds the files of the daemon. Throws `CONFIGURATION_NOT_FOUND` when the main file, or one that is named, is missing. */
export function locateFiles(locations: FileLocations): LocatedFiles {
  const wanted = locations.directory ?? locations.environment["PGMONETA_CONFIG_DIR"];
  const directory = wanted === undefined || wanted === "" ? undefined : resolve(wanted);
  if (directory !== undefined && statOf(directory)?.isDirectory() !== true) {
    throw configErrors.notFound(`the configuration directory "${directory}" is not there or is no directory`, {
      path: directory,
    });
  }
  const places = [...(directory === undefined ? [] : [directory]), locations.defaultDirectory ?? defaultDirectory];
  const main = locate(locations.main, "pgmoneta.conf", places);
  if (main === undefined) {
    throw configErrors.notFound(`there is no pgmoneta.conf in ${places.map((place) => `"${place}"`).join(" or ")}`, {
      path: places.join(", "),
    });
  }
  return {
    main,
    users: locate(locations.users, "pgmoneta_users.conf", places),
    admins: locate(locations.admins, "pgmoneta_admins.conf", places),
    directory,
  };
}

/** Names no file where one would be looked for. */
const noFile = "/dev/null";

/** Finds the file of moneta-cli; undefined when it is not named and not there, or is `/dev/null`. */
export function locateClientFile(
  locations: Pick<FileLocations, "main" | "directory" | "environment" | "defaultDirectory">,
): string | undefined {
  if (locations.main === noFile) return undefined;
  const directory = locations.directory ?? locations.environment["PGMONETA_CONFIG_DIR"];
  const places = [
    ...(directory === undefined || directory === "" ? [] : [directory]),
    locations.defaultDirectory ?? defaultDirectory,
  ];
  return locate(locations.main, "pgmoneta_cli.conf", places);
}
