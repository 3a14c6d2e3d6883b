/** Deleting backups of pgmoneta's into which others have links, and what stays readable at every instant of it. */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { hideBackup, openCatalog, removeHiddenBackup, takeOverLinks } from "../../../src/repository/index.ts";
import { openLocalStorage, storageErrors, systemCalls, type Storage } from "../../../src/storage/index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const foreignInfo = readFileSync(join(import.meta.dirname, "../../fixtures/repository/pgmoneta-0.22-backup.info"), "utf8");
const [a, b, c] = ["20250101000000", "20250102000000", "20250103000000"] as const;
const never = new AbortController().signal;
const sha512 = (text: string): string => createHash("sha512").update(text).digest("hex");
const pathOf = (label: string, path = ""): string => join(repository.storage.root, "primary/backup", label, path);

/** Files by their content; `link:<label>/<path>` is an absolute link, written where the repository was once. */
function lay(label: string, files: Readonly<Record<string, string>>): void {
  const info = foreignInfo.replace("LABEL=20261120090138", `LABEL=${label}`);
  const lines = [`${sha512(info)} *./backup.info`];
  for (const [path, content] of Object.entries({ "backup.info": info, ...files })) {
    mkdirSync(dirname(pathOf(label, path)), { recursive: true });
    if (content.startsWith("link:")) symlinkSync(`/srv/old/primary/backup/${content.slice(5)}`, pathOf(label, path));
    else writeFileSync(pathOf(label, path), content);
    // Of a link the list says nothing that could be relied on.
    if (path !== "backup.info") lines.push(`${content.startsWith("link:") ? "0".repeat(128) : sha512(content)} *./${path}`);
  }
  writeFileSync(pathOf(label, "backup.sha512"), lines.map((line) => `${line}\n`).join(""));
}

function layThree(): void {
  lay(a, { "data/base/1/1": "one", "data/base/1/2": "two", "data/global/3": "three", "data/gone": "gone" });
  lay(b, {
    "data/base/1/1": `link:${a}/data/base/1/1`,
    "data/base/1/2": "two, changed",
    "data/global/3": `link:${a}/data/global/3`,
    "data/lost": `link:${a}/data/lost`,
  });
  // One through the link of the one before, which becomes a file, and one past it.
  lay(c, { "data/base/1/1": `link:${b}/data/base/1/1`, "data/base/1/2": `link:${b}/data/base/1/2`, "data/global/3": `link:${a}/data/global/3` });
  mkdirSync(pathOf(c, "data/pg_tblspc"));
  symlinkSync(`/srv/old/primary/backup/${a}/data/base`, pathOf(c, "data/pg_tblspc/16385"));
}

const read = (label: string, path: string): string => readFileSync(pathOf(label, path), "utf8");
const isLink = (label: string, path: string): boolean => lstatSync(pathOf(label, path)).isSymbolicLink();
const lineOf = (label: string, path: string): string | undefined =>
  read(label, "backup.sha512").split("\n").find((line) => line.endsWith(` *./${path}`))?.split(" ")[0];

