/** What every storage driver must do. A new driver adds a line to `drivers`. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commonErrors } from "../../src/common/index.ts";
import { pathFromBytes } from "../../src/postgres/index.ts";
import type { ByteSink, Storage } from "../../src/storage/index.ts";
import { openLocalStorage, storageErrors } from "../../src/storage/index.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface Driver {
  readonly name: string;
  readonly open: () => Promise<{ storage: Storage; close: () => Promise<void> }>;
}

const drivers: readonly Driver[] = [
  {
    name: "local",
    open: async () => {
      const directory = temporaryDirectory({ prefix: "storage" });
      return { storage: openLocalStorage(`${directory.path}/root`), close: () => directory.remove() };
    },
  },
];

const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
const odd = pathFromBytes(Buffer.from([0x61, 0xff, 0x0a, 0x22, 0x5c, 0x20, 0xc3, 0xa9]));

async function fill(sink: ByteSink, ...pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) await sink.write(piece);
  await sink.close();
}

async function put(storage: Storage, path: string, content: string): Promise<void> {
  const sink = await storage.createFile(path);
  await sink.write(bytes(content));
  await sink.commit({ replace: true });
}

async function content(storage: Storage, path: string): Promise<string> {
  return (await storage.readFile(path, 1024 * 1024)).toString("utf8");
}

async function names(storage: Storage, path: string): Promise<string[]> {
  return (await storage.list(path)).map(({ name }) => name);
}

describe.each(drivers)("a storage: $name", ({ open }) => {
  let storage: Storage;
  let close: () => Promise<void>;
  beforeEach(async () => ({ storage, close } = await open()));
  afterEach(() => close());

  describe("trees", () => {
    test("are invisible until the commit and complete from then on", async () => {
      const tree = await storage.openTree("primary/backup/20261120090138");
      await fill(await tree.createFile("data/base/1/1259"), bytes("relation "), bytes("bytes"));
      await fill(await tree.createFile("backup.info"), bytes("info"));
      await tree.makeDirectory("data/pg_twophase");
      expect(await storage.stat("primary/backup/20261120090138")).toBeUndefined();
      await tree.commit();
      expect(await content(storage, "primary/backup/20261120090138/data/base/1/1259")).toBe("relation bytes");
      expect(await names(storage, "primary/backup/20261120090138")).toEqual(["backup.info", "data"]);
      expect(await names(storage, "primary/backup/20261120090138/data")).toEqual(["base", "pg_twophase"]);
      expect(await names(storage, "primary/backup")).toEqual(["20261120090138"]);
    });

    test("leave nothing behind when they are given up, with files still open", async () => {
      const tree = await storage.openTree("primary/backup/20261120090138");
      await fill(await tree.createFile("a/b/c"), bytes("x"));
      const left = await tree.createFile("open");
      await left.write(bytes("x"));
      await left.abort();
      await tree.abort();
      expect(await names(storage, "primary/backup")).toEqual([]);
    });

    test("share stored files: each tree can go, and nobody's writing reaches the other", async () => {
      const past = { completeSince: Date.now() + 60_000 };
      const first = await storage.openTree("first");
      await fill(await first.createFile("a/file"), bytes("content"));
      await fill(await first.createFile("other"), bytes("other"));
      await first.commit();
      const second = await storage.openTree("second");
      // Where nothing has the name, with the directory still to be made; over a file that is there; over one being written.
      expect(await second.shareFile("deep/below/file", { path: "first/a/file", size: 7, ...past })).toBeUndefined();
      await fill(await second.createFile("there"), bytes("something longer"));
      expect(await second.shareFile("there", { path: "first/a/file", size: 7, ...past })).toBeUndefined();
      const sink = await second.createFile("open");
      await sink.write(bytes("half"));
      expect(await second.shareFile("open", { path: "first/other", size: 5, ...past })).toBeUndefined();
      await sink.write(bytes("written"));
      await sink.close();
      await second.commit();
      expect(await names(storage, "second")).toEqual(["deep", "open", "there"]);
      expect(await storage.isSameFile("first/a/file", "second/there")).toBe(true);
      expect(await storage.isSameFile("first/a/file", "second/open")).toBe(false);
      expect(await storage.isSameFile("first/a/none", "second/none")).toBe(false);
      await storage.removeTree("first");
      expect(await storage.isSameFile("first/a/file", "second/there")).toBe(false);
      for (const path of ["deep/below/file", "there"]) expect(await content(storage, `second/${path}`)).toBe("content");
      expect(await content(storage, "second/open")).toBe("other");

      const third = await storage.openTree("third");
      expect(await third.shareFile("file", { path: "second/there", size: 7, ...past })).toBeUndefined();
      await third.abort();
      expect(await content(storage, "second/there")).toBe("content");
    });

    test("share nothing that is not as it was stored, say why, and keep what they have", async () => {
      await put(storage, "file", "content");
      await storage.makeDirectory("directory");
      const tree = await storage.openTree("tree");
      await fill(await tree.createFile("kept"), bytes("kept"));
      const later = Date.now() + 60_000;
      expect(await tree.shareFile("kept", { path: "file", size: 8, completeSince: later })).toMatch(/"[^"]*file" has 7 bytes instead of 8/);
      expect(await tree.shareFile("kept", { path: "gone/file", size: 7, completeSince: later })).toMatch(/not there/);
      expect(await tree.shareFile("kept", { path: "directory", size: 7, completeSince: later })).toMatch(/not a file/);
      expect(await tree.shareFile("kept", { path: "file", size: 7, completeSince: 1000 })).toMatch(/written to after/);
      await tree.commit();
      expect(await names(storage, "tree")).toEqual(["kept"]);
      expect(await content(storage, "tree/kept")).toBe("kept");
    });

    test("are not committed while a file is open", async () => {
      const tree = await storage.openTree("t");
      const sink = await tree.createFile("file");
      await expect(tree.commit()).rejects.toSatisfy(storageErrors.misuse.is);
      await sink.close();
      await tree.commit();
      expect(await names(storage, "t")).toEqual(["file"]);
    });

    test("are not committed when a file was given up", async () => {
      const tree = await storage.openTree("t");
      await (await tree.createFile("file")).abort();
      await expect(tree.commit()).rejects.toSatisfy(storageErrors.misuse.is);
      await tree.abort();
      expect(await storage.stat("t")).toBeUndefined();
    });

    test("take nothing more after the commit", async () => {
      const tree = await storage.openTree("t");
      await tree.commit();
      await expect(tree.createFile("late")).rejects.toSatisfy(storageErrors.misuse.is);
      await expect(tree.makeDirectory("late")).rejects.toSatisfy(storageErrors.misuse.is);
      await tree.abort();
      expect((await storage.stat("t"))?.kind).toBe("directory");
    });

    test("never take the name of something that exists, nor of an unfinished tree", async () => {
      await put(storage, "taken", "x");
      await expect(storage.openTree("taken")).rejects.toSatisfy(storageErrors.exists.is);
      await storage.openTree("unfinished");
      await expect(storage.openTree("unfinished")).rejects.toSatisfy(storageErrors.exists.is);
    });

    test("never overwrite a file of their own", async () => {
      const tree = await storage.openTree("t");
      await fill(await tree.createFile("same"), bytes("first"));
      await expect(tree.createFile("same")).rejects.toSatisfy(storageErrors.exists.is);
      await tree.commit();
      expect(await content(storage, "t/same")).toBe("first");
    });

    test("keep names of any bytes", async () => {
      const tree = await storage.openTree("t");
      await fill(await tree.createFile(`${odd}/${odd}`), bytes("odd"));
      await tree.commit();
      expect(await names(storage, "t")).toEqual([odd]);
      expect(await content(storage, `t/${odd}/${odd}`)).toBe("odd");
      await storage.removeTree("t");
      expect(await storage.stat("t")).toBeUndefined();
    });

    test("hold many files in many directories, written side by side", async () => {
      const tree = await storage.openTree("t");
      const paths = Array.from({ length: 500 }, (_, n) => `d${n % 7}/e${n % 3}/f${n}`);
      await Promise.all(paths.map(async (path) => fill(await tree.createFile(path), bytes(path))));
      await tree.commit();
      for (const path of paths) expect(await content(storage, `t/${path}`)).toBe(path);
    });

    test("hold links that stay within them and refuse those that do not", async () => {
      const tree = await storage.openTree("t");
      await fill(await tree.createFile("tblspc_a/PG_15/1"), bytes("in a tablespace"));
      await tree.makeSymlink("data/pg_tblspc/16385", "../../tblspc_a");
      for (const target of ["/etc", "../../../outside", "", "a/../../../../x"]) {
        await expect(tree.makeSymlink("data/pg_tblspc/1", target)).rejects.toSatisfy(storageErrors.pathRefused.is);
      }
      await tree.commit();
      expect(await content(storage, "t/data/pg_tblspc/16385/PG_15/1")).toBe("in a tablespace");
      expect(await storage.readLink("t/data/pg_tblspc/16385")).toBe("../../tblspc_a");
      expect(await storage.list("t/data/pg_tblspc")).toEqual([{ name: "16385", kind: "symlink" }]);
    });
  });

  test("links give way to what they lead to, and stay when it goes; again, and after a stop, the same", async () => {
    const tree = await storage.openTree("t");
    await fill(await tree.createFile("own/a"), bytes("first"));
    await fill(await tree.createFile(`own/${odd}`), bytes("second"));
    await tree.makeSymlink("b", "own/a");
    await tree.makeSymlink(`c/${odd}`, `../own/${odd}`);
    await tree.commit();
    await put(storage, "beside", "what a crash left");
    const links = [
      { path: "t/b", source: "t/own/a" },
      { path: `t/c/${odd}`, source: `t/own/${odd}` },
    ];
    for (let round = 0; round < 2; round += 1) {
      await storage.replaceLinks(links, "beside");
      expect(await storage.list("t/c")).toEqual([{ name: odd, kind: "file" }]);
      expect(await storage.stat("beside")).toBeUndefined();
    }
    await storage.removeTree("t/own");
    expect(await content(storage, "t/b")).toBe("first");
    expect(await content(storage, `t/c/${odd}`)).toBe("second");
    await expect(storage.replaceLinks([{ path: "t/b", source: "t/own/a" }], "beside")).rejects.toSatisfy(storageErrors.notFound.is);
    expect(await content(storage, "t/b")).toBe("first");
  });

  describe("single files", () => {
    test("are invisible until the commit", async () => {
      const sink = await storage.createFile("primary/wal/000000010000000000000001.zstd");
      await sink.write(bytes("segment"));
      await sink.close();
      expect(await storage.stat("primary/wal/000000010000000000000001.zstd")).toBeUndefined();
      await sink.commit();
      expect(await content(storage, "primary/wal/000000010000000000000001.zstd")).toBe("segment");
      expect(await names(storage, "primary/wal")).toEqual(["000000010000000000000001.zstd"]);
    });

    test("replace another only when asked to, and the loser leaves nothing behind", async () => {
      const first = await storage.createFile("file");
      const second = await storage.createFile("file");
      await first.write(bytes("first"));
      await second.write(bytes("second"));
      await first.commit();
      await expect(second.commit()).rejects.toSatisfy(commonErrors.targetExists.is);
      await second.abort();
      expect(await content(storage, "file")).toBe("first");
      await put(storage, "file", "third");
      expect(await content(storage, "file")).toBe("third");
      expect(await names(storage, "")).toEqual(["file"]);
    });

    test("disappear when they are given up, before or after their end", async () => {
      const early = await storage.createFile("early");
      await early.write(bytes("x"));
      await early.abort();
      const late = await storage.createFile("late");
      await fill(late, bytes("x"));
      await late.abort();
      await late.abort();
      expect(await names(storage, "")).toEqual([]);
    });

    test("are written in the order of the calls, also without waiting", async () => {
      const sink = await storage.createFile("file");
      const writes = Array.from({ length: 200 }, (_, n) => sink.write(bytes(`${n},`)));
      await sink.commit();
      await Promise.all(writes);
      expect(await content(storage, "file")).toBe(Array.from({ length: 200 }, (_, n) => `${n},`).join(""));
    });

    test("take nothing after their end", async () => {
      const sink = await storage.createFile("file");
      await sink.close();
      await expect(sink.write(bytes("late"))).rejects.toSatisfy(storageErrors.misuse.is);
      await sink.commit();
      await expect(sink.commit()).rejects.toSatisfy(storageErrors.misuse.is);
      expect(await content(storage, "file")).toBe("");
    });

    test("are changed one after the other: no change is lost, and one that throws writes nothing", async () => {
      await storage.replaceFile("a/count", "0");
      const onceMore = (before: Buffer): string => String(Number(before.toString()) + 1);
      await Promise.all(Array.from({ length: 20 }, () => storage.changeFile("a/count", 100, onceMore)));
      expect(await content(storage, "a/count")).toBe("20");
      const refuse = (): string => {
        throw new Error("not this one");
      };
      await expect(storage.changeFile("a/count", 100, refuse)).rejects.toThrow("not this one");
      await expect(storage.changeFile("a/none", 100, onceMore)).rejects.toSatisfy(storageErrors.notFound.is);
      expect(await content(storage, "a/count")).toBe("20");
    });

    test("are safe in a directory while somebody works in it, also one that was not there", async () => {
      const steps: string[] = [];
      const work = (name: string) => async (): Promise<string> => {
        steps.push(`${name} begins`);
        await storage.replaceFile("busy/file", name);
        steps.push(`${name} ends`);
        return name;
      };
      expect(await Promise.all(["a", "b", "c"].map((name) => storage.exclusively("busy", work(name))))).toEqual(["a", "b", "c"]);
      // Whoever comes first: nobody began while another one was at work.
      for (let at = 0; at < steps.length; at += 2) expect(steps[at + 1]).toBe(steps[at]?.replace("begins", "ends"));
      const failing = storage.exclusively("busy", () => Promise.reject(new Error("in vain")));
      await expect(failing).rejects.toThrow("in vain");
      await storage.exclusively("busy", async () => undefined);
    });

    test.each(["replaceFile", "renewFile"] as const)("are replaced as a whole by %s", async (replace) => {
      await storage[replace]("a/b/info", "a long first content");
      await storage[replace]("a/b/info", bytes("short"));
      expect(await content(storage, "a/b/info")).toBe("short");
      expect(await names(storage, "a/b")).toEqual(["info"]);
    });
  });

  describe("reading", () => {
    test("gives any range, cut at the end of the file", async () => {
      await put(storage, "file", "0123456789");
      const reader = await storage.openFile("file");
      expect(reader.size).toBe(10);
      const ranges = await Promise.all([
        reader.read(0, 4),
        reader.read(8, 100),
        reader.read(10, 5),
        reader.read(50, 5),
        reader.read(3, 0),
      ]);
      expect(ranges.map((range) => range.toString())).toEqual(["0123", "89", "", "", ""]);
      await reader.close();
      await reader.close();
    });

    test("goes on while the file loses its name", async () => {
      await put(storage, "file", "still here");
      const reader = await storage.openFile("file");
      expect(await storage.removeFile("file")).toBe(true);
      expect((await reader.read(0, 100)).toString()).toBe("still here");
      await reader.close();
    });

    test("names what is missing, and refuses a directory", async () => {
      await storage.makeDirectory("directory");
      await expect(storage.openFile("absent/file")).rejects.toThrow(/absent\/file/);
      await expect(storage.openFile("absent/file")).rejects.toSatisfy(storageErrors.notFound.is);
      await expect(storage.openFile("directory")).rejects.toSatisfy(storageErrors.failed.is);
    });

    test("of a small file has a bound", async () => {
      await put(storage, "file", "12345");
      expect(await storage.readFile("file", 5)).toEqual(bytes("12345"));
      await expect(storage.readFile("file", 4)).rejects.toThrow(/5 bytes, expected at most 4/);
    });

    test("facts: size, kind, absence, what a file is not", async () => {
      await put(storage, "directory/file", "12345");
      expect(await storage.stat("directory/file")).toMatchObject({ size: 5, kind: "file" });
      expect(await storage.stat("directory")).toMatchObject({ kind: "directory" });
      expect(await storage.stat("directory/absent")).toBeUndefined();
      expect(await storage.stat("directory/file/below")).toBeUndefined();
      expect(await storage.list("absent")).toEqual([]);
    });
  });

  describe("lines", () => {
    test("are appended one after the other", async () => {
      expect(await storage.appendLine("primary/wal_index/0000000100000000.jsonl", "one")).toBe(0);
      expect(await storage.appendLine("primary/wal_index/0000000100000000.jsonl", "two é")).toBe(0);
      expect(await content(storage, "primary/wal_index/0000000100000000.jsonl")).toBe("one\ntwo é\n");
    });

    test("a torn last line is cut off, wherever it was torn", async () => {
      const line = "a line that a crash tore";
      for (let length = 1; length <= line.length; length++) {
        await put(storage, "torn", `whole\n${line.slice(0, length)}`);
        expect(await storage.appendLine("torn", "next")).toBe(length);
        expect(await content(storage, "torn")).toBe("whole\nnext\n");
      }
    });

    test("a torn line longer than any buffer, and one that is all there is", async () => {
      await put(storage, "torn", `whole\n${"x".repeat(100_000)}`);
      expect(await storage.appendLine("torn", "next")).toBe(100_000);
      expect(await content(storage, "torn")).toBe("whole\nnext\n");
      await put(storage, "only", "x".repeat(10_000));
      expect(await storage.appendLine("only", "next")).toBe(10_000);
      expect(await content(storage, "only")).toBe("next\n");
    });

    test("a line has no line break inside", async () => {
      await expect(storage.appendLine("file", "two\nlines")).rejects.toSatisfy(storageErrors.misuse.is);
    });
  });

  describe("removal", () => {
    async function makeTree(path: string): Promise<void> {
      const tree = await storage.openTree(path);
      for (const file of ["backup.info", "data/base/1/1", "data/base/1/2", "data/global/3"]) {
        await fill(await tree.createFile(file), bytes(file));
      }
      await tree.makeSymlink("data/link", "base/1");
      await tree.commit();
    }

    test("takes a whole tree and says how much it was", async () => {
      await makeTree("primary/backup/1");
      expect(await storage.removeTree("primary/backup/1")).toEqual({ files: 5, directories: 5 });
      expect(await names(storage, "primary/backup")).toEqual([]);
      expect(await storage.removeTree("primary/backup/1")).toEqual({ files: 0, directories: 0 });
    });

    test("hides first, and can go on from there", async () => {
      await makeTree("primary/backup/1");
      const hidden = await storage.hideTree("primary/backup/1");
      expect(hidden).toBe("primary/backup/.del_1");
      expect(await storage.stat("primary/backup/1")).toBeUndefined();
      expect(await storage.removeTree(hidden)).toEqual({ files: 5, directories: 5 });
      expect(await names(storage, "primary/backup")).toEqual([]);
    });

    test("hides also when an earlier removal of the same name was stopped", async () => {
      await makeTree("1");
      await storage.hideTree("1");
      await makeTree("1");
      expect(await storage.hideTree("1")).toBe(".del_1~2");
      expect(await names(storage, "")).toEqual([".del_1", ".del_1~2"]);
    });

    test("can be repeated after it was stopped at any point", async () => {
      await makeTree("1");
      const hidden = await storage.hideTree("1");
      await storage.removeFile(`${hidden}/data/base/1/1`);
      await storage.removeTree(`${hidden}/data/global`);
      expect((await storage.removeTree(hidden)).files).toBe(3);
      expect(await names(storage, "")).toEqual([]);
    });

    test("never follows a link", async () => {
      await put(storage, "outside/precious", "x");
      const tree = await storage.openTree("t");
      await tree.makeSymlink("link", "sub/../link2");
      await tree.commit();
      await makeTree("other");
      await storage.removeTree("t");
      expect(await names(storage, "outside")).toEqual(["precious"]);
    });

    test("of a file says whether there was one", async () => {
      await put(storage, "file", "x");
      expect(await storage.removeFile("file")).toBe(true);
      expect(await storage.removeFile("file")).toBe(false);
      expect(await storage.removeFile("absent/file")).toBe(false);
    });
  });

  test("files and trees get another path, once, and never that of something else", async () => {
    await put(storage, "a/tree/file", "content");
    await put(storage, "other", "x");
    expect(await storage.move("a/tree", "b/c/tree")).toBe(true);
    expect(await storage.move("a/tree", "b/c/tree")).toBe(false);
    expect((await storage.readFile("b/c/tree/file", 100)).toString()).toBe("content");
    expect(await storage.list("a")).toEqual([]);
    for (const to of ["other", "b/c"]) {
      await expect(storage.move("b/c/tree/file", to)).rejects.toSatisfy(storageErrors.exists.is);
    }
    expect(await storage.move("b/c/tree/file", "file")).toBe(true);
    expect((await storage.readFile("file", 100)).toString()).toBe("content");
  });

  test("no path leads out of the storage", async () => {
    const bad = ["..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "./a", ".", "", "a\0b", "a/./b"];
    for (const path of bad) {
      const calls: (() => Promise<unknown>)[] = [
        () => storage.openTree(path),
        () => storage.createFile(path),
        () => storage.openFile(path),
        () => storage.replaceFile(path, "x"),
        () => storage.renewFile(path, "x"),
        () => storage.appendLine(path, "x"),
        () => storage.removeFile(path),
        () => storage.makeDirectory(path),
        () => storage.hideTree(path),
        () => storage.move(path, "x"),
        () => storage.move("x", path),
      ];
      for (const call of calls)
        await expect(call(), JSON.stringify(path)).rejects.toSatisfy(storageErrors.pathRefused.is);
    }
    const tree = await storage.openTree("t");
    for (const path of bad)
      await expect(tree.createFile(path), JSON.stringify(path)).rejects.toSatisfy(storageErrors.pathRefused.is);
  });

  test("what is written is what is read, in whatever pieces", async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), async (pieces) => {
        const path = `file${number++}`;
        const sink = await storage.createFile(path);
        await fill(sink, ...pieces);
        await sink.commit();
        expect(await storage.readFile(path, 10_000)).toEqual(Buffer.concat(pieces));
      }),
      { numRuns: 25 },
    );
  });

  test("knows how much room there is, also before anything was written", async () => {
    const space = await storage.freeSpace();
    expect(space.free).toBeGreaterThan(0);
    expect(space.total).toBeGreaterThanOrEqual(space.free);
  });
});
