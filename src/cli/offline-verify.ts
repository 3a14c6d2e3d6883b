/** `verify --offline`: a verification with what the configuration, the repository and the master key say. */
import { systemClock } from "../common/index.ts";
import type { Configuration } from "../config/index.ts";
import { silentLogger } from "../log/index.ts";
import { openDataKeys, openVerifications } from "../repository/index.ts";
import { consistencyHistory } from "../restore/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import { createFileList, plainReport, requireGood, verify, type PlainReport, type VerifyProgress } from "../verify/index.ts";
import { cliErrors } from "./errors.ts";
import type { OfflineVerify } from "./offline-operations.ts";
import { masterKeySource } from "../vault/index.ts";

/** Verifies. Throws what the verification throws, and what makes its answer a no. */
export async function verifyOffline(request: OfflineVerify, configuration: Configuration, storage: LocalStorage): Promise<PlainReport> {
  const { server, backup, all, signal } = request;
  const section = configuration.servers.find(({ name }) => name === server);
  if (section === undefined) throw cliErrors.usage(`there is no server ${server}`);
  const before = await openVerifications(storage, server).read();
  const files = createFileList();
  const keys = openDataKeys(storage, server, masterKeySource(configuration.main.masterKeyFile));
  const began = systemClock.monotonic();
  const report = await verify(
    {
      storage,
      server,
      backup,
      workers: Math.max(2, section.workers),
      rateBytes: 0,
      keys: () => keys.ring(),
      historyOf: consistencyHistory,
      marked: before.backups.get(backup)?.outcome === "bad",
    },
    {
      clock: systemClock,
      logger: silentLogger,
      signal,
      progress: (state) => request.onProgress(jobOf(server, state, systemClock.monotonic() - began)),
      onFile: (file) => {
        if (all) files.add(file);
      },
    },
  );
  const plain = plainReport(storage.root, server, report, files);
  requireGood(plain);
  return plain;
}

function jobOf(server: string, { bytesDone, bytesTotal }: VerifyProgress, elapsedMs: number): Parameters<OfflineVerify["onProgress"]>[0] {
  const bytesPerSecond = elapsedMs > 0 ? (bytesDone * 1000) / elapsedMs : 0;
  return {
    id: "offline",
    server,
    command: "verify",
    state: "running",
    phase: "verify",
    doneBytes: bytesDone,
    totalBytes: bytesTotal,
    elapsedMs,
    bytesPerSecond,
    ...(bytesPerSecond > 0 ? { remainingMs: ((bytesTotal - bytesDone) * 1000) / bytesPerSecond } : {}),
  };
}
