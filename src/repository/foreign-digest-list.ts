/**
 * pgmoneta lists `backup.info` among the digests in `backup.sha512` and renews that line at every change. When one of
 * its backups is changed here, the line is renewed too, so that pgmoneta's own verification still agrees.
 */
import type { Storage } from "../storage/index.ts";
import { createDigestListWriter, readDigestList } from "./digest-list.ts";
import { hashStoredFile } from "./hash-algorithm.ts";
import { backupFiles } from "./layout.ts";

/** Renews the line of `backup.info` in the list of the backup in `directory`; without a list nothing happens. */
export async function refreshForeignDigest(storage: Storage, directory: string): Promise<void> {
  const path = `${directory}/${backupFiles.digests("sha512")}`;
  if ((await storage.stat(path)) === undefined) return;
  const fresh = await hashStoredFile(storage, `${directory}/${backupFiles.info}`, "sha512");
  const reader = await storage.openFile(path);
  const sink = await storage.createFile(path);
  const list = createDigestListWriter(sink, "sha512");
  try {
    for await (const { path: file, digest } of readDigestList(reader)) {
      await list.add(file, file === backupFiles.info ? fresh : digest);
    }
    await list.finish();
    await sink.commit({ replace: true });
  } catch (error) {
    await sink.abort();
    throw error;
  } finally {
    await reader.close();
  }
}
