/** `archive-wal`: finished segments get their final form, until there has been nothing to do for a minute. */
import { join } from "node:path";
import { lsn, timelineId } from "../postgres/index.ts";
import type { ServerState } from "../state/index.ts";
import { runArchiver, type ReceivingAt, type SegmentHooks } from "../wal/index.ts";
import { levelFor } from "./compression-level.ts";
import { dataKeys } from "./data-keys.ts";
import type { JobEnvironment, JobHandler } from "./job.ts";
import { lowerPriority } from "./lower-priority.ts";

const IDLE_MS = 60_000;

/** With everything from there on possibly in its hands; one that has just begun may be anywhere. */
function receivingAt({ receiver, timeline, writeLsn }: ServerState): ReceivingAt | undefined {
  if (!["preparing", "streaming", "comparing", "paused"].includes(receiver)) return undefined;
  return { timeline: timelineId(Math.max(1, timeline)), lsn: lsn(writeLsn) };
}

export const archiveWal: JobHandler<"archive-wal"> = async (_request, environment) => {
  const { archived, clock, logger, onSegment, repository, server, serverConfiguration, serverState, signal, storage } = environment;
  // What was received is safe as it is, while commits may wait for the receiver, and the server may be on this machine.
  lowerPriority();
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
      receiving: () => receivingAt(serverState()),
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
      around: segmentHooks(environment),
    },
  );
  // Whoever announced more than this has to start the next one.
  return { label: null, notes: [], facts: { lastSegment, segments, storedBytes } };
};

function segmentHooks({ hooks, repository }: JobEnvironment): SegmentHooks | undefined {
  if (!hooks.has("before_wal_archive") && !hooks.has("after_wal_archive")) return undefined;
  const facts = (segment: string, path: string) => ({ MONETA_SEGMENT: segment, MONETA_FILE: join(repository.baseDir, path) });
  return {
    before: (segment, path) => hooks.before("before_wal_archive", facts(segment, path)),
    async after(segment, path) {
      await hooks.after("after_wal_archive", { ...facts(segment, path), MONETA_RESULT: "succeeded" });
    },
  };
}
