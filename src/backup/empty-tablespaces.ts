/**
 * Tablespaces of which BASE_BACKUP sends nothing. It takes a directory that it does not find for one that was just
 * dropped, says nothing, and leaves its files out of the manifest too (basebackup.c, sendTablespace): only the
 * server's catalogue can tell whether that was true.
 */
import { readServerFacts, type TablespaceFacts } from "../replication/index.ts";
import type { ReceivedTablespace } from "./archive-reader.ts";
import type { BackupOptions } from "./backup-options.ts";
import { backupErrors } from "./errors.ts";
import { backupConnection } from "./prepare.ts";

/** Throws BACKUP_MISMATCH for a place that the server would look for below its own directory, and not find. */
export function refuseRelative(oid: number, location: string): void {
  if (location.startsWith("/") || location === `pg_tblspc/${oid}`) return;
  throw backupErrors.mismatch(
    `the link pg_tblspc/${oid} of the server leads to the relative path "${location}", and PostgreSQL leaves such a tablespace out of a backup: make it absolute`,
    { oid, location },
  );
}

/**
 * Asks the server, after the backup, what became of the tablespaces that came empty, and returns a sentence for each
 * that is gone. Throws as `refuseEmptyTablespaces`.
 */
export async function explainEmptyTablespaces(options: BackupOptions, empty: readonly ReceivedTablespace[], signal: AbortSignal): Promise<string[]> {
  if (empty.length === 0) return [];
  const { tablespaces } = await readServerFacts(backupConnection(options), {}, signal);
  refuseEmptyTablespaces(empty, tablespaces);
  return empty.map(({ location }) => `the server sent nothing of "${location}": the tablespace was dropped meanwhile`);
}

/** Throws BACKUP_MISMATCH for a tablespace that came empty and still is in the catalogue, or when that is not known. */
export function refuseEmptyTablespaces(empty: readonly ReceivedTablespace[], present: readonly TablespaceFacts[] | undefined): void {
  for (const { oid, location } of empty) {
    if (present !== undefined && present.every((tablespace) => tablespace.oid !== oid)) continue;
    const doubt = present === undefined ? "whether it was dropped cannot be asked" : "its directory is missing or cannot be found there";
    throw backupErrors.mismatch(`the server sent nothing of tablespace ${oid} at "${location}": ${doubt}`, { oid, location });
  }
}
