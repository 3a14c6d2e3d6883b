/** `backup`: the supervisor's settings as options of the procedure, its phases as pgmoneta's, or ours where it waits. */
import { backup, type BackupOptions, type BackupPhase } from "../backup/index.ts";
import { managementErrors } from "../management/index.ts";
import { formatLsn } from "../postgres/index.ts";
import { levelFor } from "./compression-level.ts";
import { connectOptions } from "./connect-options.ts";
import { dataKeys } from "./data-keys.ts";
import type { JobEnvironment, JobHandler } from "./job.ts";
import { createWalDurability } from "./wal-durability.ts";

const phases: Readonly<Record<BackupPhase, string>> = {
  prepare: "base backup",
  checkpoint: "checkpoint",
  receive: "base backup",
  check: "manifest",
  wal: "copy WAL",
  commit: "digests",
};

function serverCompression({
  compression,
  compressionSide,
  compressionLevel,
}: JobEnvironment["repository"]): BackupOptions["serverCompression"] {
  if (compressionSide === "client" || compression === "none" || compression === "bzip2") return undefined;
  return { method: compression, ...levelFor(compression, compressionLevel) };
}

export const takeBackup: JobHandler<"backup"> = async (request, environment) => {
  const { clock, hooks, logger, progress, repository, serverConfiguration, signal, uses } = environment;
  if (request.parent !== null)
    throw managementErrors.commandNotAvailable("incremental backups are not available in this version");
  const encrypted = repository.encryption !== "none";
  // A standby makes no checkpoint of its own: it waits until it has replayed, and written out, one of its primary.
  const wordFor = (phase: BackupPhase): string => (phase === "checkpoint" && environment.serverState().inRecovery ? "restart point" : phases[phase]);
  const { workers } = serverConfiguration();
  const remarks: string[] = [];
  const take = async (): ReturnType<typeof backup> => backup(
    {
      server: environment.server.name,
      connect: connectOptions(environment),
      storage: environment.storage,
      spec: {
        compression: repository.compression,
        encryption: repository.encryption,
        ...levelFor(repository.compression, repository.compressionLevel),
      },
      dataKey: encrypted ? await dataKeys(environment).current() : undefined,
      serverCompression: serverCompression(repository),
      hash: repository.hash,
      link: repository.link,
      extra: environment.server.extra,
      workers,
      memoryBytes: repository.memoryBytes,
      maxRateBytes: () => serverConfiguration().maxRate,
      version: environment.version,
    },
    {
      clock,
      logger,
      signal,
      progress: ({ phase, bytesDone, bytesTotal }) => progress({ phase: wordFor(phase), bytesDone, bytesTotal }),
      wal: createWalDurability(environment),
      started: ({ previous, timeline, from }) =>
        uses(previous === undefined ? [] : [previous], [{ timeline, from: formatLsn(from) }]),
    },
  );
  const { info, warnings } = await hooks.around("backup", {}, take, {
    note: (sentence) => remarks.push(sentence),
    learned: ({ info: { label } }) => ({ MONETA_BACKUP: label }),
  });
  return { label: info.label, notes: [...warnings, ...remarks], facts: {} };
};
