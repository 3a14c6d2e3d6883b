/** The files that describe a backup against the digests that its `backup.info` has of them. */
import { backupFiles, hashStoredFile, serverLayout, type BackupInfo } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { judge, type NewFindings } from "./finding.ts";

/** What of the metadata can be believed. */
export interface CheckedMetadata {
  /** The chunk index is what was written. */
  readonly index: boolean;
  /** The list of stored digests is. */
  readonly list: boolean;
}

/** Reads each of them; what is wrong goes to `findings`. `backup.info` has proven itself when it was read. */
export async function checkMetadata(storage: Storage, server: string, info: BackupInfo, findings: NewFindings): Promise<CheckedMetadata> {
  const { own, label } = info;
  if (own === undefined) return { index: false, list: false };
  const layout = serverLayout(server);
  const sound = new Set<string>();
  const list = backupFiles.digests(own.hash);
  for (const [file, digest] of Object.entries(own.digests)) {
    const path = layout.backupFile(label, file);
    try {
      const found = await hashStoredFile(storage, path, own.hash);
      if (found === digest) sound.add(file);
      else {
        findings.add({
          kind: "changed",
          place: "backup",
          path: file,
          reason: "it does not match its digest in backup.info",
          harmful: true,
          original: digest,
          calculated: found,
        });
      }
    } catch (error) {
      const verdict = await judge(error, { storage, path, size: undefined });
      if (!("kind" in verdict)) findings.addUnread(verdict);
      // A restore refuses a backup whose own description is not what was written, whatever its files are.
      else findings.add({ ...verdict, place: "backup", path: file, harmful: true, original: digest });
    }
  }
  return { index: sound.has(own.chunkIndex), list: sound.has(list) };
}
