/**
 * What is known of the backups of each server, read at the start and after each job, so that a status request never
 * touches the disk.
 */
import { openCatalog, type BackupInfo, type CatalogEntry } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";

export interface CatalogCache {
  /** As last read; empty before the first `refresh`. */
  entries(server: string): readonly CatalogEntry[];
  /** Reads the catalog of a server again. */
  refresh(server: string): Promise<readonly CatalogEntry[]>;
  /** One backup, read afresh: `oldest`, `newest`, `latest` or a label. Throws as `Catalog.find` does. */
  find(server: string, which: string): Promise<BackupInfo>;
  /** Changes what is written of a backup, durably. */
  update(server: string, label: string, change: (info: BackupInfo) => BackupInfo): Promise<void>;
}

/** @param onChange called with what was read, so that counts and sizes follow */
export function createCatalogCache(
  storage: LocalStorage,
  onChange: (server: string, entries: readonly CatalogEntry[]) => void,
): CatalogCache {
  const cached = new Map<string, readonly CatalogEntry[]>();
  const reading = new Map<string, Promise<readonly CatalogEntry[]>>();

  async function read(server: string): Promise<readonly CatalogEntry[]> {
    const entries = await openCatalog(storage, server).entries();
    cached.set(server, entries);
    onChange(server, entries);
    return entries;
  }

  function refresh(server: string): Promise<readonly CatalogEntry[]> {
    // One after the other: an older answer must not come after a newer one.
    const before = reading.get(server) ?? Promise.resolve([]);
    const next = before.then(
      () => read(server),
      () => read(server),
    );
    reading.set(server, next);
    return next;
  }

  return {
    entries: (server) => cached.get(server) ?? [],
    refresh,
    async update(server, label, change) {
      await openCatalog(storage, server).update(label, change);
      await refresh(server);
    },
    find: (server, which) => openCatalog(storage, server).find(which),
  };
}
