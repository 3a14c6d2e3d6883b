/** Names that mean "not there": unfinished work and half-finished removals, which a start recognises by name alone. */

const unfinished = ".tmp_";
const hidden = ".del_";

/** Name under which `name` is built. */
export function temporaryName(name: string): string {
  return `${unfinished}${name}`;
}

/** Name under which `name` is being removed. */
export function hiddenName(name: string): string {
  return `${hidden}${name}`;
}

/** What a name says about its bearer: visible, unfinished or being removed, and the name that it stands for. */
export interface NameState {
  readonly state: "visible" | "unfinished" | "hidden";
  /** The visible name, a distinguishing number or random part included. */
  readonly name: string;
}

/** Reads a name of a directory. `<name>.tmp` is the unfinished replacement of a small file (writeFileDurably). */
export function nameState(name: string): NameState {
  if (name.startsWith(unfinished)) return { state: "unfinished", name: name.slice(unfinished.length) };
  if (name.startsWith(hidden)) return { state: "hidden", name: name.slice(hidden.length) };
  if (name.endsWith(".tmp")) return { state: "unfinished", name: name.slice(0, -".tmp".length) };
  return { state: "visible", name };
}
