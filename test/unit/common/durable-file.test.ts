import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { hideTree, publishFile, publishTree, renewFile, syncFilesystem, writeFileDurably } from "../../../src/common/index.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "moneta-durable-"));
});
afterEach(async () => {
  await chmod(root, 0o700);
  await rm(root, { recursive: true });
});

it.each([writeFileDurably, renewFile])("$name replaces a file with the mode asked for, whatever the umask is, and leaves no temporary one", async (write) => {
  const path = join(root, "a.conf");
  const umask = process.umask(0o077);
  try {
    await write(path, "one", { mode: 0o644 });
    await writeFile(`${path}.tmp`, "left over by a crash", { mode: 0o400 });
    await write(path, "two", { mode: 0o640 });
  } finally {
    process.umask(umask);
  }
  expect(await readFile(path, "utf8")).toBe("two");
  expect((await stat(path)).mode & 0o777).toBe(0o640);
  expect(await readdir(root)).toEqual(["a.conf"]);
});

it.each([writeFileDurably, renewFile])("$name makes nothing when the content cannot be written", async (write) => {
  const path = join(root, "missing", "a.conf");
  await expect(write(path, "x", { mode: 0o600 })).rejects.toMatchObject({ code: "ENOENT" });
  expect(await readdir(root)).toEqual([]);
});

it("publishes a file only under a free name unless replacing is asked for", async () => {
  const temporary = join(root, "t");
  const final = join(root, "f");
  await writeFile(temporary, "new");
  await writeFile(final, "old");
  await expect(publishFile(temporary, final)).rejects.toMatchObject({ code: "TARGET_EXISTS" });
  expect(await readFile(final, "utf8")).toBe("old");
  expect(await readFile(temporary, "utf8")).toBe("new");
  await publishFile(temporary, final, { replace: true });
  expect(await readFile(final, "utf8")).toBe("new");
  expect(await readdir(root)).toEqual(["f"]);
});

it("publishes names of any bytes", async () => {
  const temporary = Buffer.from(join(root, "t"));
  const final = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe, 0x0a])]);
  await writeFile(temporary, "x");
  await publishFile(temporary, final);
  expect(await readdir(root, "buffer")).toEqual([Buffer.from([0xff, 0xfe, 0x0a])]);
});

it("publishes a tree at once and refuses to cover another", async () => {
  await mkdir(join(root, ".tmp", "deep"), { recursive: true });
  await writeFile(join(root, ".tmp", "deep", "file"), "x");
  await publishTree(join(root, ".tmp"), join(root, "tree"), () => syncFilesystem(root));
  expect(await readFile(join(root, "tree", "deep", "file"), "utf8")).toBe("x");
  await mkdir(join(root, ".tmp"));
  await expect(publishTree(join(root, ".tmp"), join(root, "tree"), () => syncFilesystem(root))).rejects.toMatchObject({ code: "TARGET_EXISTS" });
  await hideTree(join(root, "tree"), join(root, ".del"));
  expect((await readdir(root)).sort()).toEqual([".del", ".tmp"]);
});

it("says so when a file system cannot be synced", async () => {
  await expect(syncFilesystem(join(root, "nothing"))).rejects.toMatchObject({ code: "SYNC_FAILED" });
});
