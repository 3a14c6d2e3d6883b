import { expect, it } from "vitest";
import type { JobCommand } from "../../../src/state/index.ts";
import { formatBackupInfo } from "../../../src/repository/index.ts";
import { createCatalogCache } from "../../../src/supervisor/catalog-cache.ts";
import { findDone } from "../../../src/supervisor/finished-work.ts";
import { sample, sampleOwn } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();

it("a backup that is in the catalog was taken by the job that began before it, and by no other", async () => {
  const { storage } = repository;
  const label = "20261120090138";
  const catalog = createCatalogCache(storage, () => undefined);
  const look = (command: JobCommand, started: number | undefined) => findDone({ command, server: "primary", started }, { storage, catalog });
  const { startTime } = sampleOwn;
  expect(await look("backup", startTime)).toBeUndefined();
  await repository.put(`primary/backup/${label}/backup.sha256`, "");
  await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label })));
  expect(await look("backup", startTime - 1)).toMatchObject({ label, notes: [expect.stringContaining("complete already") as string] });
  expect(await look("backup", startTime)).toMatchObject({ label });
  for (const other of [look("backup", startTime + 1), look("backup", undefined), look("delete", startTime)]) expect(await other).toBeUndefined();
  await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label, valid: false })));
  expect(await look("backup", startTime)).toBeUndefined();
});