describe("a backup of pgmoneta's that others have links into", () => {
  test("leaves them its files, also those reached over another one, and goes", async () => {
    layThree();
    const before = new Map((await openCatalog(repository.storage, "primary").list()).map((info) => [info.label, info.storedBytes]));
    expect(await takeOverLinks(repository.storage, "primary", a, never)).toEqual([
      { label: b, files: 2 },
      { label: c, files: 1 },
    ]);
    await removeHiddenBackup(repository.storage, await hideBackup(repository.storage, "primary", a));
    expect(read(b, "data/base/1/1")).toBe("one");
    for (const label of [b, c]) {
      expect(read(label, "data/global/3")).toBe("three");
      expect(lineOf(label, "data/global/3")).toBe(sha512("three"));
      expect(lineOf(label, "backup.info")).toBe(sha512(read(label, "backup.info")));
      expect(lineOf(label, "backup.sha512")).toBeUndefined();
    }
    // What is none of its business is as it was.
    expect(["data/base/1/1", "data/base/1/2"].map((path) => isLink(c, path))).toEqual([true, true]);
    expect(isLink(b, "data/lost")).toBe(true);
    expect(isLink(c, "data/pg_tblspc/16385")).toBe(true);
    const after = await openCatalog(repository.storage, "primary").list();
    const grown = after.map(({ label, storedBytes }) => [label, storedBytes - (before.get(label) ?? 0)]);
    // Each file counts once, although two backups have it now.
    expect(grown).toEqual([[b, "one".length + "three".length], [c, 0]]);
    // And the next one.
    expect(await takeOverLinks(repository.storage, "primary", b, never)).toEqual([{ label: c, files: 2 }]);
    await removeHiddenBackup(repository.storage, await hideBackup(repository.storage, "primary", b));
    expect(["data/base/1/1", "data/base/1/2", "data/global/3"].map((path) => read(c, path))).toEqual(["one", "two, changed", "three"]);
  });

  test("goes also without room to write down what the others have now", async () => {
    layThree();
    const { storage } = repository;
    let full = false;
    const failing: Storage = {
      ...storage,
      replaceLinks: async (links, temporary) => {
        await storage.replaceLinks(links, temporary);
        full = true;
      },
      createFile: (path) => {
        if (!full) return storage.createFile(path);
        full = false;
        return Promise.reject(storageErrors.full(`no room for "${path}"`));
      },
    };
    const said = `no room for "primary/backup/${b}/backup.sha512"`;
    expect((await takeOverLinks(failing, "primary", a, never))[0]).toEqual({ label: b, files: 2, shortage: said });
    expect(["data/base/1/1", "data/global/3"].map((path) => isLink(b, path))).toEqual([false, false]);
    const broken: Storage = { ...storage, changeFile: () => Promise.reject(storageErrors.inputOutput("the disk fails")) };
    await expect(takeOverLinks(broken, "primary", b, never)).rejects.toSatisfy(storageErrors.inputOutput.is);
  });

  test("can be stopped at any point: every backup stays whole, and a second run ends it", async () => {
    const contents = (): string[] => [b, c].flatMap((label) => ["data/base/1/1", "data/global/3"].map((path) => {
      // The repository has moved: links are followed as they are read.
      if (!isLink(label, path)) return read(label, path);
      return read(a, path);
    }));
    layThree();
    for (let stop = 0; ; stop += 1) {
      let calls = 0;
      let stopped = false;
      const crash = async <T>(call: () => Promise<T>): Promise<T> => {
        if (calls++ !== stop) return call();
        stopped = true;
        throw new Error("the power fails");
      };
      const { storage } = repository;
      const failing: Storage = {
        ...storage,
        createFile: (path) => crash(() => storage.createFile(path)),
        changeFile: (path, most, change) => crash(() => storage.changeFile(path, most, change)),
        replaceLinks: async (links, temporary) => {
          for (const link of links) await crash(() => storage.replaceLinks([link], temporary));
        },
      };
      await takeOverLinks(failing, "primary", a, never).catch(() => undefined);
      expect(contents(), `stopped at call ${stop}`).toEqual(["one", "three", "one", "three"]);
      expect((await openCatalog(storage, "primary").list()).map(({ label }) => label)).toEqual([a, b, c]);
      if (!stopped) break;
    }
    expect([isLink(b, "data/base/1/1"), isLink(b, "data/global/3"), isLink(c, "data/global/3")]).toEqual([false, false, false]);
  });

  test("is left alone when nobody needs it, and a backup that cannot be read keeps what it has", async () => {
    layThree();
    expect(await takeOverLinks(repository.storage, "primary", c, never)).toEqual([]);
    writeFileSync(pathOf(b, "backup.info"), "LABEL=broken\n");
    expect((await takeOverLinks(repository.storage, "primary", a, never)).map(({ label }) => label)).toEqual([b, c]);
    expect(read(b, "data/global/3")).toBe("three");
  });

  test("gives copies where a file cannot have a further name", async () => {
    layThree();
    const { storage } = repository;
    const without = openLocalStorage(storage.root, {
      calls: { ...systemCalls, link: () => Promise.reject(Object.assign(new Error("EXDEV"), { code: "EXDEV" })) },
    });
    await takeOverLinks(without, "primary", a, never);
    expect(read(b, "data/global/3")).toBe("three");
    expect(lstatSync(pathOf(b, "data/global/3")).ino).not.toBe(lstatSync(pathOf(a, "data/global/3")).ino);
    expect(lstatSync(pathOf(b, "data/global/3")).mode & 0o777).toBe(0o600);
  });
});
