import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createOutputFile } from "../../../src/common/index.ts";

let root = "";
let path = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "moneta-output-"));
  path = join(root, "archive.tar");
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

const names = async (): Promise<string[]> => (await readdir(root)).sort();

it("has its name when it is whole, and never over another", async () => {
  const first = await createOutputFile(path);
  const second = await createOutputFile(path);
  await first.write(Buffer.from("one"));
  await second.write(Buffer.from("two"));
  expect(await names()).toHaveLength(2);
  await first.publish();
  await expect(second.publish()).rejects.toMatchObject({ code: "TARGET_EXISTS" });
  await second.discard();
  expect(await names()).toEqual(["archive.tar"]);
  expect(await readFile(path, "utf8")).toBe("one");
  await expect(createOutputFile(path)).rejects.toMatchObject({ code: "TARGET_EXISTS" });
});

it("takes away what a kill left of it, and nothing that somebody writes or that is another file's", async () => {
  const left = `${path}.0123456789ab.tmp`;
  const others = [`${path}.zstd.0123456789ab.tmp`, `${path}.0123456789ab.tmp.old`, `${path}.somebody.tmp`, join(root, "other.tar.0123456789ab.tmp")];
  for (const each of [left, ...others]) await writeFile(each, "half");
  await symlink(others[0] ?? "", `${path}.aaaaaaaaaaaa.tmp`);
  const written = await createOutputFile(path);
  expect(written.abandoned).toEqual([left]);
  const again = await createOutputFile(path);
  // The first one lives.
  expect(again.abandoned).toEqual([]);
  await again.discard();
  await written.write(Buffer.from("whole"));
  await written.publish();
  expect(await names()).toEqual(["archive.tar", "archive.tar.aaaaaaaaaaaa.tmp", ...others.map((each) => each.slice(root.length + 1))].sort());
});
