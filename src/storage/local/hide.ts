/** Other names for what is there: out of view, the first step of every removal, or elsewhere. */
import { hideTree, moveDurably } from "../../common/index.ts";
import { storageErrors } from "../errors.ts";
import { lastPart, withLastPart } from "../path.ts";
import { attempting, storageError, systemCode } from "../system-error.ts";
import { hiddenName } from "../temporary-name.ts";
import type { Place } from "./place.ts";

/** True when something has this name, a link that leads nowhere included. */
export async function isThere(place: Place, path: string): Promise<boolean> {
  try {
    await place.calls.lstat(place.bytes(path));
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw storageError(error, "look at", place.absolute(path));
  }
}

/** Renames `path` to a hidden name of the same directory, durably, and returns its new path. */
export async function hidePath(place: Place, path: string): Promise<string> {
  const name = hiddenName(lastPart(path));
  let hidden = withLastPart(path, name);
  // An earlier removal of the same name may have been stopped; it keeps its place until somebody finishes it.
  for (let again = 2; await isThere(place, hidden); again++) hidden = withLastPart(path, `${name}~${again}`);
  await attempting("hide", place.absolute(path), () => hideTree(place.absolute(path), place.absolute(hidden)));
  return hidden;
}

/** Renames `from` to `to`, durably. False when there is nothing at `from`. Whoever calls it has made the parent of `to`. */
export async function movePath(place: Place, from: string, to: string): Promise<boolean> {
  if (!(await isThere(place, from))) return false;
  const target = place.absolute(to);
  if (await isThere(place, to)) throw storageErrors.exists(`"${place.absolute(from)}" cannot become "${target}": that exists`, { path: target });
  await attempting("move", place.absolute(from), () => moveDurably(place.absolute(from), target));
  return true;
}
