import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openLocalStorage, openReserve, storageErrors } from "../../../src/storage/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe("the reserve", () => {
  let root: string;
  beforeEach(() => {
    root = temporaryDirectory().path;
  });
  const pieces = (): string[] => readdirSync(join(root, ".moneta.reserve"));

  it("is made of files that nobody else may read, and made whole again", async () => {
    expect(await openReserve(root).fill()).toEqual({ pieces: 16, wanted: 16 });
    for (const name of pieces()) expect(statSync(join(root, ".moneta.reserve", name))).toMatchObject({ size: 256 * 1024, mode: 0o100600 });
    rmSync(join(root, ".moneta.reserve", "piece-3"));
    expect(await openReserve(root).fill()).toEqual({ pieces: 16, wanted: 16 });
  });

  it("gives one piece at a time to a write without room, and the failure when nothing is left", async () => {
    const reserve = openReserve(root);
    await reserve.fill();
    let refusals = 3;
    const result = await reserve.spend(() => (refusals-- > 0 ? Promise.reject(failure("ENOSPC")) : Promise.resolve("written")));
    expect([result, pieces().length]).toEqual(["written", 13]);
    const full = storageErrors.full("no room", {}, failure("EDQUOT"));
    await expect(reserve.spend(() => Promise.reject(full))).rejects.toBe(full);
    expect(pieces()).toEqual([]);
  });

  it("is not touched by a failure of another kind, nor by one that room does not mend", async () => {
    const reserve = openReserve(root);
    await reserve.fill();
    for (const error of [failure("EIO"), storageErrors.full("too large", {}, failure("EFBIG"))]) {
      await expect(reserve.spend(() => Promise.reject(error))).rejects.toBe(error);
    }
    expect(pieces()).toHaveLength(16);
  });

  it("need not be there", async () => {
    await expect(openReserve(root).spend(() => Promise.reject(failure("ENOSPC")))).rejects.toThrow("ENOSPC");
    expect(readdirSync(root)).toEqual([]);
  });
});

it("a storage whose guard refuses makes nothing", async () => {
  const root = temporaryDirectory().path;
  const refused = new Error("not here");
  const storage = openLocalStorage(root, { guard: () => Promise.reject(refused) });
  const attempts: (() => Promise<unknown>)[] = [
    () => storage.openTree("a/b"),
    () => storage.createFile("a/b"),
    () => storage.replaceFile("a/b", "c"),
    () => storage.renewFile("a/b", "c"),
    () => storage.appendLine("a/b", "c"),
    () => storage.makeDirectory("a/b"),
  ];
  for (const attempt of attempts) await expect(attempt()).rejects.toBe(refused);
  expect(readdirSync(root)).toEqual([]);
});
