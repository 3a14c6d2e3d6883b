/**
 * What a process of ours calls itself in the list of processes, by `update_process_title`: never not at all, minimal by what it is,
 * verbose and strict by what it does. On Linux a title lies where the command line was, and is cut at its end; strict leaves it
 * at that, as in pgmoneta, and for verbose children are started with a command line that is long enough.
 */

/** The title; undefined where the process keeps its command line. */
export function processTitle(policy: string, base: string, detail?: string): string | undefined {
  if (policy === "never") return undefined;
  return `moneta: ${base}${policy === "minimal" || detail === undefined ? "" : ` ${detail}`}`;
}

/** The same as a property of the first message to a child. */
export function titleOf(policy: string, base: string, detail?: string): { readonly title?: string } {
  const title = processTitle(policy, base, detail);
  return title === undefined ? {} : { title };
}

/** Characters of the longest title; pgmoneta's limit. */
const longestTitle = 255;

/** Arguments for a child that mean nothing to it, and make room for its title. */
export function titleRoom(policy: string): readonly string[] {
  return policy === "verbose" ? [" ".repeat(longestTitle)] : [];
}
