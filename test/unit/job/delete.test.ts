import { expect, it } from "vitest";
import { silentLogger } from "../../../src/log/index.ts";
import { deleteBackup } from "../../../src/job/delete.ts";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { formatBackupInfo, openCatalog } from "../../../src/repository/index.ts";
import { sample } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

const repository = eachTestHasARepository();

const environmentOf = (storage: object): JobEnvironment =>
  ({
    server: { name: "primary" },
    storage,
    logger: silentLogger,
    signal: new AbortController().signal,
    progress: () => undefined,
    settled: () => undefined,
    hooks: { around: (_subject: string, _facts: object, action: () => Promise<unknown>) => action() },
  }) as unknown as JobEnvironment;

it("a deletion takes nothing from a backup that cannot be read and says that it rests on it, unless it is forced", async () => {
  const [parent, child] = ["20261120090138", "20261121090138"];
  await repository.put(`primary/backup/${parent}/backup.info`, formatBackupInfo(sample({ label: parent })));
  const info = formatBackupInfo(sample({ label: child, parent, type: "incremental" }));
  await repository.put(`primary/backup/${child}/backup.info`, info.slice(0, -70));
  const remove = (force: boolean): Promise<unknown> => Promise.resolve(deleteBackup({ command: "delete", backup: parent, force }, environmentOf(repository.storage)));
  await expect(remove(false)).rejects.toMatchObject({ code: "BACKUP_NEEDED", message: expect.stringContaining(`needed by ${child}, which cannot be read`) as string });
  expect((await openCatalog(repository.storage, "primary").entries()).map(({ label }) => label)).toEqual([parent, child]);
  await remove(true);
  expect((await openCatalog(repository.storage, "primary").entries()).map(({ label }) => label)).toEqual([child]);
});

it("a deletion whose bytes cannot be removed says that the backup is out of view all the same", async () => {
  const label = "20261120090138";
  await repository.put(`primary/backup/${label}/backup.sha256`, "");
  await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label })));
  const storage = { ...repository.storage, removeTree: () => Promise.reject(new Error("EIO: made by the test")) };
  const deletion = deleteBackup({ command: "delete", backup: label, force: false }, environmentOf(storage));
  await expect(deletion).rejects.toMatchObject({ code: "BACKUP_REMAINS", message: expect.stringContaining("is out of view, but not all of it could be removed: EIO") as string });
  expect(await openCatalog(repository.storage, "primary").list()).toEqual([]);
});
