/** Kinds of value of the copies of `hot_standby`: lists with one part a copy, as pgmoneta writes them. */
import { isAbsolute, resolve } from "node:path";
import type { ValueKind } from "./option.ts";
import { notParsed, parsed } from "./value-kinds.ts";
import type { TablespaceChoice } from "./value-types.ts";

/** As many as pgmoneta has. */
const mostCopies = 8;

/** Absolute, without a slash at the end; undefined for what is no such path. */
function directory(text: string): string | undefined {
  return isAbsolute(text) && !text.includes("\0") ? resolve(text) : undefined;
}

/** The directories below which the copies lie. */
export const standbyDirectories: ValueKind<readonly string[]> = {
  name: "list",
  expected: `a comma-separated list of 1 to ${mostCopies} absolute directories`,
  parse: (input) => {
    const found = input.split(",").map((part) => directory(part.trim()));
    const directories = found.filter((path) => path !== undefined);
    if (directories.length < found.length || directories.length > mostCopies) return notParsed();
    if (new Set(directories).size < directories.length) return notParsed("each directory once");
    return parsed(directories);
  },
  format: (value) => value.join(", "),
};

/** One part a copy, separated by `|`; an empty one is of a copy that has none. */
function parts(input: string): string[] {
  return input.split("|").map((part) => part.trim());
}

/** A directory a copy; empty where a copy has none. */
export const standbyOverrides: ValueKind<readonly string[]> = {
  name: "list",
  expected: "absolute directories, one a copy, separated by |",
  parse: (input) => {
    const found = parts(input).map((part) => (part === "" ? "" : directory(part)));
    const directories = found.filter((path) => path !== undefined);
    if (directories.length < found.length || directories.every((path) => path === "")) return notParsed();
    return parsed(directories);
  },
  format: (value) => value.join(" | "),
};

/** `from -> to, from -> to | …`; `from` is a name, an OID, or where the tablespace lies on the server. */
export const standbyTablespaces: ValueKind<readonly (readonly TablespaceChoice[])[]> = {
  name: "list",
  expected: "maps from -> to, separated by commas, with the name, OID or path of a tablespace and an absolute directory; those of several copies separated by |",
  parse: (input) => {
    const copies: TablespaceChoice[][] = [];
    for (const part of parts(input)) {
      const maps: TablespaceChoice[] = [];
      for (const text of part === "" ? [] : part.split(",")) {
        const [from = "", to = "", ...more] = text.split("->").map((word) => word.trim());
        const place = directory(to);
        if (from === "" || place === undefined || more.length > 0) return notParsed();
        if (maps.some(({ tablespace }) => tablespace === from)) return notParsed("each tablespace of a copy once");
        maps.push({ tablespace: from, directory: place });
      }
      copies.push(maps);
    }
    return copies.every((maps) => maps.length === 0) ? notParsed() : parsed(copies);
  },
  format: (value) => value.map((maps) => maps.map(({ tablespace, directory: to }) => `${tablespace} -> ${to}`).join(", ")).join(" | "),
};
