import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { MasterKey, MasterKeySet, MasterKeySource } from "../../../src/encryption/index.ts";
import { createKeyId, deriveMasterKey, wrapFormerMaster } from "../../../src/encryption/index.ts";
import type { DataKeyStore } from "../../../src/repository/index.ts";
import { openDataKeys, repositoryErrors } from "../../../src/repository/index.ts";
import { vaultErrors } from "../../../src/vault/index.ts";
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

describe("a rotation of the data key", () => {
  test("gives another one for what comes, and keeps the one that was", async () => {
    const first = await keys().current();
    const reader = keys();
    expect((await reader.ring())(first.id)).toEqual(first);
    const rotated = await keys().rotate();
    expect(rotated.previous).toBe(first.id);
    expect(await keys().current()).toEqual(await keys().load(rotated.id));
    expect(await keys().load(first.id)).toEqual(first);
    // Who reads since before knows it when it is asked again.
    expect((await reader.ring())(rotated.id)).toEqual(await keys().load(rotated.id));
    expect((await reader.ring())(first.id)).toEqual(first);
  });

  test("without any key makes the first one; several at one moment come one after the other", async () => {
    expect(await keys().rotate()).toEqual({ id: await keys().currentId(), previous: undefined });
    const made = await Promise.all(Array.from({ length: 5 }, () => keys().rotate()));
    expect(new Set(made.map(({ previous }) => previous)).size).toBe(5);
    expect(await keys().ids()).toHaveLength(6);
    for (const id of await keys().ids()) expect((await keys().load(id)).id).toBe(id);
  });

  test("is refused with a master key that does not open the key in use, and then nothing is made", async () => {
    const key = await keys().current();
    await expect(keys(other).rotate()).rejects.toSatisfy(repositoryErrors.masterKeyWrong.is);
    await expect(openDataKeys(repository.storage, "primary", undefined).rotate()).rejects.toSatisfy(repositoryErrors.masterKeyMissing.is);
    expect(await keys().ids()).toEqual([key.id]);
    expect(await keys().currentId()).toBe(key.id);
  });
});

describe("a master key that was replaced meanwhile", () => {
  const source = (known: MasterKey | undefined, set: MasterKeySet) => {
    let reads = 0;
    const from: MasterKeySource = {
      known,
      read: async () => {
        reads += 1;
        return set;
      },
    };
    return { store: openDataKeys(repository.storage, "primary", from), reads: () => reads };
  };

  test("is asked for again by whoever has the old one, once; who has the right one never asks", async () => {
    const key = await keys().current();
    const right = source(master, { current: other, former: [] });
    expect((await right.store.ring())(key.id)).toEqual(key);
    expect(right.reads()).toBe(0);
    const stale = source(other, { current: master, former: [] });
    for (let n = 0; n < 3; n += 1) expect(await stale.store.load(key.id)).toEqual(key);
    expect(stale.reads()).toBe(1);
    expect((await stale.store.ring()).master).toBe(master);
  });

  test("that still does not open it is the error, naming the file", async () => {
    const key = await keys().current();
    const { store } = source(other, { current: other, former: [] });
    await expect(store.load(key.id)).rejects.toSatisfy(repositoryErrors.masterKeyWrong.is);
    const unreadable: MasterKeySource = { known: other, read: () => Promise.reject(vaultErrors.masterKeyDamaged("it is damaged")) };
    const failing = openDataKeys(repository.storage, "primary", unreadable);
    await expect(failing.load(key.id)).rejects.toMatchObject({
      code: "REPOSITORY_MASTER_KEY_WRONG",
      message: expect.stringMatching(new RegExp(`${key.id}.*cannot be read again.*damaged`)) as string,
    });
  });

  test("wraps what is made meanwhile for the next one as well, and is itself kept for what it sealed", async () => {
    const { store } = source(master, { current: master, next: other, former: [] });
    const { id } = await store.rotate();
    expect((await keys(master).load(id)).id).toBe(id);
    expect((await keys(other).load(id)).id).toBe(id);
    const kept = createKeyId();
    await repository.storage.replaceFile(`primary/keys/${kept}.master`, `${wrapFormerMaster(other, kept, master)}\n`);
    const ring = await keys(other).ring();
    expect(ring.formerMasters?.map(({ material }) => material.equals(master.material))).toEqual([true]);
  });
});
