/** What the daemon and the offline commands run on: read once, checked, compiled, frozen. */
import type { Role } from "../auth/index.ts";
import type { MainOptions, ServerOptions } from "./option-table.ts";

/**
 * Logins and their passwords. A closure and not a `Map`, so that printing, logging or serialising a
 * configuration never shows a password.
 */
export interface Passwords {
  readonly names: readonly string[];
  has(name: string): boolean;
  get(name: string): string | undefined;
}

/** The same for logins of remote management, which have a role each. */
export interface Admins extends Passwords {
  role(name: string): Role | undefined;
}

/** The files that were read; undefined where none was found at the default place. */
export interface ConfigurationFiles {
  readonly main: string;
  readonly users: string | undefined;
  readonly admins: string | undefined;
  /** The directory of `-D` or `PGMONETA_CONFIG_DIR`. */
  readonly directory: string | undefined;
}

export interface Configuration {
  readonly main: MainOptions;
  /** In the order of the file. */
  readonly servers: readonly ServerOptions[];
  /** PostgreSQL logins. */
  readonly users: Passwords;
  /** Logins of remote management. */
  readonly admins: Admins;
  readonly files: ConfigurationFiles;
}

/** One thing that is wrong or worth knowing in a file of the configuration. */
export interface ConfigProblem {
  readonly file: string;
  /** Counted from 1; undefined when the problem has no line, such as a key that is missing. */
  readonly line: number | undefined;
  readonly section: string | undefined;
  readonly key: string | undefined;
  /** Lower case, without a final stop; begins with "expected" where a value is wrong. */
  readonly message: string;
}
