/** `ship-wal`: the second copy of the WAL is brought up to date and kept so, until there has been nothing to do for a minute. */
import { openLocalStorage } from "../storage/index.ts";
import { runSecondCopy } from "../wal/index.ts";
import type { JobHandler } from "./job.ts";

const IDLE_MS = 60_000;

export const shipWal: JobHandler<"ship-wal"> = async ({ directory }, environment) => {
  const { archived, clock, logger, onSegment, server, signal, storage } = environment;
  let lastSegment = 0;
  const { files, bytes } = await runSecondCopy(
    { server: server.name, storage, copy: openLocalStorage(directory), idleMs: IDLE_MS },
    {
      clock,
      logger,
      signal,
      onNews: (listener) =>
        onSegment((segment) => {
          lastSegment = segment.number;
          listener();
        }),
      copied: (_name, size) => archived(1, size),
      caughtUp: () => archived(0, 0),
    },
  );
  // Whoever announced more than this has to start the next one.
  return { label: null, notes: [], facts: { lastSegment, files, bytes } };
};
