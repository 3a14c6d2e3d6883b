/** `archive-wal`: finished segments get their final form, until there has been nothing to do for a minute. */
import { runArchiver } from "../wal/index.ts";
import { levelFor } from "./compression-level.ts";
import { dataKeys } from "./data-keys.ts";
import type { JobHandler } from "./job.ts";

const IDLE_MS = 60_000;

export const archiveWal: JobHandler<"archive-wal"> = async (_request, environment) => {
  const { archived, clock, logger, onSegment, repository, server, serverConfiguration, signal, storage } = environment;
  const encrypted = repository.encryption !== "none";
  let lastSegment = 0;
  const { segments, storedBytes } = await runArchiver(
    {
      server: server.name,
      storage,
      spec: {
        compression: repository.compression,
        encryption: repository.encryption,
        ...levelFor(repository.compression, repository.compressionLevel),
      },
      keys: encrypted ? dataKeys(environment) : undefined,
      hash: repository.hash,
      workers: serverConfiguration().workers,
      memoryBytes: repository.memoryBytes,
      idleMs: IDLE_MS,
    },
    {
      clock,
      logger,
      signal,
      onSegment: (listener) =>
        onSegment((segment) => {
          lastSegment = segment.number;
          listener();
        }),
      archived: (_segment, stored) => archived(1, stored),
      caughtUp: () => archived(0, 0),
    },
  );
  // Whoever announced more than this has to start the next one.
  return { label: null, notes: [], facts: { lastSegment, segments, storedBytes } };
};
