/** The two ways to name a file of a backup: where it lies in the stored tree, and how the server's manifest calls it. */
import { dataPath, tablespaceDirectory, tablespacePath } from "../repository/index.ts";
import type { TablespaceName } from "../replication/index.ts";

const dataPrefix = "data/";

/** Tablespaces of a backup by OID, with the directory that each has in the stored tree. */
export interface BackupTablespaces {
  readonly directoryOf: (oid: number) => string;
  readonly oidOf: (directory: string) => number | undefined;
}

/** A tablespace whose name is not known (no SQL connection, or made after the names were read) is called by its OID. */
export function nameTablespaces(known: readonly TablespaceName[]): BackupTablespaces {
  const directories = new Map(known.map(({ oid, name }) => [oid, tablespaceDirectory(name)]));
  const oids = new Map([...directories].map(([oid, directory]) => [directory, oid]));
  return {
    directoryOf(oid) {
      const found = directories.get(oid);
      if (found !== undefined) return found;
      let directory = tablespaceDirectory(String(oid));
      // Another tablespace may have that number for a name.
      while (oids.has(directory)) directory = `${directory}_${oid}`;
      directories.set(oid, directory);
      oids.set(directory, oid);
      return directory;
    },
    oidOf: (directory) => oids.get(directory),
  };
}

/** Path in the stored tree of an entry of the archive of `tablespaceOid` (undefined: of the data directory). */
export function storedPath(path: string, tablespaceOid: number | undefined, tablespaces: BackupTablespaces): string {
  return tablespaceOid === undefined ? dataPath(path) : tablespacePath(tablespaces.directoryOf(tablespaceOid), path);
}

/** How the server's manifest names the file at `stored`; undefined for what is not part of the cluster. */
export function manifestPath(stored: string, oidOf: (directory: string) => number | undefined): string | undefined {
  if (stored.startsWith(dataPrefix)) return stored.slice(dataPrefix.length);
  const slash = stored.indexOf("/");
  const oid = slash < 0 ? undefined : oidOf(stored.slice(0, slash));
  return oid === undefined ? undefined : `pg_tblspc/${oid}/${stored.slice(slash + 1)}`;
}
