/** The kind of value of `extra`: files and directories of the database host. */
import { isAbsolute, normalize } from "node:path/posix";
import type { ValueKind } from "./option.ts";
import { notParsed, parsed } from "./value-kinds.ts";

/** As many as pgmoneta has. */
const mostPaths = 64;

/** What the kernel makes up as it is read has no size, and what is a device no end. */
const noFiles = /^\/(?:proc|sys|dev)(?:\/|$)/;

export const extraPaths: ValueKind<readonly string[]> = {
  name: "list",
  expected: `a comma-separated list of 1 to ${mostPaths} absolute paths of files or directories on the host of the server`,
  parse: (input) => {
    const words = input.split(",").map((word) => word.trim());
    if (words.length > mostPaths || words.some((word) => !isAbsolute(word) || word.includes("\0"))) return notParsed();
    const paths = words.map((word) => normalize(word).replace(/(?<=.)\/+$/, ""));
    if (paths.includes("/")) return notParsed("paths below the root directory, not the whole of it");
    const made = paths.find((path) => noFiles.test(path));
    if (made !== undefined) return notParsed("paths that are not below /proc, /sys or /dev, where there are no files to keep");
    if (new Set(paths).size < paths.length) return notParsed("each path once");
    return parsed(paths);
  },
  format: (value) => value.join(", "),
};
