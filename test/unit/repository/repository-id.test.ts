import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openRepositoryStorage, ensureRepositoryId, repositoryErrors } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const name = ".moneta.repository";

/** Changes the file in place, and at another moment than the one at which it was made: the kernel's clock ticks every 4 ms. */
function overwrite(path: string, bytes: Buffer): void {
  const { ctimeNs } = statSync(path, { bigint: true });
  do writeFileSync(path, bytes);
  while (statSync(path, { bigint: true }).ctimeNs === ctimeNs);
}

async function repository() {
  const root = join(temporaryDirectory({ prefix: "repository" }).path, "base");
  const id = await ensureRepositoryId(openLocalStorage(root));
  return { root, id };
}

describe("a storage that knows its repository writes", () => {
  it.each<[string, (root: string, other: string) => void]>([
    ["while its file system is not mounted", (root) => {
      renameSync(root, `${root}-unmounted`);
      mkdirSync(root);
    }],
    ["over another repository in its place", (root, other) => {
      renameSync(root, `${root}-unmounted`);
      renameSync(other, root);
    }],
    ["where the id is gone", (root) => rmSync(join(root, name))],
    ["where another id was put in its place", (root, other) => renameSync(join(other, name), join(root, name))],
    ["where another id of the same length was written into the file", (root, other) => overwrite(join(root, name), readFileSync(join(other, name)))],
    ["where the id is damaged", (root) => {
      const bytes = readFileSync(join(root, name));
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      overwrite(join(root, name), bytes);
    }],
  ])("nothing %s, also when it wrote just before", async (_what, change) => {
    const { root, id } = await repository();
    const other = await repository();
    const storage = openRepositoryStorage(root, id);
    for (const content of ["one", "two"]) await storage.renewFile("file", content);
    change(root, other.root);
    for (let time = 0; time < 2; time += 1) await expect(storage.renewFile("late", "x")).rejects.toSatisfy(repositoryErrors.gone.is);
    expect(await openLocalStorage(root).stat("late")).toBeUndefined();
  });

  it("again when it is back", async () => {
    const { root, id } = await repository();
    const storage = openRepositoryStorage(root, id);
    await storage.renewFile("file", "one");
    renameSync(root, `${root}-unmounted`);
    await expect(storage.renewFile("file", "two")).rejects.toSatisfy(repositoryErrors.gone.is);
    renameSync(`${root}-unmounted`, root);
    await storage.renewFile("file", "three");
    expect(readFileSync(join(root, "file"), "utf8")).toBe("three");
  });
});
