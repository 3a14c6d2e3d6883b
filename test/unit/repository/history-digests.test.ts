import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { timelineId } from "../../../src/postgres/index.ts";
import { openWalInventory, repositoryErrors, type WalHistories } from "../../../src/repository/index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const two = timelineId(2);
const three = timelineId(3);
const ofTwo = "1\t0/9000000\tno recovery target specified\n";
const ofThree = `${ofTwo}2\t0/B000000\tno recovery target specified\n`;

function histories(): WalHistories {
  return openWalInventory(repository.storage, "primary", 1024 * 1024).histories;
}
const stored = (name: string): string => join(repository.storage.root, "primary", name);
const refusal = (of: string): unknown => expect.objectContaining({ code: repositoryErrors.historyUnreadable("").code, message: expect.stringContaining(of) as string });

test("a history file is read as it was stored", async () => {
  await histories().write(two, Buffer.from(ofTwo));
  await histories().write(three, Buffer.from(ofThree));
  expect((await histories().content(two))?.toString()).toBe(ofTwo);
  expect((await histories().read(three))?.entries).toHaveLength(2);
});

test("any change of one bit that leaves it readable is refused by name", async () => {
  await histories().write(two, Buffer.from(ofTwo));
  const path = stored("wal/00000002.history");
  const whole = readFileSync(path);
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const changed = Buffer.from(whole);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(path, changed);
    await expect(histories().read(two)).rejects.toEqual(refusal("00000002.history"));
  }
  // The digits of the switch point in another place.
  writeFileSync(path, ofTwo.replace("0/9000000", "0/90000\t00"));
  await expect(histories().content(two)).rejects.toEqual(refusal("00000002.history"));
});

test("a history file in the place of another one is refused", async () => {
  await histories().write(two, Buffer.from(ofTwo));
  await histories().write(three, Buffer.from(ofThree));
  writeFileSync(stored("wal/00000003.history"), ofTwo);
  await expect(histories().read(three)).rejects.toEqual(refusal("00000003.history"));
});

test("one that nothing was recorded of is taken as it is: pgmoneta records nothing, and leaves a zero byte", async () => {
  await repository.put("primary/wal/00000002.history", `${ofTwo}\0`);
  expect((await histories().content(two))?.toString()).toBe(ofTwo);
});

test("a changed record is no reason to believe the file; storing it again is", async () => {
  await histories().write(two, Buffer.from(ofTwo));
  const index = stored("wal_index/histories.jsonl");
  writeFileSync(index, readFileSync(index, "utf8").replace("00000002", "00000003"));
  await expect(histories().read(two)).rejects.toEqual(refusal("histories.jsonl"));
  await histories().write(two, Buffer.from(ofTwo));
  expect((await histories().read(two))?.entries).toHaveLength(1);
});

test("what a crash left between record and file means nothing", async () => {
  await histories().write(two, Buffer.from(ofTwo));
  appendFileSync(stored("wal_index/histories.jsonl"), '{"v":1,"history":"00000003.his');
  expect((await histories().read(two))?.entries).toHaveLength(1);
  await histories().write(three, Buffer.from(ofThree));
  rmSync(stored("wal/00000003.history"));
  expect(await histories().read(three)).toBeUndefined();
  expect((await histories().read(two))?.entries).toHaveLength(1);
});
