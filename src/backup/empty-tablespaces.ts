/**
 * Tablespaces of which BASE_BACKUP sends nothing. It takes a directory that it does not find for one that was just
 * dropped, says nothing, and leaves its files out of the manifest too (basebackup.c, sendTablespace); one whose link is gone it
 * does not even name (do_pg_backup_start reads pg_tblspc). Only the server's catalogue can tell whether that was true.
 */
import { readServerFacts, type TablespaceName } from "../replication/index.ts";
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

/** What came of the tablespaces of the server. */
export interface SentTablespaces {
  /** What the catalogue had before the backup. */
  readonly before: readonly TablespaceName[];
  /** Those that BASE_BACKUP named, by OID. */
  readonly named: ReadonlyMap<number, ReceivedTablespace>;
  /** Those of them of which it sent nothing. */
  readonly empty: readonly ReceivedTablespace[];
}

/**
 * Asks the server, after the backup, what became of the tablespaces that came empty or not at all, and returns a sentence for each
 * that is gone. One that was made meanwhile comes with the WAL. Throws as `refuseEmptyTablespaces` and `refuseLeftOut`.
 */
export async function explainAbsentTablespaces(options: BackupOptions, { before, named, empty }: SentTablespaces, signal: AbortSignal): Promise<string[]> {
  const leftOut = before.filter(({ oid }) => !named.has(oid));
  if (empty.length === 0 && leftOut.length === 0) return [];
  const { tablespaceNames } = await readServerFacts(backupConnection(options), {}, signal);
  refuseEmptyTablespaces(empty, tablespaceNames);
  refuseLeftOut(leftOut, tablespaceNames);
  const gone = [...empty.map(({ location }) => location), ...leftOut.map(({ name }) => name)];
  return gone.map((one) => `the server sent nothing of "${one}": the tablespace was dropped meanwhile`);
}

/** Throws BACKUP_MISMATCH for a tablespace that came empty and still is in the catalogue, or when that is not known. */
export function refuseEmptyTablespaces(empty: readonly ReceivedTablespace[], present: readonly TablespaceName[] | undefined): void {
  for (const { oid, location } of empty) {
    const doubt = whyStill(oid, present, "its directory is missing or cannot be found there");
    if (doubt !== undefined) throw backupErrors.mismatch(`the server sent nothing of tablespace ${oid} at "${location}": ${doubt}`, { oid, location });
  }
}

/** The same for one that BASE_BACKUP, which goes by the links and not by the catalogue, did not name. */
export function refuseLeftOut(leftOut: readonly TablespaceName[], present: readonly TablespaceName[] | undefined): void {
  for (const { oid, name } of leftOut) {
    const doubt = whyStill(oid, present, `the link pg_tblspc/${oid} in its data directory is missing`);
    if (doubt !== undefined) throw backupErrors.mismatch(`the server left out tablespace "${name}": ${doubt}`, { oid, name });
  }
}

function whyStill(oid: number, present: readonly TablespaceName[] | undefined, why: string): string | undefined {
  if (present === undefined) return "whether it was dropped cannot be asked";
  return present.some((tablespace) => tablespace.oid === oid) ? why : undefined;
}
