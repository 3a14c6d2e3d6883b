import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openFilesystemSync } from "../../../src/common/index.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

const path = process.env["PATH"];
let directory: TemporaryDirectory;

beforeEach(() => {
  directory = temporaryDirectory({ prefix: "mfss" });
});
afterEach(async () => {
  process.env["PATH"] = path;
  await directory.remove();
});

it("syncs through the descriptor that was opened at the start, which hears of every failure since", async () => {
  const tree = join(directory.path, "tree");
  mkdirSync(tree);
  const filesystem = await openFilesystemSync(tree);
  expect(filesystem.coversFiles).toBe(true);
  writeFileSync(join(tree, "file"), "content");
  // Whoever opens the path now finds nothing.
  renameSync(tree, `${tree}.away`);
  await filesystem.sync();
  await filesystem.close();
  await filesystem.close();
  await expect(filesystem.sync()).rejects.toMatchObject({ code: "SYNC_FAILED", message: expect.stringContaining("EBADF") as string });
});

it.each([
  ["4.19.0-27-amd64", 0xef53, false],
  ["5.4.0", 0xef53, false],
  ["5.7.19", 0xef53, false],
  ["5.8.0-1-amd64", 0xef53, true],
  ["5.10.0", 0x58465342, true],
  ["6.1", 0xef53, true],
  ["6.1.0-28-amd64", 0x65735546, false],
  ["10.0", 0xef53, true],
  ["no number", 0xef53, false],
])("hears of every file on Linux %s where the kind of file system is %i: %s", async (release, type, covers) => {
  const filesystem = await openFilesystemSync(directory.path, { release, typeOf: () => Promise.resolve(type) });
  expect(filesystem.coversFiles).toBe(covers);
  await filesystem.sync();
  await filesystem.close();
});

it("says so where no program can make the call, and syncs all the same", async () => {
  const bin = join(directory.path, "bin");
  mkdirSync(bin);
  symlinkSync(execFileSync("sh", ["-c", "command -v sync"], { encoding: "utf8" }).trim(), join(bin, "sync"));
  process.env["PATH"] = bin;
  vi.resetModules();
  const fresh = await import("../../../src/common/index.ts");
  const filesystem = await fresh.openFilesystemSync(directory.path);
  expect(filesystem.coversFiles).toBe(false);
  await filesystem.sync();
  await filesystem.close();
});
