/** What the command table says about one command. */

import type { Role } from "../auth/index.ts";

/** How an argument of the command line is to be understood. */
export type ArgumentKind = "server" | "label" | "position" | "directory" | "file" | "key" | "text" | "choice";

export interface CommandArgument {
  readonly name: string;
  readonly kind: ArgumentKind;
  /** Request field that carries it. */
  readonly field: string;
  readonly optional?: boolean;
  readonly choices?: readonly string[];
  readonly description: string;
}

/** An option of one command; `--sort asc`, `--force`. */
export interface CommandFlag {
  readonly name: string;
  /** Name of the value; absent for a switch. */
  readonly value?: string;
  readonly choices?: readonly string[];
  /**
   * `path`: a path, made absolute. `places`: `<what>=<path>`, given any number of times; it travels as the text of a JSON
   * object of absolute paths by what they are for.
   */
  readonly form?: "path" | "places";
  readonly field: string;
  readonly description: string;
}

/** `text` must be there; `text?` may be null or absent; `flag` is a boolean, false when absent. */
export type FieldType = "text" | "text?" | "flag";

export interface CommandSpec {
  /** As typed: `list-backup`, `status details`, `conf ls`. */
  readonly name: string;
  /** As pgmoneta's client writes it in translated documents: `status-details`. */
  readonly wireName: string;
  readonly number: number;
  /** False while the daemon only knows it: it is refused with `COMMAND_NOT_AVAILABLE`. */
  readonly available: boolean;
  /** True when it runs as a job: minutes or hours, with progress, and not ended by a lost connection. */
  readonly job: boolean;
  /** True for what is no job and takes as long as it takes all the same: no answer comes too late. */
  readonly long?: boolean;
  /** True when the request names a server. */
  readonly server: boolean;
  /** The least role that may ask for it; who may open the management socket may do everything. */
  readonly role: Role;
  /** A request with this value only looks, which the least of the roles may. */
  readonly looking?: { readonly field: string; readonly is: boolean | null };
  /** Fields whose values never go into the log. */
  readonly secretFields?: readonly string[];
  /** `Workflow` of its failed outcomes, as pgmoneta names it. */
  readonly workflow: string;
  /** False where pgmoneta answers without a Response category. */
  readonly answers: boolean;
  readonly arguments: readonly CommandArgument[];
  readonly flags: readonly CommandFlag[];
  /** Fields of the request document; what is not an argument or a flag is sent with its empty value. */
  readonly fields: Readonly<Record<string, FieldType>>;
  readonly description: string;
  readonly examples: readonly string[];
}
