/** `archive --offline`: an archive with what the configuration, the repository and the master key say. */
import { archive, ownAccount } from "../archive/index.ts";
import { systemClock } from "../common/index.ts";
import { nearestLevel } from "../compression/index.ts";
import { silentLogger } from "../log/index.ts";
import type { ArchiveSummary } from "../management/index.ts";
import { openDataKeys } from "../repository/index.ts";
import { openClusterStream, type RestorePlan } from "../restore/index.ts";
import { cliErrors } from "./errors.ts";
import type { OfflineArchive } from "./offline-operations.ts";
import { masterKeySource } from "../vault/index.ts";
import { optionsOf, type RestoreSurroundings } from "./offline-restore.ts";

/** Makes the archive. Throws what the archive throws. */
export async function archiveOffline(
  request: OfflineArchive,
  { configuration, storage, program }: Pick<RestoreSurroundings, "configuration" | "storage" | "program">,
): Promise<ArchiveSummary> {
  const { server, signal } = request;
  const section = configuration.servers.find(({ name }) => name === server);
  if (section === undefined) throw cliErrors.usage(`there is no server ${server}`);
  const { compression, compressionLevel, encryption } = section;
  const { method } = compression;
  const { jobMemory, masterKeyFile } = configuration.main;
  const taken = new Set<string>();
  const options = optionsOf(request, { configuration, storage, program }, taken);
  const dataKey = () => openDataKeys(storage, server, masterKeySource(masterKeyFile)).current();
  const logger = silentLogger;
  const began = systemClock.monotonic();
  let plan: RestorePlan | undefined;
  const made = await archive(
    {
      server,
      directory: options.directory,
      spec: { compression: method, level: nearestLevel(method, compressionLevel), encryption },
      dataKey: encryption === "none" ? undefined : await dataKey(),
      memoryBytes: jobMemory,
      workers: options.workers,
      owner: ownAccount(),
    },
    {
      logger,
      signal,
      async openCluster() {
        const stream = await openClusterStream(options, {
          clock: systemClock,
          logger,
          signal,
          progress: () => undefined,
        });
        plan = stream.plan;
        return { ...stream, label: plan.backup.label, endTime: Date.parse(plan.backup.endTime) };
      },
      progress: ({ bytesDone, bytesTotal }) => {
        const elapsedMs = systemClock.monotonic() - began;
        const bytesPerSecond = elapsedMs > 0 ? (bytesDone * 1000) / elapsedMs : 0;
        const left = bytesPerSecond > 0 ? { remainingMs: ((bytesTotal - bytesDone) * 1000) / bytesPerSecond } : {};
        const job = { id: "offline", server, command: "archive", state: "running", phase: "compression" } as const;
        request.onProgress({
          ...job,
          doneBytes: bytesDone,
          totalBytes: bytesTotal,
          elapsedMs,
          bytesPerSecond,
          ...left,
        });
      },
    },
  );
  const { bytes, file, label, size } = made;
  return { label, file, size, bytes, target: plan?.target ?? "", warnings: [...(plan?.notes ?? []), ...taken] };
}
