/** A directory of this machine as the root of paths, and the modes that Moneta gives to what it makes there. */
import { constants } from "node:fs";
import { resolve } from "node:path";
import { syncDirectory } from "../../common/index.ts";
import { pathToBytes } from "../../postgres/index.ts";
import { storageErrors } from "../errors.ts";
import { checkPath, parentPath } from "../path.ts";
import { attempting, storageError, systemCode } from "../system-error.ts";
import type { FileCalls } from "./file-calls.ts";

export const fileMode = 0o600;
export const directoryMode = 0o700;

/** New file, for writing; an existing name is an error, a link is never followed. */
export const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface Place {
  readonly root: string;
  readonly calls: FileCalls;
  /** Absolute path as text, for messages and for names of our own choice. */
  absolute(path: string): string;
  /** Absolute path as the bytes that the system takes. */
  bytes(path: string): Buffer;
  /** Makes one directory, 0700 whatever the umask. False if something had the name already. */
  makeOne(path: string): Promise<boolean>;
  /** Makes a directory and those above it; with `durable` each new name is synced. */
  makeAll(path: string, durable: boolean): Promise<void>;
}

export function createPlace(root: string, calls: FileCalls): Place {
  const absoluteRoot = resolve(root);
  const prefix = Buffer.from(absoluteRoot === "/" ? "/" : `${absoluteRoot}/`, "utf8");
  const absolute = (path: string): string => (path === "" ? absoluteRoot : resolve(absoluteRoot, checkPath(path)));
  const bytes = (path: string): Buffer =>
    path === "" ? Buffer.from(absoluteRoot, "utf8") : Buffer.concat([prefix, pathToBytes(checkPath(path))]);

  async function makeOne(path: string): Promise<boolean> {
    try {
      await calls.mkdir(bytes(path), directoryMode);
    } catch (error) {
      if (systemCode(error) === "EEXIST") return false;
      throw error;
    }
    const { mode } = await calls.lstat(bytes(path));
    if ((mode & 0o777) !== directoryMode) await calls.chmod(bytes(path), directoryMode);
    return true;
  }

  async function requireDirectory(path: string): Promise<void> {
    const facts = await attempting("look at", absolute(path), () => calls.stat(bytes(path)));
    if (!facts.isDirectory())
      throw storageErrors.exists(`"${absolute(path)}" is not a directory`, { path: absolute(path) });
  }

  async function makeAll(path: string, durable: boolean): Promise<void> {
    const parent = path === "" ? undefined : (parentPath(path) ?? "");
    let made: boolean;
    try {
      made = await makeOne(path);
    } catch (error) {
      if (systemCode(error) !== "ENOENT" || parent === undefined)
        throw storageError(error, "make the directory", absolute(path));
      await makeAll(parent, durable);
      return makeAll(path, durable);
    }
    if (!made) await requireDirectory(path);
    // Also when somebody else made it: he may not have synced its name yet.
    if (durable) await syncDirectory(parent === undefined ? resolve(absoluteRoot, "..") : bytes(parent));
  }

  return { root: absoluteRoot, calls, absolute, bytes, makeOne, makeAll };
}
