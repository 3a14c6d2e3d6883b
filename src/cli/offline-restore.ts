/** `restore --offline`: a restore with what the configuration, the repository and the master key say. */
import { resolve } from "node:path";
import { systemClock } from "../common/index.ts";
import type { Configuration } from "../config/index.ts";
import { silentLogger } from "../log/index.ts";
import type { BackupWal, JobSummary, ProgressPhase, RestoreSummary } from "../management/index.ts";
import { summariseEntry } from "../management/index.ts";
import { openCatalog, openDataKeys } from "../repository/index.ts";
import { describePlan, planRestore, refusedPlan, restore } from "../restore/index.ts";
import type { RestoreOptions, RestorePhase, RestorePlan, RestoreProgram, RestoreProgress } from "../restore/index.ts";
import { openLocalStorage, type LocalStorage } from "../storage/index.ts";
import { masterKeySource } from "../vault/index.ts";
import { cliErrors } from "./errors.ts";
import type { OfflineRestore } from "./offline-operations.ts";

const phases: Readonly<Record<RestorePhase, ProgressPhase>> = {
  plan: "none",
  files: "restore",
  wal: "copy WAL",
  settings: "recovery settings",
  sync: "permissions",
};

/** What a restore needs besides the words of the operator. */
export interface RestoreSurroundings {
  readonly configuration: Configuration;
  readonly storage: LocalStorage;
  readonly program: RestoreProgram;
  readonly wal: (label: string) => Promise<BackupWal | undefined>;
}

/** Restores, or only plans. Throws what the restore throws. */
export async function restoreOffline(
  request: OfflineRestore,
  { configuration, storage, program, wal }: RestoreSurroundings,
): Promise<RestoreSummary> {
  const { server, dryRun, signal } = request;
  const taken = new Set<string>();
  const options = optionsOf(request, { configuration, storage, program }, taken);
  const began = systemClock.monotonic();
  const progress = (state: RestoreProgress): void => {
    request.onProgress(jobOf(server, state, systemClock.monotonic() - began));
  };
  const deps = { clock: systemClock, logger: silentLogger, signal, progress };
  const plan = dryRun ? await planRestore(options, deps) : (await restore(options, deps)).plan;
  // A plan that cannot be carried out is no yes, however well it reads.
  if (plan.problems.length > 0) throw cliErrors.planRefused(plan.problems.join("; "), refusedPlan(plan));
  const summary = await summarise(server, plan, dryRun, storage, wal);
  return { ...summary, warnings: [...summary.warnings, ...taken] };
}

/** Options of a restore; `taken` gets a sentence for whatever is read from the second copy of the WAL. */
export function optionsOf(
  request: Pick<OfflineRestore, "server" | "backup" | "position" | "directory"> & Partial<OfflineRestore>,
  { configuration, storage, program }: Pick<RestoreSurroundings, "configuration" | "storage" | "program">,
  taken: Set<string>,
): RestoreOptions {
  const { server } = request;
  const section = configuration.servers.find(({ name }) => name === server);
  if (section === undefined) throw cliErrors.usage(`there is no server ${server}`);
  const { host, port, user, walShipping, workers } = section;
  // Without a configuration's passwords the master key is needed only where something is encrypted, and is read then.
  const keys = openDataKeys(storage, server, masterKeySource(configuration.main.masterKeyFile));
  return {
    storage,
    ...(walShipping === undefined
      ? {}
      : {
          secondCopy: {
            storage: openLocalStorage(walShipping),
            taken: (name, why) => taken.add(`${name} is taken from the second copy of the WAL: ${why}`),
          },
        }),
    server,
    backup: request.backup,
    position: request.position,
    directory: resolve(request.directory),
    copyWal: request.copyWal ?? false,
    tablespaceMap: request.tablespaceMap,
    workers: Math.max(2, workers),
    keys: () => keys.ring(),
    masterKeyFile: configuration.main.masterKeyFile,
    program,
    replica: { host, port, user, passFile: configuration.main.passFile },
  };
}

async function summarise(
  server: string,
  plan: RestorePlan,
  dryRun: boolean,
  storage: LocalStorage,
  wal: RestoreSurroundings["wal"],
): Promise<RestoreSummary> {
  const { label } = plan.backup;
  const info = await openCatalog(storage, server).find(label);
  const state = info.valid ? "valid" : "invalid";
  return {
    backup: summariseEntry(server, { label, state, info }, await wal(label)),
    directory: plan.directory,
    target: plan.target,
    plan: describePlan(plan),
    dryRun,
    warnings: plan.notes,
  };
}

function jobOf(server: string, { phase, bytesDone, bytesTotal }: RestoreProgress, elapsedMs: number): JobSummary {
  const bytesPerSecond = elapsedMs > 0 ? (bytesDone * 1000) / elapsedMs : 0;
  return {
    id: "offline",
    server,
    command: "restore",
    state: "running",
    phase: phases[phase],
    doneBytes: bytesDone,
    totalBytes: bytesTotal,
    elapsedMs,
    bytesPerSecond,
    ...(bytesPerSecond > 0 ? { remainingMs: ((bytesTotal - bytesDone) * 1000) / bytesPerSecond } : {}),
  };
}
