import { describe, expect, it } from "vitest";
import type { BackupOptions } from "../../../src/backup/index.ts";
import type { EntryStore, StoredEntryFile } from "../../../src/backup/entry-store.ts";
import { storeExtraFiles } from "../../../src/backup/extra-files.ts";
import type { FilePipeline, Pipeline } from "../../../src/pipeline/index.ts";
import { replicationErrors, type ServerFiles } from "../../../src/replication/index.ts";

const mebi = 1024 * 1024;
const noSuchFile = (path: string) => replicationErrors.serverError(`could not stat file "${path}": No such file or directory`, { sqlstate: "58P01" });

/** A server with these files; a function is asked at each look. */
function setUp(content: Readonly<Record<string, string | readonly string[] | (() => string)>>, more: Partial<ServerFiles> = {}) {
  const now = (path: string): string | readonly string[] => {
    const found = content[path];
    if (found === undefined) throw noSuchFile(path);
    return typeof found === "function" ? found() : found;
  };
  const stored = new Map<string, string>();
  const directories: string[] = [];
  let opened = 0;
  const files: ServerFiles = {
    missingRights: [],
    unsureOfDirectories: undefined,
    async stat(path) {
      const found = now(path);
      return { directory: typeof found !== "string", size: typeof found === "string" ? found.length : 4096, modified: typeof found === "string" ? found.slice(0, 20) : "", fresh: false };
    },
    list: async (path) => now(path) as readonly string[],
    read: async (path, offset, length) => Buffer.from((now(path) as string).slice(offset, offset + length)),
    close: async () => undefined,
    ...more,
  };
  const signal = new AbortController().signal;
  const store = {
    openFile: ({ path }: StoredEntryFile) => {
      stored.set(path, "");
      return { write: (piece: Uint8Array) => void stored.set(path, stored.get(path) + Buffer.from(piece).toString()) } as FilePipeline;
    },
    endFile: () => undefined,
    directory: (path: string) => void directories.push(path),
    pressure: () => undefined,
    settled: async () => undefined,
    signal,
  } as unknown as EntryStore;
  const pipeline = { signal, pressure: () => undefined } as unknown as Pipeline;
  const waits: number[] = [];
  const take = (...extra: string[]) =>
    storeExtraFiles(
      { extra } as unknown as BackupOptions,
      store,
      pipeline,
      signal,
      async () => {
        opened += 1;
        return files;
      },
      { sleep: async (ms) => void waits.push(ms) },
    );
  return { take, waits, stored, directories, opened: () => opened };
}

describe("extra files", () => {
  it("are stored once, also where paths overlap, and a path counts as there only when all of it is", async () => {
    const { take, stored, directories } = setUp({ "/etc": ["a", "gone"], "/etc/a": "1", "/b": "2" });
    const { paths, warnings } = await take("/etc/a", "/etc", "/b", "/nowhere");
    expect([...stored]).toEqual([["extra/etc/a", "1"], ["extra/b", "2"]]);
    expect(directories).toEqual(["extra/etc"]);
    expect(paths).toEqual(["/etc/a", "/b"]);
    expect(warnings.join("\n")).toMatch(/path "\/etc": \/etc\/gone: could not stat.*\n.*path "\/nowhere": could not stat/);
  });

  it("are not fetched by names that lead elsewhere, whatever the server says", async () => {
    const { take, stored } = setUp({ "/d": ["..", ".", "", "../../etc/passwd", "a\0b", "a\nb", "\udcff", "fine"], "/d/fine": "1" });
    const { paths, warnings } = await take("/d");
    expect([...stored.keys()]).toEqual(["extra/d/fine"]);
    expect(paths).toEqual([]);
    expect(warnings).toHaveLength(7);
  });

  it("that change while they are read are read again, and never taken for whole when they do not hold still", async () => {
    let looks = 0;
    const twice = setUp({ "/log": () => "x".repeat(Math.min(5, (looks += 1))) });
    expect(await twice.take("/log")).toEqual({ paths: ["/log"], warnings: [] });
    expect(twice.stored.get("extra/log")).toBe("xxxxx");
    let more = 0;
    const always = setUp({ "/log": () => "x".repeat((more += 1)) });
    const { paths, warnings } = await always.take("/log");
    expect(paths).toEqual([]);
    expect(warnings.join()).toMatch(/it is written to all the time/);
    expect(always.stored.size).toBe(0);
    let size = 6 * mebi;
    const large = setUp({ "/large": () => "y".repeat((size += 1)) });
    expect((await large.take("/large")).warnings.join()).toMatch(/may be of two moments/);
    expect(large.stored.get("extra/large")).toHaveLength(6 * mebi + 1);
    const cut = setUp({ "/large": "z".repeat(6 * mebi) }, { read: async (_, offset) => Buffer.alloc(offset < 2 * mebi ? mebi : 0, "z") });
    expect((await cut.take("/large")).paths).toEqual([]);
  });

  it("that were modified just now are looked at again when a write would show: the server tells whole seconds", async () => {
    // Written once more in the second of the first look: neither size nor time tell.
    const facts = (fresh: boolean) => ({ directory: false, size: 3, modified: "1764000000", fresh });
    const waited = (): boolean => one.waits.length > 0;
    const one = setUp({}, { stat: async () => facts(!waited()), read: async () => Buffer.from(waited() ? "new" : "old") });
    expect(await one.take("/file")).toEqual({ paths: ["/file"], warnings: [] });
    expect(one.stored.get("extra/file")).toBe("new");
    const always = setUp({}, { stat: async () => facts(true), read: async () => Buffer.from("old") });
    expect((await always.take("/file")).warnings.join()).toMatch(/it is written to all the time/);
    expect([always.stored.size, always.waits.length]).toEqual([0, 4]);
    const large = setUp({}, { stat: async () => ({ ...facts(true), size: 5 * mebi }), read: async (_, __, length) => Buffer.alloc(length) });
    expect((await large.take("/file")).warnings.join()).toMatch(/may be of two moments/);
  });

  it("go on over another connection when one is lost, and say what was lost with it", async () => {
    const { take, opened, stored } = setUp(
      { "/a": "1", "/b": "2" },
      {
        list: async () => [],
        read: async (path) => {
          if (path === "/a") throw replicationErrors.connectionLost("server closed the connection");
          return Buffer.from("2");
        },
      },
    );
    const { paths, warnings } = await take("/a", "/b", "/a");
    expect(opened()).toBe(2);
    expect(paths).toEqual(["/b"]);
    expect(warnings).toHaveLength(2);
    expect([...stored.keys()]).toEqual(["extra/b"]);
  });

  it("of a storage that fails fail the backup", async () => {
    const { take } = setUp({ "/a": "1" }, { read: async () => Promise.reject(new Error("disk")) });
    await expect(take("/a")).rejects.toThrow("disk");
  });

  it("that lead back to themselves come to an end", async () => {
    const { take } = setUp(new Proxy({}, { get: () => ["again", "more"] }));
    const { paths, warnings } = await take("/loop");
    expect(paths).toEqual([]);
    expect(warnings.join()).toMatch(/too deep|more than 100000/);
  });
});
