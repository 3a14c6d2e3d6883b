import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { repositoryErrors } from "../../../src/repository/index.ts";
import { openRepositoryMemory, type RepositoryMemory } from "../../../src/supervisor/repository-memory.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRecordingLogger } from "./stand-ins.ts";

describe("what is remembered of a repository", () => {
  let root: string;
  let baseDir: string;
  beforeEach(() => {
    root = temporaryDirectory().path;
    baseDir = join(root, "base");
    for (const name of ["base", "home"]) mkdirSync(join(root, name));
  });
  const log = createRecordingLogger();
  const memory = (home = "home"): RepositoryMemory => openRepositoryMemory({ baseDir, masterKeyFile: join(root, home, "master.key") }, log.logger);

  it("lets a new repository and the known one pass, and no empty directory in its place", async () => {
    await memory().recognise();
    const id = await memory().identify();
    await memory().recognise();
    expect(await memory().identify()).toBe(id);
    renameSync(baseDir, `${baseDir}.away`);
    await expect(memory().recognise()).rejects.toSatisfy(repositoryErrors.gone.is);
    mkdirSync(baseDir);
    await expect(memory().recognise()).rejects.toThrow(`holds no repository where ${id} was`);
    expect(readdirSync(baseDir)).toEqual([]);
    rmSync(memory().path);
    await memory().recognise();
    expect(await memory().identify()).not.toBe(id);
    await expect(memory().recognise()).resolves.toBeUndefined();
  });

  it("lets no other repository pass, nor one whose id is damaged", async () => {
    await memory().identify();
    rmSync(join(baseDir, ".moneta.repository"));
    mkdirSync(join(root, "other home"));
    await memory("other home").identify();
    await expect(memory().recognise()).rejects.toThrow("holds another repository");
    writeFileSync(join(baseDir, ".moneta.repository"), "{}");
    await expect(memory().recognise()).rejects.toSatisfy(repositoryErrors.gone.is);
  });

  it("refuses rather than guesses when it is damaged itself", async () => {
    await memory().identify();
    for (const text of ["", "null", '{"baseDir":1}']) {
      writeFileSync(memory().path, text);
      await expect(memory().recognise()).rejects.toThrow("does not say which repository lies in");
    }
  });

  it("is nothing where it cannot be kept, which the log says", async () => {
    await memory("nowhere").identify();
    expect(log.records.at(-1)?.message).toContain("is not remembered");
    await memory("nowhere").recognise();
  });
});
