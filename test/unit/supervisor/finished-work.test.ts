import { expect, it } from "vitest";
import type { JobCommand } from "../../../src/state/index.ts";
import { formatBackupInfo } from "../../../src/repository/index.ts";
import { createCatalogCache } from "../../../src/supervisor/catalog-cache.ts";
import { findDone, labelBefore } from "../../../src/supervisor/finished-work.ts";
import { sample, sampleOwn } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();

it("a backup that is in the catalog was taken by the job that began before it, and by no other", async () => {
  const { storage } = repository;
  const label = "20261120090138";
  const catalog = createCatalogCache(storage, () => undefined);
  const look = (command: JobCommand, started: number | undefined, newestBefore: string | undefined = "") =>
    findDone({ command, server: "primary", started, newestBefore }, { storage, catalog });
  const { startTime } = sampleOwn;
  expect(await look("backup", startTime)).toBeUndefined();
  for (const name of Object.keys(sampleOwn.digests)) await repository.put(`primary/backup/${label}/${name}`, "");
  await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label })));
  expect(await look("backup", startTime - 1)).toMatchObject({ label, notes: [expect.stringContaining("complete already") as string] });
  expect(await look("backup", startTime)).toMatchObject({ label });
  for (const other of [look("backup", startTime + 1), look("backup", undefined), look("delete", startTime)]) expect(await other).toBeUndefined();
  // What was there before the job is not its own, however far the clock has been set back meanwhile.
  const earlier = startTime - 3_600_000;
  expect(await look("backup", earlier, "20261120090137")).toMatchObject({ label });
  expect(await look("backup", earlier, label)).toBeUndefined();
  expect(await findDone({ command: "backup", server: "primary", started: earlier, newestBefore: undefined }, { storage, catalog })).toBeUndefined();
  await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label, valid: false })));
  expect(await look("backup", startTime)).toBeUndefined();
});

it("a backup remembers the greatest label before it, unfinished and half deleted ones among them; nothing else does", async () => {
  const { storage } = repository;
  const before = () => labelBefore({ command: "backup", server: "primary" }, storage);
  expect(await before()).toBe("");
  await repository.put("primary/backup/20261120090138/backup.info", "");
  expect(await before()).toBe("20261120090138");
  const tree = await storage.openTree("primary/backup/20261120090139");
  expect(await before()).toBe("20261120090139");
  await tree.abort();
  await repository.put("primary/backup/20261120090140/backup.info", "");
  await storage.hideTree("primary/backup/20261120090140");
  expect(await before()).toBe("20261120090140");
  expect(labelBefore({ command: "delete", server: "primary" }, storage)).toBeUndefined();
});
