/** Symbolic links give way to the files that they lead to: further names of them, or copies where a file can have none. */
import { syncDirectory } from "../../common/index.ts";
import { checkPath, checkTextPath, parentPath } from "../path.ts";
import type { ReplacedLink } from "../storage.ts";
import { storageError, systemCode } from "../system-error.ts";
import { copyInto } from "./copy-into.ts";
import type { Place } from "./place.ts";
import type { Reserve } from "./reserve.ts";

/** What the system says of a file that cannot have a further name, or not there. */
const cannotBeLinked = new Set(["EMLINK", "EXDEV", "EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** See `Storage.replaceLinks`. A further name needs little room, and is often made to get more: the reserve is for that. */
export async function replaceLinks(
  place: Place,
  reserve: Pick<Reserve, "spend">,
  links: readonly ReplacedLink[],
  temporary: string,
): Promise<void> {
  const { calls } = place;
  const beside = place.bytes(checkTextPath(temporary));
  const touched = new Set<string>();

  async function removeLeftover(): Promise<void> {
    try {
      await calls.unlink(beside);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw storageError(error, "remove", place.absolute(temporary));
    }
  }

  for (const { path, source } of links) {
    await removeLeftover();
    try {
      await reserve.spend(() => calls.link(place.bytes(checkPath(source)), beside));
    } catch (error) {
      if (!cannotBeLinked.has(systemCode(error) ?? "")) throw storageError(error, "link", place.absolute(source));
      await copyInto(place, source, temporary);
    }
    try {
      // Over the link: whoever opens the name finds the same bytes, before and after.
      await calls.rename(beside, place.bytes(checkPath(path)));
    } catch (error) {
      throw storageError(error, "replace the link", place.absolute(path));
    }
    touched.add(parentPath(path) ?? "");
  }
  // Of a link that had given way before: renaming one name of a file over another leaves both.
  await removeLeftover();
  for (const directory of touched) {
    try {
      await syncDirectory(place.bytes(directory));
    } catch (error) {
      throw storageError(error, "sync the directory", place.absolute(directory));
    }
  }
}
