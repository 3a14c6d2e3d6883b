/** Paths inside a storage: what is accepted, how they become bytes for the system. */
import { pathToBytes } from "../postgres/index.ts";
import { storageErrors } from "./errors.ts";

/**
 * Returns `path` if every part of it is a plain name, else throws STORAGE_PATH_REFUSED: names come from servers, tar
 * archives and command lines, and none of them may lead out of the place it is meant for.
 */
export function checkPath(path: string): string {
  const parts = path.split("/");
  if (path.includes("\0") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw storageErrors.pathRefused(`${JSON.stringify(path)} is not a plain relative path`, { path });
  }
  return path;
}

/** A checked path whose bytes are UTF-8, for names that Moneta chooses itself (trees, labels, metadata). */
export function checkTextPath(path: string): string {
  checkPath(path);
  if (!pathToBytes(path).equals(Buffer.from(path, "utf8"))) {
    throw storageErrors.pathRefused(`${JSON.stringify(path)} is not UTF-8`, { path });
  }
  return path;
}

/** The path above `path`; undefined at the top. */
export function parentPath(path: string): string | undefined {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? undefined : path.slice(0, slash);
}

/** Last part of `path`. */
export function lastPart(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `path` with its last part replaced. */
export function withLastPart(path: string, name: string): string {
  const parent = parentPath(path);
  return parent === undefined ? name : `${parent}/${name}`;
}

/**
 * Throws STORAGE_PATH_REFUSED unless a symbolic link at `relative` (a path in a tree) to `target` stays in the tree.
 */
export function checkLinkTarget(relative: string, target: string): void {
  const refuse = (why: string) =>
    storageErrors.pathRefused(`the link ${JSON.stringify(relative)} to ${JSON.stringify(target)} ${why}`, {
      path: relative,
    });
  if (target === "" || target.startsWith("/") || target.includes("\0")) throw refuse("has no relative target");
  let depth = relative.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth -= 1;
    else if (part !== "" && part !== ".") depth += 1;
    if (depth < 0) throw refuse("leads out of its tree");
  }
}
