/** A storage in a directory of this machine: files 0600, directories 0700, whatever the umask is. */
import type { Dir, Dirent, Stats } from "node:fs";
import { opendir } from "node:fs/promises";
import { dirname } from "node:path";
import { renewFile as renewLocalFile, writeFileDurably } from "../../common/index.ts";
import { pathFromBytes } from "../../postgres/index.ts";
import { checkPath, checkTextPath, lastPart, parentPath } from "../path.ts";
import type { Entry, EntryFacts, EntryKind, LocalStorage, Removal, Space } from "../storage.ts";
import { attempting, storageError, systemCode } from "../system-error.ts";
import { nameState } from "../temporary-name.ts";
import { deleteTree } from "./delete-tree.ts";
import { withDirectory } from "./directory-lock.ts";
import { appendDurableLine, createDurableFile, removeName, syncStoredFile } from "./durable-file.ts";
import { blockingCalls } from "./blocking-calls.ts";
import type { FileCalls } from "./file-calls.ts";
import { systemCalls } from "./file-calls.ts";
import { openFileReader, readSmallFile } from "./file-reader.ts";
import { hidePath, isThere, movePath } from "./hide.ts";
import { createPlace, fileMode } from "./place.ts";
import { openReserve } from "./reserve.ts";
import { replaceLinks } from "./replace-links.ts";
import { isSameFile } from "./same-file.ts";
import { openStoredTree } from "./stored-tree.ts";

export interface LocalStorageOptions {
  /** The system calls to make; tests pass ones that fail. */
  readonly calls?: FileCalls;
  /** Called before anything new is made; what it throws keeps it from being made. */
  readonly guard?: () => Promise<void>;
}

function kindOf(facts: Stats | Dirent): EntryKind {
  if (facts.isFile()) return "file";
  if (facts.isDirectory()) return "directory";
  return facts.isSymbolicLink() ? "symlink" : "other";
}

/** The storage in the directory `root`, which is made with the first thing that is written. */
export function openLocalStorage(root: string, options: LocalStorageOptions = {}): LocalStorage {
  const calls = options.calls ?? systemCalls;
  const place = createPlace(root, calls);
  const reserve = openReserve(place.root);
  const guard = options.guard ?? (() => Promise.resolve());

  async function stat(path: string): Promise<EntryFacts | undefined> {
    try {
      const facts = await calls.stat(place.bytes(path));
      return { size: facts.size, mtimeMs: facts.mtimeMs, kind: kindOf(facts) };
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw storageError(error, "look at", place.absolute(path));
    }
  }

  async function* entries(path: string): AsyncGenerator<Entry> {
    let directory: Dir;
    try {
      directory = await opendir(place.bytes(path), { encoding: "latin1", bufferSize: 256 });
    } catch (error) {
      if (systemCode(error) === "ENOENT") return;
      throw storageError(error, "list", place.absolute(path));
    }
    try {
      for await (const entry of directory) {
        yield { name: pathFromBytes(Buffer.from(entry.name, "latin1")), kind: kindOf(entry) };
      }
    } catch (error) {
      throw storageError(error, "list", place.absolute(path));
    }
  }

  async function list(path: string): Promise<Entry[]> {
    const found: Entry[] = [];
    for await (const entry of entries(path)) found.push(entry);
    return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  async function removeTree(path: string): Promise<Removal> {
    if (nameState(lastPart(path)).state !== "visible") return deleteTree(place, path);
    if (!(await isThere(place, path))) return { files: 0, directories: 0 };
    return deleteTree(place, await reserve.spend(() => hidePath(place, checkTextPath(path))));
  }

  /** Room where `absolute` is, or where it will be once it is made. */
  async function freeSpace(absolute: string): Promise<Space> {
    try {
      const facts = await calls.statfs(Buffer.from(absolute, "utf8"));
      return { total: facts.blocks * facts.bsize, free: facts.bavail * facts.bsize };
    } catch (error) {
      if (systemCode(error) === "ENOENT" && absolute !== "/") return freeSpace(dirname(absolute));
      throw storageError(error, "ask for the free space of", absolute);
    }
  }

  async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
    checkTextPath(path);
    await guard();
    await makeDirectory(parentPath(path) ?? "");
    const bytes = typeof content === "string" ? Buffer.byteLength(content) : content.length;
    try {
      await reserve.spend(() => writeFileDurably(place.absolute(path), content, { mode: fileMode }));
    } catch (error) {
      throw storageError(error, "write", place.absolute(path), bytes);
    }
  }

  async function renewFile(path: string, content: string | Uint8Array): Promise<void> {
    checkTextPath(path);
    await guard();
    try {
      await reserve.spend(() => renewLocalFile(place.absolute(path), content, { mode: fileMode }));
    } catch (error) {
      // Its directory is missing, or something else is wrong that shows once more.
      if (systemCode(error) === "ENOENT") await replaceFile(path, content);
      else throw storageError(error, "write", place.absolute(path), Buffer.byteLength(content));
    }
  }

  const makeDirectory = (path: string): Promise<void> => reserve.spend(() => place.makeAll(path, true));

  /** `make` makes something at a path that was found to be one. */
  async function guarded<T>(make: () => Promise<T>): Promise<T> {
    await guard();
    return make();
  }

  return {
    root: place.root,
    threads: calls === systemCalls || calls === blockingCalls,
    absolutePath: (path) => place.absolute(checkPath(path)),
    openTree: async (path) => guarded(() => openStoredTree(place, checkTextPath(path))),
    createFile: async (path) => guarded(() => createDurableFile(place, checkPath(path))),
    replaceFile,
    renewFile,
    changeFile: (path, maxBytes, change) =>
      withDirectory(place, parentPath(checkTextPath(path)) ?? "", async () =>
        replaceFile(path, change(await readSmallFile(place, path, maxBytes))),
      ),
    exclusively: async (path, work) => {
      await guarded(() => makeDirectory(checkTextPath(path)));
      return withDirectory(place, path, work);
    },
    appendLine: async (path, line) => guarded(() => reserve.spend(() => appendDurableLine(place, checkPath(path), line))),
    openFile: async (path) => openFileReader(place, checkPath(path)),
    readFile: async (path, maxBytes) => readSmallFile(place, checkPath(path), maxBytes),
    stat,
    isSameFile: (one, other) => isSameFile(place, one, other),
    entries,
    list,
    readLink: async (path) => {
      const target = await attempting("follow the link", place.absolute(path), () => calls.readlink(place.bytes(path)));
      return pathFromBytes(target);
    },
    replaceLinks: async (links, temporary) => guarded(() => replaceLinks(place, reserve, links, temporary)),
    makeDirectory: async (path) => guarded(() => makeDirectory(checkPath(path))),
    syncFile: async (path) => syncStoredFile(place, checkPath(path)),
    removeFile: async (path) => removeName(place, checkPath(path)),
    move: async (from, to) =>
      guarded(() =>
        reserve.spend(async () => {
          checkTextPath(from);
          await place.makeAll(parentPath(checkTextPath(to)) ?? "", true);
          return movePath(place, from, to);
        }),
      ),
    hideTree: async (path) => reserve.spend(() => hidePath(place, checkTextPath(path))),
    removeTree,
    freeSpace: (path = "") => freeSpace(place.absolute(path)),
  };
}
