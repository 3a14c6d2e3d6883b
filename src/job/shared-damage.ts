/** Backups that have a file which a verification found damaged in another one: it is the same file, with a name in each. */
import { repositoryErrors, openCatalog, openVerifications, ownersOf, serverLayout, type CatalogEntry, type Verification } from "../repository/index.ts";
import type { VerifyReport } from "../verify/index.ts";
import type { JobEnvironment } from "./job.ts";

/**
 * Marks every other backup that has one of the damaged files. What was found in the file of one is true of each, and nobody else
 * would look before its own turn; a file that is missing from one only is no finding for another.
 */
export async function markSharing(report: VerifyReport, { began, ended }: Verification, { logger, server, storage }: JobEnvironment): Promise<void> {
  const { info, findings } = report;
  const damaged = findings.filter(({ harmful, place }) => harmful && place === "backup");
  if (damaged.length === 0) return;
  const layout = serverLayout(server.name);
  const owners = new Set(ownersOf(info));
  const catalog = openCatalog(storage, server.name);
  const entries = await catalog.entries();
  const labels = new Set(entries.map(({ label }) => label));
  const firstOf = async ({ label }: CatalogEntry): Promise<(typeof damaged)[number] | undefined> => {
    for (const finding of damaged) {
      if (await storage.isSameFile(layout.backupFile(info.label, finding.path), layout.backupFile(label, finding.path))) return finding;
    }
    return undefined;
  };
  for (const entry of entries) {
    const { label, info: other } = entry;
    if (label === info.label || other?.own === undefined || !other.valid || !ownersOf(other).some((owner) => owners.has(owner))) continue;
    const finding = await firstOf(entry);
    if (finding === undefined) continue;
    const reason = `${finding.path} (${finding.kind}), the same file as in backup ${info.label}: ${finding.reason}`;
    const verification = { began, ended, outcome: "bad", files: 0, bytes: 0, findings: 1, reason } as const;
    // As for the backup that was verified: the reason first.
    await openVerifications(storage, server.name).record(label, verification, labels);
    try {
      await catalog.update(label, (now) => ({ ...now, valid: false }));
    } catch (error) {
      // It was deleted meanwhile.
      if (!repositoryErrors.backupNotFound.is(error)) throw error;
      continue;
    }
    logger.error(`backup ${label} cannot be restored any more, and is no longer offered: ${reason}`);
  }
}
