import { expect, it } from "vitest";
import { serverLayout } from "../../../src/repository/index.ts";
import { openWalIndex, type WalRecord } from "../../../src/repository/wal-index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const layout = serverLayout("primary");
const segment = (number: number): string => `00000001${"0".repeat(8)}${number.toString(16).toUpperCase().padStart(8, "0")}`;
const record = (number: number, suffix = ".zstd"): WalRecord => ({
  segment: segment(number),
  suffix,
  hash: "sha256",
  plainSize: 1_048_576,
  plainDigest: number.toString(16).padStart(64, "0"),
  plainCrc32c: number,
  storedSize: 100,
  storedDigest: "b".repeat(64),
  headerSize: 0,
  chunks: [{ stored: 100, plain: 1_048_576, crc32c: 7 }],
  archivedAt: 1_700_000_000_000,
});

it("records that are added between lookups are found, and the file is not read again for each of them", async () => {
  let opened = 0;
  const { storage } = repository;
  const counting = { ...storage, openFile: (path: string) => ((opened += 1), storage.openFile(path)) };
  const index = openWalIndex(counting, layout);
  for (let number = 1; number <= 50; number += 1) {
    expect(await index.lookup(segment(number))).toBeUndefined();
    await index.add(record(number));
    expect(await index.lookup(segment(number))).toEqual(record(number));
  }
  expect(opened).toBeLessThanOrEqual(2);
  const fresh = openWalIndex(storage, layout);
  for (let number = 1; number <= 50; number += 1) expect(await fresh.lookup(segment(number))).toEqual(record(number));
});

it("what another process appended, or cut off, is seen all the same", async () => {
  const { storage } = repository;
  const [index, other] = [openWalIndex(storage, layout), openWalIndex(storage, layout)];
  await index.add(record(1));
  expect(await index.lookup(segment(1))).toEqual(record(1));
  await other.add(record(2));
  await index.add(record(3));
  expect(await index.lookup(segment(2))).toEqual(record(2));
  await other.add(record(3, ".gz"));
  expect(await index.lookup(segment(3))).toEqual(record(3, ".gz"));
  await repository.put(layout.walIndexFile(segment(1)), Buffer.from("torn"));
  expect(await index.add(record(4))).toBe(4);
  expect([await index.lookup(segment(1)), await index.lookup(segment(4))]).toEqual([undefined, record(4)]);
});
