import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { MasterKey } from "../../../src/encryption/index.ts";
import { deriveMasterKey } from "../../../src/encryption/index.ts";
import type { DataKeyStore } from "../../../src/repository/index.ts";
import { openDataKeys, repositoryErrors } from "../../../src/repository/index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
let master: MasterKey;
let other: MasterKey;
beforeAll(async () => {
  master = await deriveMasterKey("the passphrase", randomBytes(16));
  other = await deriveMasterKey("another passphrase", randomBytes(16));
});

function keys(masterKey: MasterKey | undefined = master): DataKeyStore {
  return openDataKeys(repository.storage, "primary", masterKey);
}

function file(name: string): string {
  return join(repository.storage.root, "primary/keys", name);
}

describe("data keys", () => {
  test("are made when first needed, and the same ever after", async () => {
    expect(await keys().currentId()).toBeUndefined();
    const key = await keys().current();
    expect(await keys().current()).toEqual(key);
    expect(await keys().load(key.id)).toEqual(key);
    expect(await keys().currentId()).toBe(key.id);
    expect(await keys().ids()).toEqual([key.id]);
    expect((await keys().ring())(key.id)).toEqual(key);
    expect((await keys().ring())("00".repeat(16))).toBeUndefined();
  });

  test("never lie in the repository unwrapped, and only their owner reads the file", async () => {
    const key = await keys().current();
    const content = readFileSync(file(`${key.id}.key`));
    expect(content.includes(key.secret)).toBe(false);
    expect(content.toString()).not.toContain(key.secret.toString("base64").slice(0, 20));
    expect(content.toString()).not.toContain(key.secret.toString("hex").slice(0, 20));
    expect(statSync(file(`${key.id}.key`)).mode & 0o777).toBe(0o600);
  });

  test("made by two jobs at the same moment end as one in use, and both stay readable", async () => {
    const found = await Promise.all(Array.from({ length: 8 }, () => keys().current()));
    const ids = new Set(found.map(({ id }) => id));
    expect([...ids]).toEqual([await keys().currentId()]);
    for (const id of await keys().ids()) expect((await keys().load(id)).id).toBe(id);
  });

  test("need the right master key, and say which file and why", async () => {
    const key = await keys().current();
    await expect(keys(other).current()).rejects.toSatisfy(repositoryErrors.masterKeyWrong.is);
    await expect(keys(other).load(key.id)).rejects.toThrow(new RegExp(`${key.id}\\.key`));
    await expect(openDataKeys(repository.storage, "primary", undefined).load(key.id)).rejects.toSatisfy(
      repositoryErrors.masterKeyMissing.is,
    );
    await expect(openDataKeys(repository.storage, "other", undefined).current()).rejects.toSatisfy(
      repositoryErrors.masterKeyMissing.is,
    );
    // Nothing was made on the way.
    expect(await openDataKeys(repository.storage, "other", undefined).ids()).toEqual([]);
  });

  test("can be listed without a master key", async () => {
    const key = await keys().current();
    const without = openDataKeys(repository.storage, "primary", undefined);
    expect(await without.ids()).toEqual([key.id]);
    expect(await without.currentId()).toBe(key.id);
  });

  test("that are gone or damaged are named, and never replaced by new ones", async () => {
    const key = await keys().current();
    const path = file(`${key.id}.key`);
    const whole = readFileSync(path);
    for (const damaged of [
      whole.subarray(0, 30),
      Buffer.concat([whole.subarray(0, 60), Buffer.from("A"), whole.subarray(61)]),
      Buffer.alloc(0),
    ]) {
      if (damaged.equals(whole)) continue;
      writeFileSync(path, damaged);
      await expect(keys().current()).rejects.toSatisfy(repositoryErrors.masterKeyWrong.is);
    }
    rmSync(path);
    await expect(keys().current()).rejects.toSatisfy(repositoryErrors.dataKeyMissing.is);
    await expect(keys().load("..")).rejects.toSatisfy(repositoryErrors.dataKeyMissing.is);
    expect(await keys().ids()).toEqual([]);
    writeFileSync(file("current"), "");
    await expect(keys().current()).rejects.toSatisfy(repositoryErrors.dataKeyMissing.is);
  });

  test("cannot be swapped", async () => {
    const first = await keys().current();
    rmSync(file("current"));
    const second = await keys().current();
    expect(second.id).not.toBe(first.id);
    writeFileSync(file(`${first.id}.key`), readFileSync(file(`${second.id}.key`)));
    await expect(keys().load(first.id)).rejects.toSatisfy(repositoryErrors.masterKeyWrong.is);
  });

  test("that are damaged do not keep what others sealed from being read", async () => {
    const first = await keys().current();
    rmSync(file("current"));
    const second = await keys().current();
    writeFileSync(file(`${first.id}.key`), "v1:");
    const ring = await keys().ring();
    expect(ring(second.id)).toEqual(second);
    expect(() => ring(first.id)).toThrow(`keys/${first.id}.key`);
  });
});
