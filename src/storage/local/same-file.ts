/** Names of one file. */
import { stat } from "node:fs/promises";
import { storageError, systemCode } from "../system-error.ts";
import { checkPath } from "../path.ts";
import type { Place } from "./place.ts";

/** See `Storage.isSameFile`. Numbers of files may be longer than a double can tell apart. */
export async function isSameFile(place: Place, one: string, other: string): Promise<boolean> {
  const identify = async (path: string): Promise<string | undefined> => {
    try {
      const { dev, ino } = await stat(place.bytes(checkPath(path)), { bigint: true });
      return `${dev}:${ino}`;
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw storageError(error, "look at", place.absolute(path));
    }
  };
  const first = await identify(one);
  return first !== undefined && first === (await identify(other));
}
