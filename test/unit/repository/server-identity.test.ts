import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openServerIdentity, repositoryErrors } from "../../../src/repository/index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const path = "primary/identity.json";
const identity = { systemIdentifier: "7412345678901234567", segmentSize: 16 * 1024 * 1024 };
const store = () => openServerIdentity(repository.storage, "primary");

test("the identity of a server is read back", async () => {
  expect(await store().read()).toBeUndefined();
  await store().write(identity);
  expect(await store().read()).toEqual(identity);
});

test("an identity in which any bit has changed is damage, and not another cluster", async () => {
  await store().write(identity);
  const whole = await repository.storage.readFile(path, 4096);
  for (let bit = 0; bit < (whole.length - 1) * 8; bit += 1) {
    const changed = Buffer.from(whole);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(repository.storage.absolutePath(path), changed);
    await expect(store().read(), `bit ${bit}`).rejects.toSatisfy(repositoryErrors.identityDamaged.is);
  }
});

test("an identity that is empty or far too long is damage", async () => {
  for (const content of ["", " ".repeat(100_000)]) {
    await repository.storage.replaceFile(path, content);
    await expect(store().read()).rejects.toSatisfy(repositoryErrors.identityDamaged.is);
  }
});

test("an identity that an earlier version wrote is read", async () => {
  await repository.storage.replaceFile(path, `${JSON.stringify({ version: 1, ...identity })}\n`);
  expect(await store().read()).toEqual(identity);
});
