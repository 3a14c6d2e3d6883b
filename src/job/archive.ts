/** `archive`: the restore that is planned and given by one operation, packed by another. */
import { archive, ownAccount } from "../archive/index.ts";
import { openClusterStream, type RestorePlan } from "../restore/index.ts";
import { levelFor } from "./compression-level.ts";
import { dataKeys } from "./data-keys.ts";
import type { JobHandler } from "./job.ts";
import { restoreOptions } from "./restore.ts";

export const archiveBackup: JobHandler<"archive"> = async (request, environment) => {
  const { clock, logger, progress, repository, server, signal, uses } = environment;
  const { backup, directory, position } = request;
  const taken: string[] = [];
  const options = restoreOptions({ backup, position, directory, copyWal: true }, environment, taken);
  const { compression, encryption } = repository;
  let plan: RestorePlan | undefined;
  progress({ phase: "restore" });
  const made = await archive(
    {
      server: server.name,
      directory,
      spec: { compression, encryption, ...levelFor(compression, repository.compressionLevel) },
      dataKey: encryption === "none" ? undefined : await dataKeys(environment).current(),
      memoryBytes: repository.memoryBytes,
      workers: options.workers,
      owner: ownAccount(),
    },
    {
      logger,
      signal,
      async openCluster() {
        const stream = await openClusterStream(options, { clock, logger, signal, progress: () => undefined });
        plan = stream.plan;
        uses([plan.backup.label]);
        return { ...stream, label: plan.backup.label, endTime: Date.parse(plan.backup.endTime) };
      },
      progress: ({ bytesDone, bytesTotal }) => progress({ phase: "compression", bytesDone, bytesTotal }),
    },
  );
  return {
    label: made.label,
    notes: [...(plan?.notes ?? []), ...taken],
    facts: { file: made.file, size: made.size, bytes: made.bytes, target: plan?.target ?? "" },
  };
};
