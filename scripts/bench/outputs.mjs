import { chownSync, copyFileSync, existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** Options that name a file to write, and those that name a directory to use. */
const FILES = ["--json", "--chart"];
const DIRECTORIES = ["--keep", "--profile"];
/** These make a run that is not for show. */
const PARTIAL = ["--only", "--scale", "--runs", "--relations", "--wal", "--profile", "--help"];

/**
 * What the benchmarks write as an ordinary user ends where the caller wants it: files are written to the scratch
 * directory and copied at the end, directories are given to that user. A whole run at full size renews the chart of
 * the README.
 * @returns {{ args: string[], collect: () => void }}
 */
export function placeOutputs(given, { root, scratch, identity }) {
  const args = given.flatMap((arg) => (/^--\w+=/.test(arg) ? [arg.slice(0, arg.indexOf("=")), arg.slice(arg.indexOf("=") + 1)] : [arg]));
  if (!args.some((arg) => PARTIAL.includes(arg) || arg === "--chart")) args.push("--chart", join(root, "doc", "benchmarks.svg"));
  const copies = [];
  for (const [index, arg] of args.entries()) {
    const value = args[index + 1];
    if (value === undefined) continue;
    if (arg === "--with") {
      // The ordinary user may not see where it lies.
      args[index + 1] = join(scratch, `input${index}`);
      copyFileSync(resolve(value), args[index + 1]);
      if (identity.uid !== undefined) chownSync(args[index + 1], identity.uid, identity.gid);
    }
    if (FILES.includes(arg)) {
      const temporary = join(scratch, `output${index}`);
      copies.push([temporary, resolve(value)]);
      args[index + 1] = temporary;
    }
    if (DIRECTORIES.includes(arg)) {
      const directory = resolve(value);
      mkdirSync(directory, { recursive: true });
      if (identity.uid !== undefined) chownSync(directory, identity.uid, identity.gid);
      args[index + 1] = directory;
    }
  }
  const collect = () => {
    for (const [from, to] of copies) {
      if (!existsSync(from)) continue;
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(from, to);
    }
  };
  return { args, collect };
}
