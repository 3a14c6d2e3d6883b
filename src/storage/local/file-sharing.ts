/** A second name for a stored file, in a tree that is being built: a hard link, so that nobody's removal harms another. */
import type { Stats } from "node:fs";
import { checkPath, parentPath } from "../path.ts";
import type { SharedFile } from "../storage.ts";
import { storageError, systemCode } from "../system-error.ts";
import { fileMode, type Place } from "./place.ts";

/** What the system says where a file cannot get one more name, in words; anything else is a failure of the storage. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: "is not there any more",
  ENOTDIR: "is not there any more",
  EMLINK: "has as many links as the file system allows",
  EXDEV: "lies on another file system",
  EPERM: "may not be linked",
  EACCES: "may not be linked",
  ENOTSUP: "lies on a file system without hard links",
  EOPNOTSUPP: "lies on a file system without hard links",
  ENOSYS: "lies on a file system without hard links",
};

/**
 * How the files of one tree, whose unfinished form is `tree`, get the names of files that are stored already; `owner` is
 * the account of the tree. See `StoredTree.shareFile`, of which paths here are within the storage.
 */
export function createFileSharing(
  place: Place,
  tree: string,
  owner: number,
): (target: string, source: SharedFile) => Promise<string | undefined> {
  const { calls } = place;
  let shared = 0;

  /** Gives the file its further name; the code of the system where it cannot. */
  async function link(source: string, target: string): Promise<string | undefined> {
    try {
      await calls.link(place.bytes(source), place.bytes(target));
      return undefined;
    } catch (error) {
      const code = systemCode(error);
      if (code !== undefined && (code === "EEXIST" || reasons[code] !== undefined)) return code;
      throw storageError(error, "link", place.absolute(target));
    }
  }

  /** Beside the tree's files first, then over the one that has the name: at no moment is there none. */
  async function replace(source: string, target: string): Promise<string | undefined> {
    shared += 1;
    const beside = `${tree}/.shared-${shared}`;
    const code = await link(source, beside);
    if (code !== undefined) return code;
    try {
      await calls.rename(place.bytes(beside), place.bytes(target));
      return undefined;
    } catch (error) {
      throw storageError(error, "link", place.absolute(target));
    }
  }

  return async (target, { path, size, completeSince }) => {
    const named = (why: string): string => `"${place.absolute(path)}" ${why}`;
    let facts: Stats;
    try {
      facts = await calls.lstat(place.bytes(checkPath(path)));
    } catch (error) {
      const why = reasons[systemCode(error) ?? ""];
      if (why !== undefined) return named(why);
      throw storageError(error, "look at", place.absolute(path));
    }
    if (!facts.isFile()) return named("is not a file");
    if (facts.size !== size) return named(`has ${facts.size} bytes instead of ${size}`);
    if (facts.uid !== owner || (facts.mode & 0o777) !== fileMode) return named("has another owner or mode than it was stored with");
    if (facts.mtimeMs > completeSince) return named("was written to after it had been stored");
    let code = await link(path, target);
    const parent = parentPath(target);
    if (code === "ENOENT" && parent !== undefined) {
      // Its directory, or the file itself, is what is missing.
      await place.makeAll(parent, false);
      code = await link(path, target);
    }
    if (code === "EEXIST") code = await replace(path, target);
    return code === undefined ? undefined : named(reasons[code] ?? code);
  };
}
