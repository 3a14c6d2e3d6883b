/**
 * pgmoneta lists `backup.info` among the digests in `backup.sha512` and renews that line at every change. When one of
 * its backups is changed here, the lines are renewed too, so that pgmoneta's own verification still agrees.
 */
import type { Storage } from "../storage/index.ts";
import { createDigestListWriter, readDigestList, type StoredDigest } from "./digest-list.ts";
import { hashStoredFile } from "./hash-algorithm.ts";
import { backupFiles } from "./layout.ts";

/** What pgmoneta's list of the backup in `directory` says. Undefined without one: with its ssh engine it writes another. */
export async function readForeignDigests(storage: Storage, directory: string): Promise<Map<string, string> | undefined> {
  const path = `${directory}/${backupFiles.digests("sha512")}`;
  if ((await storage.stat(path)) === undefined) return undefined;
  const digests = new Map<string, string>();
  const reader = await storage.openFile(path);
  try {
    for await (const { path: name, digest } of readDigestList(reader)) digests.set(name, digest);
  } finally {
    await reader.close();
  }
  return digests;
}

/** Writes the list anew: each line as `renew` gives it, without those for which it gives nothing. Without a list nothing happens. */
export async function renewForeignDigests(
  storage: Storage,
  directory: string,
  renew: (line: StoredDigest) => string | undefined,
): Promise<void> {
  const path = `${directory}/${backupFiles.digests("sha512")}`;
  if ((await storage.stat(path)) === undefined) return;
  const reader = await storage.openFile(path);
  const sink = await storage.createFile(path);
  const list = createDigestListWriter(sink, "sha512");
  try {
    for await (const line of readDigestList(reader)) {
      const digest = renew(line);
      if (digest !== undefined) await list.add(line.path, digest);
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

/** Renews the line of `backup.info` in the list of the backup in `directory`. */
export async function refreshForeignDigest(storage: Storage, directory: string): Promise<void> {
  if ((await storage.stat(`${directory}/${backupFiles.digests("sha512")}`)) === undefined) return;
  const fresh = await hashStoredFile(storage, `${directory}/${backupFiles.info}`, "sha512");
  await renewForeignDigests(storage, directory, ({ path, digest }) => (path === backupFiles.info ? fresh : digest));
}
