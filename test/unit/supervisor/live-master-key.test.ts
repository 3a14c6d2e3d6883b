import { copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { MasterKey } from "../../../src/encryption/index.ts";
import { openLiveMasterKey } from "../../../src/supervisor/live-master-key.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRecordingLogger } from "./stand-ins.ts";

let path = "";
beforeEach(() => {
  path = join(temporaryDirectory().path, "k/master.key");
});

/** Puts another key in the place of the one that is there. */
async function replace(passphrase: string): Promise<MasterKey> {
  const other = `${path}.other`;
  await createMasterKey(other, passphrase);
  await copyFile(other, path);
  await rm(other);
  return readMasterKey(path);
}

const material = (keys: readonly MasterKey[]): string[] => keys.map((key) => key.material.toString("hex"));

describe("the master key of a daemon that runs", () => {
  it("is read again when its file is another one, once, and the one before stays known for who still has it", async () => {
    await createMasterKey(path, "the first one");
    const { logger, records } = createRecordingLogger();
    const first = await readMasterKey(path);
    const live = openLiveMasterKey(path, first, logger);
    expect(await live.refresh()).toBe(first);
    const second = await replace("the second one");
    const all = await Promise.all([live.refresh(), live.refresh(), live.refresh()]);
    expect(material(all.flatMap((key) => key ?? []))).toEqual(material([second, second, second]));
    expect(material(await live.recent())).toEqual(material([second, first]));
    expect(records.filter(({ level }) => level === "warn")).toHaveLength(1);
    expect(JSON.stringify(records)).not.toContain(second.material.toString("base64"));
  });

  it("stays what it was when the file is damaged or gone, which is said once for each change", async () => {
    await createMasterKey(path, "the first one");
    const { logger, records } = createRecordingLogger();
    const first = await readMasterKey(path);
    const live = openLiveMasterKey(path, first, logger);
    await writeFile(path, "damaged\n");
    for (let n = 0; n < 3; n += 1) expect(await live.refresh()).toBe(first);
    await rm(path);
    for (let n = 0; n < 3; n += 1) expect(await live.refresh()).toBe(first);
    expect(records.filter(({ level }) => level === "error").map(({ fields }) => fields["code"])).toEqual(["MASTER_KEY_DAMAGED", "MASTER_KEY_MISSING"]);
    await createMasterKey(path, "the second one");
    expect(material(await live.recent())).toEqual(material([await readMasterKey(path), first]));
  });

  it("that is made only later is found, and its absence is no trouble", async () => {
    const { logger, records } = createRecordingLogger();
    const live = openLiveMasterKey(path, undefined, logger);
    expect(await live.recent()).toEqual([]);
    await createMasterKey(path, "the first one");
    expect(material(await live.recent())).toEqual(material([await readMasterKey(path)]));
    expect(records.map(({ level }) => level)).toEqual(["warn"]);
  });
});
