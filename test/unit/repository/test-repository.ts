/** A real storage in a directory of its own, and short ways to put files into it. */
import { afterEach, beforeEach } from "vitest";
import type { ByteSink, LocalStorage, RandomReader } from "../../../src/storage/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

export interface TestRepository {
  readonly storage: LocalStorage;
  put(path: string, content: string | Uint8Array): Promise<void>;
  text(path: string): Promise<string>;
  /** Writes a file through a sink and opens it. */
  written(path: string, write: (sink: ByteSink) => Promise<unknown>): Promise<RandomReader>;
}

/** A repository for each test of the file. */
export function eachTestHasARepository(): TestRepository {
  let storage: LocalStorage | undefined;
  let remove: () => Promise<void>;
  const readers: RandomReader[] = [];
  beforeEach(() => {
    const directory = temporaryDirectory({ prefix: "repository" });
    storage = openLocalStorage(directory.path);
    remove = () => directory.remove();
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) await reader.close();
    await remove();
  });

  async function put(path: string, content: string | Uint8Array): Promise<void> {
    const sink = await current().createFile(path);
    await sink.write(Buffer.from(content));
    await sink.commit({ replace: true });
  }
  function current(): LocalStorage {
    if (storage === undefined) throw new Error("a repository exists only within a test");
    return storage;
  }

  return {
    get storage() {
      return current();
    },
    put,
    text: async (path) => (await current().readFile(path, 64 * 1024 * 1024)).toString("utf8"),
    written: async (path, write) => {
      const sink = await current().createFile(path);
      await write(sink);
      await sink.commit();
      const reader = await current().openFile(path);
      readers.push(reader);
      return reader;
    },
  };
}

/** `bytes` as an open file, for the many short ones that no disk needs to see. */
export function readerOf(bytes: Uint8Array, name: string): RandomReader {
  const content = Buffer.from(bytes);
  return {
    size: content.length,
    name,
    read: (offset, length) => Promise.resolve(Buffer.from(content.subarray(offset, offset + length))),
    close: () => Promise.resolve(),
  };
}
