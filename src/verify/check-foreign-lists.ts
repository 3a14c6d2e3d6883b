/**
 * What pgmoneta's list of stored digests names besides the files of the cluster: its own lists, and files that a backup has
 * beside the cluster. No restore reads them; that they are not what was stored is worth knowing all the same.
 */
import { throwIfAborted } from "../common/index.ts";
import { backupFiles, hashStoredFile, readForeignDigests, serverLayout, type BackupSource } from "../repository/index.ts";
import { judge, type Findings } from "./finding.ts";

/** Compares them. Without the list nothing happens: with its ssh engine pgmoneta writes another. */
export async function checkForeignLists({ storage, server, info, signal }: BackupSource, findings: Findings): Promise<void> {
  const layout = serverLayout(server);
  const digests = await readForeignDigests(storage, layout.backup(info.label));
  const roots = [backupFiles.data, ...info.tablespaces.map(({ directory }) => directory)];
  for (const [path, original] of digests ?? []) {
    if (roots.some((root) => path.startsWith(`${root}/`)) || path === backupFiles.digests("sha512")) continue;
    throwIfAborted(signal);
    const stored = layout.backupFile(info.label, path);
    try {
      const calculated = await hashStoredFile(storage, stored, "sha512");
      if (calculated === original) continue;
      const reason = `it does not match its digest in ${backupFiles.digests("sha512")}`;
      findings.add({ kind: "changed", place: "backup", path, reason, harmful: false, original, calculated });
    } catch (error) {
      const verdict = await judge(error, { storage, path: stored, size: undefined });
      if ("kind" in verdict) findings.add({ ...verdict, place: "backup", path, harmful: false, original });
      else findings.addUnread(verdict);
    }
  }
}
