/** A tree of files built under a temporary name. One syncfs before the rename covers all of its files, where it can be had. */
import { openFilesystemSync, publishTree } from "../../common/index.ts";
import { pathToBytes } from "../../postgres/index.ts";
import { storageErrors } from "../errors.ts";
import { checkLinkTarget, checkPath, lastPart, parentPath, withLastPart } from "../path.ts";
import type { SharedFile, StoredTree } from "../storage.ts";
import type { ByteSink } from "../streams.ts";
import { attempting, storageError, systemCode } from "../system-error.ts";
import { temporaryName } from "../temporary-name.ts";
import { hidePath, isThere } from "./hide.ts";
import { createFileSink } from "./file-sink.ts";
import { createFileSharing } from "./file-sharing.ts";
import type { Place } from "./place.ts";
import { createFlags, directoryMode, fileMode } from "./place.ts";
import { deleteTree } from "./delete-tree.ts";

/** Starts the tree `path` of `place`. */
export async function openStoredTree(place: Place, path: string): Promise<StoredTree> {
  const { calls } = place;
  const temporaryPath = withLastPart(path, temporaryName(lastPart(path)));
  await place.makeAll(parentPath(path) ?? "", true);
  for (const taken of [path, temporaryPath]) {
    if (await isThere(place, taken))
      throw storageErrors.exists(`"${place.absolute(taken)}" exists already`, { path: place.absolute(taken) });
  }
  const made = await attempting("make the directory", place.absolute(temporaryPath), async () => {
    await calls.mkdir(place.bytes(temporaryPath), directoryMode);
    const facts = await calls.lstat(place.bytes(temporaryPath));
    await calls.chmod(place.bytes(temporaryPath), directoryMode);
    return facts;
  });
  // A new directory shows which of our bits the umask takes; normally none, and no file needs a chmod.
  const umaskHidesOurBits = (made.mode & 0o777) !== directoryMode;
  const share = createFileSharing(place, temporaryPath, made.uid);

  const filesystem = await attempting("open", place.absolute(temporaryPath), () => openFilesystemSync(place.absolute(temporaryPath)));

  let state: "building" | "committing" | "committed" | "aborted" = "building";
  let openFiles = 0;
  let spoiled: string | undefined;
  const inTree = (relative: string): string => `${temporaryPath}/${checkPath(relative)}`;

  function requireBuilding(relative: string): void {
    if (state !== "building") {
      throw storageErrors.misuse(`"${relative}" was added to "${path}" after that tree had ended`, { path });
    }
  }

  /** Makes what lies above `relative` only when the first attempt misses it: no list of directories is kept. */
  async function withParents<T>(relative: string, attempt: string, call: (bytes: Buffer) => Promise<T>): Promise<T> {
    requireBuilding(relative);
    const target = inTree(relative);
    try {
      return await call(place.bytes(target));
    } catch (error) {
      const parent = parentPath(target);
      if (systemCode(error) !== "ENOENT" || parent === undefined || parent === temporaryPath) {
        throw storageError(error, attempt, place.absolute(target));
      }
      await place.makeAll(parent, false);
      return attempting(attempt, place.absolute(target), () => call(place.bytes(target)));
    }
  }

  async function createFile(relative: string): Promise<ByteSink> {
    const fd = await withParents(relative, "create", (bytes) => calls.open(bytes, createFlags, fileMode));
    if (umaskHidesOurBits) {
      await attempting("set the mode of", place.absolute(inTree(relative)), () => calls.fchmod(fd, fileMode));
    }
    openFiles += 1;
    const onEnd = (whole: boolean): void => {
      openFiles -= 1;
      if (!whole) spoiled ??= relative;
    };
    return createFileSink(place, fd, inTree(relative), { sync: !filesystem.coversFiles, onEnd });
  }

  async function makeDirectory(relative: string): Promise<void> {
    requireBuilding(relative);
    await place.makeAll(inTree(relative), false);
  }

  async function makeSymlink(relative: string, target: string): Promise<void> {
    checkLinkTarget(relative, target);
    await withParents(relative, "make the link", (bytes) => calls.symlink(pathToBytes(target), bytes));
  }

  async function shareFile(relative: string, source: SharedFile): Promise<string | undefined> {
    requireBuilding(relative);
    return share(inTree(relative), source);
  }

  async function commit(): Promise<void> {
    requireBuilding("the commit");
    if (openFiles > 0)
      throw storageErrors.misuse(`"${path}" cannot be committed: ${openFiles} files are still open`, { path });
    if (spoiled !== undefined) {
      throw storageErrors.misuse(`"${path}" cannot be committed: "${spoiled}" was not written whole`, {
        path,
        file: spoiled,
      });
    }
    state = "committing";
    await attempting("commit", place.absolute(path), () =>
      publishTree(place.absolute(temporaryPath), place.absolute(path), () => filesystem.sync()),
    );
    state = "committed";
    await filesystem.close();
  }

  async function abort(): Promise<void> {
    if (state === "committed") return;
    // A commit can fail after the rename, when the new name could not be synced: what has failed must not stay visible.
    const renamed = state === "committing" && !(await isThere(place, temporaryPath));
    state = "aborted";
    await filesystem.close();
    await deleteTree(place, renamed ? await hidePath(place, path) : temporaryPath);
  }

  return { path, temporaryPath, createFile, makeDirectory, makeSymlink, shareFile, commit, abort };
}
