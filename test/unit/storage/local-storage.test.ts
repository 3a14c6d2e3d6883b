/** What only a directory of this machine can get wrong: modes, failing disks, crashes between two calls. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MonetaError } from "../../../src/common/index.ts";
import type { FileCalls } from "../../../src/storage/index.ts";
import { openLocalStorage, storageErrors, systemCalls } from "../../../src/storage/index.ts";
import { requires } from "../../support/requires.ts";
import type { TemporaryDirectory } from "../../support/temporary-directory.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: TemporaryDirectory;
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "local" });
});
afterEach(() => directory.remove());

const content = Buffer.from("content of a file");

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by a test`), { code });
}

/** The real calls, of which the one numbered `nth` (from 0) fails; counts them. */
function failing(
  nth: number,
  code: string,
): { calls: FileCalls; made: () => number; failed: () => string | undefined } {
  let made = 0;
  let failed: string | undefined;
  const wrapped = Object.entries(systemCalls).map(
    ([name, call]: [string, (...args: never[]) => Promise<unknown>]): [string, unknown] => [
      name,
      (...args: never[]) => {
        // A descriptor that cannot be closed would stay open: close it, then fail.
        if (made++ !== nth) return call(...args);
        failed = name;
        return name === "close"
          ? call(...args).then(() => Promise.reject(systemError(code)))
          : Promise.reject(systemError(code));
      },
    ],
  );
  return { calls: Object.fromEntries(wrapped) as unknown as FileCalls, made: () => made, failed: () => failed };
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

describe("modes", () => {
  const umasks = [0o022, 0o000, 0o077, 0o777];
  let before = 0;
  beforeEach(() => (before = process.umask()));
  afterEach(() => {
    process.umask(before);
  });

  // Workers that are threads cannot change their umask; vitest runs test files in processes.
  test.each(umasks)("files are 0600 and directories 0700 under umask %o", async (umask) => {
    const storage = openLocalStorage(join(directory.path, "root"));
    process.umask(umask);
    const tree = await storage.openTree("server/backup/label");
    const sink = await tree.createFile("data/base/1/1259");
    await sink.write(content);
    await sink.close();
    await tree.makeDirectory("data/empty");
    await tree.commit();
    const file = await storage.createFile("server/wal/segment");
    await file.commit();
    await storage.replaceFile("server/wal_gaps.json", "{}");
    await storage.appendLine("server/wal_index/0.jsonl", "{}");
    process.umask(before);
    const root = join(directory.path, "root");
    const files = [
      "server/backup/label/data/base/1/1259",
      "server/wal/segment",
      "server/wal_gaps.json",
      "server/wal_index/0.jsonl",
    ];
    for (const path of files) expect(modeOf(join(root, path)).toString(8), path).toBe("600");
    const directories = [
      "server",
      "server/backup",
      "server/backup/label",
      "server/backup/label/data/base/1",
      "server/backup/label/data/empty",
    ];
    for (const path of ["", ...directories, "server/wal"])
      expect(modeOf(join(root, path)).toString(8), path).toBe("700");
  });
});

describe("a system call that fails", () => {
  /** A tree of three files; gives the calls made. */
  async function buildTree(root: string, calls: FileCalls): Promise<void> {
    const storage = openLocalStorage(root, { calls });
    const tree = await storage.openTree("server/backup/label");
    try {
      for (const path of ["data/a", "data/b/c", "backup.info"]) {
        const sink = await tree.createFile(path);
        try {
          await sink.write(content);
        } finally {
          await sink.close();
        }
      }
      await tree.commit();
    } catch (error) {
      // What abort itself makes of a dead disk is another matter.
      await tree.abort().catch(() => undefined);
      throw error;
    }
  }

  test.each(["ENOSPC", "EIO"])(
    "%s at any point: the tree never becomes visible, the error says where",
    async (code) => {
      const plain = failing(-1, code);
      await buildTree(join(directory.path, "whole"), plain.calls);
      const total = plain.made();
      expect(total).toBeGreaterThan(20);
      for (let nth = 0; nth < total; nth++) {
        const { calls, failed } = failing(nth, code);
        const root = join(directory.path, `root${nth}`);
        const outcome: unknown = await buildTree(root, calls).then(
          () => undefined,
          (error: unknown) => error,
        );
        const visible = await openLocalStorage(root).stat("server/backup/label");
        expect(outcome, `call ${nth}, ${failed() ?? ""}`).toMatchObject({ name: "MonetaError" });
        expect((outcome as MonetaError).message, `call ${nth}`).toContain(directory.path);
        expect(visible, `call ${nth}, ${failed() ?? ""}`).toBeUndefined();
      }
    },
  );

  test.each([
    ["ENOSPC", "STORAGE_FULL"],
    ["EDQUOT", "STORAGE_FULL"],
    ["EROFS", "STORAGE_READ_ONLY"],
    ["EIO", "STORAGE_IO_ERROR"],
    ["EACCES", "STORAGE_DENIED"],
    ["EMFILE", "STORAGE_TOO_MANY_OPEN_FILES"],
    ["EBUSY", "STORAGE_FAILED"],
  ])("%s is %s of the catalogue", async (system, code) => {
    const calls: FileCalls = { ...systemCalls, write: () => Promise.reject(systemError(system)) };
    const sink = await openLocalStorage(directory.path, { calls }).createFile("file");
    await expect(sink.write(content)).rejects.toMatchObject({ code, details: { system, bytes: content.length } });
    await sink.abort();
  });

  test("a full disk names the path and the bytes, again at the end, and the tree cannot be committed", async () => {
    let full = false;
    const calls: FileCalls = {
      ...systemCalls,
      write: (fd, data, at) => (full ? Promise.reject(systemError("ENOSPC")) : systemCalls.write(fd, data, at)),
    };
    const tree = await openLocalStorage(directory.path, { calls }).openTree("label");
    const sink = await tree.createFile("data/16384");
    await sink.write(content);
    full = true;
    await expect(sink.write(content)).rejects.toMatchObject({
      code: "STORAGE_FULL",
      details: { bytes: content.length },
    });
    await expect(sink.write(content)).rejects.toThrow(/data\/16384/);
    full = false;
    // Space is back, but the file has a hole: it stays spoiled.
    await expect(sink.write(content)).rejects.toSatisfy(storageErrors.full.is);
    await expect(sink.close()).rejects.toSatisfy(storageErrors.full.is);
    await expect(tree.commit()).rejects.toThrow(/16384/);
    await tree.abort();
    expect(readdirSync(directory.path)).toEqual([]);
  });

  test("short writes are completed", async () => {
    const calls: FileCalls = {
      ...systemCalls,
      write: (fd, data, at) => systemCalls.write(fd, data.subarray(0, 3), at),
    };
    const storage = openLocalStorage(directory.path, { calls });
    const sink = await storage.createFile("file");
    await sink.write(content);
    await sink.write(content);
    await sink.commit();
    expect(readFileSync(join(directory.path, "file"))).toEqual(Buffer.concat([content, content]));
  });

  test("short reads are completed, and a file that shrank is named", async () => {
    const calls: FileCalls = { ...systemCalls, read: (fd, into, at) => systemCalls.read(fd, into.subarray(0, 3), at) };
    writeFileSync(join(directory.path, "file"), content);
    const reader = await openLocalStorage(directory.path, { calls }).openFile("file");
    expect(await reader.read(0, 1000)).toEqual(content);
    writeFileSync(join(directory.path, "file"), "short");
    await expect(reader.read(0, 1000)).rejects.toMatchObject({
      code: "STORAGE_FILE_SHRANK",
      details: { size: content.length },
    });
    await reader.close();
  });

  test("an fsync that fails keeps a single file out of view", async () => {
    const calls: FileCalls = { ...systemCalls, fsync: () => Promise.reject(systemError("EIO")) };
    const sink = await openLocalStorage(directory.path, { calls }).createFile("file");
    await sink.write(content);
    await expect(sink.commit()).rejects.toSatisfy(storageErrors.inputOutput.is);
    await expect(sink.commit()).rejects.toSatisfy(storageErrors.inputOutput.is);
    await sink.abort();
    expect(readdirSync(directory.path)).toEqual([]);
  });

  test("a removal that is stopped anywhere is finished by repeating it", async () => {
    for (let nth = 0, done = false; !done; nth++) {
      const plain = openLocalStorage(directory.path);
      const tree = await plain.openTree("label");
      for (const path of ["a", "b/c", "b/d/e"]) await (await tree.createFile(path)).close();
      await tree.commit();
      const { calls, failed } = failing(nth, "EIO");
      await openLocalStorage(directory.path, { calls })
        .removeTree("label")
        .catch((error: unknown) => {
          expect(error).toSatisfy(storageErrors.inputOutput.is);
        });
      done = failed() === undefined;
      for (const name of readdirSync(directory.path)) await plain.removeTree(name);
      expect(readdirSync(directory.path), `call ${nth}`).toEqual([]);
    }
  });
});

describe("foreign things in the directory", () => {
  test("a link is removed, what it leads to stays", async () => {
    mkdirSync(join(directory.path, "precious/below"), { recursive: true });
    writeFileSync(join(directory.path, "precious/below/file"), content);
    mkdirSync(join(directory.path, "root/label"), { recursive: true });
    symlinkSync(join(directory.path, "precious"), join(directory.path, "root/label/link"));
    symlinkSync(join(directory.path, "precious/below/file"), join(directory.path, "root/label/file"));
    const storage = openLocalStorage(join(directory.path, "root"));
    expect(await storage.removeTree("label")).toEqual({ files: 2, directories: 1 });
    expect(readdirSync(join(directory.path, "precious/below"))).toEqual(["file"]);
  });

  test("a directory that belongs on another disk may be a link", async () => {
    mkdirSync(join(directory.path, "elsewhere"));
    mkdirSync(join(directory.path, "root/server"), { recursive: true });
    symlinkSync(join(directory.path, "elsewhere"), join(directory.path, "root/server/wal"));
    const sink = await openLocalStorage(join(directory.path, "root")).createFile("server/wal/segment");
    await sink.write(content);
    await sink.commit();
    expect(readFileSync(join(directory.path, "elsewhere/segment"))).toEqual(content);
  });

  test("a FIFO where a file should be is refused, and nobody waits for who writes into it", async () => {
    execFileSync("mkfifo", [join(directory.path, "fifo")]);
    const storage = openLocalStorage(directory.path);
    for (const use of [storage.openFile("fifo"), storage.readFile("fifo", 100), storage.syncFile("fifo")]) {
      await expect(use).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    }
  });

  test("a file where a directory should be is named", async () => {
    writeFileSync(join(directory.path, "server"), "");
    await expect(openLocalStorage(directory.path).openTree("server/backup/label")).rejects.toThrow(/server/);
  });

  requires("not-root").test("a directory without permission is refused by name", async () => {
    mkdirSync(join(directory.path, "locked"));
    chmodSync(join(directory.path, "locked"), 0o500);
    const attempt = openLocalStorage(directory.path).openTree("locked/label");
    await expect(attempt).rejects.toMatchObject({ code: "STORAGE_DENIED" });
    await expect(attempt).rejects.toThrow(/locked/);
  });
});

requires("not-root").test("a commit whose new name could not be synced is taken back", async () => {
  const storage = openLocalStorage(directory.path);
  const tree = await storage.openTree("backup/label");
  await (await tree.createFile("file")).close();
  // Renaming works, opening the directory to sync it does not.
  chmodSync(join(directory.path, "backup"), 0o300);
  await expect(tree.commit()).rejects.toSatisfy(storageErrors.denied.is);
  chmodSync(join(directory.path, "backup"), 0o700);
  await tree.abort();
  expect(readdirSync(join(directory.path, "backup"))).toEqual([]);
});

/** A file system of one megabyte of our own, where the kernel allows it. */
const ownMounts = ((): boolean => {
  try {
    execFileSync("unshare", ["-Urm", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

requires("unshare", ...(ownMounts ? [] : ["user namespaces"])).test(
  "a file system that is really full, and its space is back after giving up",
  () => {
    const script = join(import.meta.dirname, "../../fixtures/storage/fill-the-disk.ts");
    const command = `mount -t tmpfs -o size=1m none "$1" && exec "$2" --import tsx "$3" "$1"`;
    const mounted = ["-Urm", "sh", "-c", command, "sh", directory.path, process.execPath, script];
    const outcome: unknown = JSON.parse(execFileSync("unshare", mounted, { encoding: "utf8" }));
    expect(outcome).toEqual({
      code: "STORAGE_FULL",
      retryable: true,
      namesThePath: true,
      bytes: 65536,
      committed: false,
      left: [],
      freeAgain: true,
    });
  },
);

describe("sharing a file", () => {
  test.each(["EMLINK", "EPERM", "EXDEV", "EOPNOTSUPP"])("is told apart from failing where the file system says %s", async (code) => {
    const directory = temporaryDirectory({ prefix: "storage" });
    const calls: FileCalls = { ...systemCalls, link: () => Promise.reject(systemError(code)) };
    const storage = openLocalStorage(directory.path, { calls });
    await storage.replaceFile("file", "content");
    const tree = await storage.openTree("tree");
    const why = await tree.shareFile("file", { path: "file", size: 7, completeSince: Date.now() + 60_000 });
    expect(why).toContain(join(directory.path, "file"));
    // Nothing has the name: the file can be stored.
    const sink = await tree.createFile("file");
    await sink.write(Buffer.from("content"));
    await sink.close();
    await tree.commit();
    expect(await storage.list("tree")).toEqual([{ name: "file", kind: "file" }]);
    await directory.remove();
  });

  test("fails where the disk does", async () => {
    const directory = temporaryDirectory({ prefix: "storage" });
    for (const call of ["link", "rename", "lstat"] as const) {
      const root = join(directory.path, call);
      await openLocalStorage(root).replaceFile("file", "content");
      let armed = false;
      const failing = (...args: never[]) => (armed ? Promise.reject(systemError("EIO")) : (systemCalls[call] as (...all: never[]) => Promise<never>)(...args));
      const storage = openLocalStorage(root, { calls: { ...systemCalls, [call]: failing } });
      const tree = await storage.openTree("tree");
      await (await tree.createFile("file")).close();
      armed = true;
      await expect(tree.shareFile("file", { path: "file", size: 7, completeSince: Date.now() + 60_000 })).rejects.toSatisfy(storageErrors.inputOutput.is);
      armed = false;
      await tree.abort();
    }
    await directory.remove();
  });
});
