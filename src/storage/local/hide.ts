/** Taking things out of view: the first step of every removal. */
import { hideTree } from "../../common/index.ts";
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
