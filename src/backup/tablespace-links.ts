/** The links of `pg_tblspc`, which a server does not send when it sends the map, and by which people and tools find the files. */
import type { ReceivedTablespace } from "./archive-reader.ts";
import { storedPath, type BackupTablespaces } from "./backup-paths.ts";
import type { EntryStore } from "./entry-store.ts";

/** Links each tablespace to its directory beside `data`; one that lies in the data directory has none on the source either. */
export function linkTablespaces(store: EntryStore, tablespaces: BackupTablespaces, received: Iterable<ReceivedTablespace>): void {
  for (const { oid, location } of received) {
    if (!location.startsWith("/")) continue;
    store.symlink(storedPath(`pg_tblspc/${oid}`, undefined, tablespaces), `../../${tablespaces.directoryOf(oid)}`, location);
  }
}
