import { expect, it } from "vitest";
import { silentLogger } from "../../../src/log/index.ts";
import { deleteBackup } from "../../../src/job/delete.ts";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { formatBackupInfo, openCatalog } from "../../../src/repository/index.ts";
import { sample } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();

it("a deletion whose bytes cannot be removed says that the backup is out of view all the same", async () => {
  const label = "20261120090138";
  await repository.put(`primary/backup/${label}/backup.sha256`, "");
  await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label })));
  const storage = { ...repository.storage, removeTree: () => Promise.reject(new Error("EIO: made by the test")) };
  const environment = { server: { name: "primary" }, storage, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, settled: () => undefined, hooks: { around: (_subject: string, _facts: object, action: () => Promise<unknown>) => action() } };
  const deletion = deleteBackup({ command: "delete", backup: label, force: false }, environment as unknown as JobEnvironment);
  await expect(deletion).rejects.toMatchObject({ code: "BACKUP_REMAINS", message: expect.stringContaining("is out of view, but not all of it could be removed: EIO") as string });
  expect(await openCatalog(repository.storage, "primary").list()).toEqual([]);
});
