/** The offline operations on a real repository: configuration, storage, catalog, WAL inventory. */
import { loadConfiguration } from "../config/index.ts";
import { detailBackup, entryRemarks, managementErrors, measureWal, summariseEntry } from "../management/index.ts";
import type { BackupWal, ServerIdentity } from "../management/index.ts";
import { drillsOf, layoutOfLineage, lineageOf, openCatalog, openDrillRecords, openWalInventory, type DrillRecord } from "../repository/index.ts";
import type { BackupInfo, Catalog } from "../repository/index.ts";
import { openLocalStorage } from "../storage/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { OfflineOperations, OfflineSurroundings } from "./offline-operations.ts";
import { archiveOffline } from "./offline-archive.ts";
import { restoreOffline } from "./offline-restore.ts";
import { previewRetention } from "./offline-retention.ts";
import { verifyOffline } from "./offline-verify.ts";

/** WAL of the backups of a server, of each from that of its own cluster: sizes of segments and positions differ between them. */
async function measure(
  storage: LocalStorage,
  server: string,
  backups: readonly BackupInfo[],
): Promise<ReadonlyMap<string, BackupWal>> {
  const measured = new Map<string, BackupWal>();
  for (const lineage of new Set(backups.map(lineageOf))) {
    const own = backups.filter((info) => lineageOf(info) === lineage);
    const segmentSize = own.at(-1)?.own?.walSegmentSize ?? 16 * 1024 * 1024;
    const stretches = await openWalInventory(storage, await layoutOfLineage(storage, server, lineage), segmentSize).stretches();
    for (const [label, wal] of measureWal(own, stretches)) measured.set(label, wal);
  }
  return measured;
}

const identityOf = (server: string, newest: BackupInfo | undefined): ServerIdentity => ({
  server,
  majorVersion: newest?.majorVersion ?? 0,
  minorVersion: newest?.minorVersion ?? 0,
});

/** Opens the repository of the configuration. Throws the errors of configuration and storage. */
export async function openRepositoryOperations(surroundings: OfflineSurroundings): Promise<OfflineOperations> {
  const { configuration, warnings } = await loadConfiguration({
    directory: surroundings.directory,
    environment: surroundings.environment,
    purpose: "offline",
    ...(surroundings.defaultDirectory === undefined ? {} : { defaultDirectory: surroundings.defaultDirectory }),
  });
  for (const warning of warnings) surroundings.warn(warning.message);
  const storage = openLocalStorage(configuration.main.baseDir);
  const catalogOf = (server: string): Catalog => {
    if (!configuration.servers.some(({ name }) => name === server)) {
      throw managementErrors.serverUnknown(`the configuration ${configuration.files.main} has no server ${server}`, {
        server,
      });
    }
    return openCatalog(storage, server);
  };
  /** Nothing is written here: a history that cannot be understood is left to the daemon. */
  const drillsIn = async (server: string): Promise<readonly DrillRecord[]> => {
    const records = await openDrillRecords(storage, server).read();
    if (records === undefined) surroundings.warn(`the history of the drills of ${server} is damaged and is not shown`);
    return records ?? [];
  };
  return {
    async listBackups(server) {
      const catalog = catalogOf(server);
      const backups = await catalog.list();
      const wal = await measure(storage, server, backups);
      const entries = await catalog.entries();
      const drills = await drillsIn(server);
      return {
        identity: identityOf(server, backups.at(-1)),
        backups: entries.map((entry) => ({ ...summariseEntry(server, entry, wal.get(entry.label)), ...drillsOf(entry.label, drills) })),
      };
    },
    async describeBackup(server, backup) {
      const catalog = catalogOf(server);
      const info = await catalog.find(backup);
      const wal = await measure(storage, server, await catalog.list());
      const entry = (await catalog.entries()).find(({ label }) => label === info.label);
      return { ...detailBackup(server, info, wal.get(info.label)), ...entryRemarks(entry), ...drillsOf(info.label, await drillsIn(server)) };
    },
    async planRetention(server, signal) {
      const catalog = catalogOf(server);
      const options = configuration.servers.find(({ name }) => name === server);
      if (options === undefined) throw managementErrors.serverUnknown(`there is no server ${server}`, { server });
      return {
        identity: identityOf(server, (await catalog.list()).at(-1)),
        retention: await previewRetention(storage, options, signal),
      };
    },
    async restore(request) {
      const catalog = catalogOf(request.server);
      const restored = await restoreOffline(request, {
        configuration,
        storage,
        program: surroundings.program,
        wal: async (label) => (await measure(storage, request.server, await catalog.list())).get(label),
      });
      return { identity: identityOf(request.server, (await catalog.list()).at(-1)), restore: restored };
    },
    async archive(request) {
      const catalog = catalogOf(request.server);
      const archive = await archiveOffline(request, { configuration, storage, program: surroundings.program });
      return { identity: identityOf(request.server, (await catalog.list()).at(-1)), archive };
    },
    async verify(request) {
      catalogOf(request.server);
      return verifyOffline(request, configuration, storage);
    },
    close: () => Promise.resolve(),
  };
}
