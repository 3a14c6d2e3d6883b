import { chown, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { createMasterKey, readMasterKey } from "../../src/vault/index.ts";
import { requires } from "../support/requires.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

requires("root").test("a master key, or its directory, of another account is refused", async () => {
  const directory = join(temporaryDirectory().path, ".pgmoneta");
  const path = join(directory, "master.key");
  await createMasterKey(path, "a pass phrase");
  expect(await readFile(path, "utf8")).not.toBe("");
  for (const [one, back] of [
    [path, directory],
    [directory, path],
  ] as const) {
    await chown(one, 65_534, 65_534);
    await chown(back, 0, 0);
    await expect(readMasterKey(path)).rejects.toMatchObject({ code: "UNSAFE_PERMISSIONS" });
  }
  await chown(directory, 0, 0);
  await expect(readMasterKey(path)).resolves.toBeDefined();
});
