/** `restore`: the supervisor's settings as options of the procedure, its plan as sentences for the operator. */
import { fileURLToPath } from "node:url";
import { failureOf, type HookFactsOf } from "../hooks/index.ts";
import type { JobResult } from "../ipc/index.ts";
import {
  describePlan,
  planRestore,
  refusedPlan,
  restore,
  type RestoreOptions,
  type RestorePhase,
  type RestorePlan,
} from "../restore/index.ts";
import { openLocalStorage } from "../storage/index.ts";
import { dataKeys } from "./data-keys.ts";
import { jobErrors } from "./errors.ts";
import type { JobEnvironment, JobHandler, RequestOf } from "./job.ts";

/** pgmoneta's word for each phase. */
export const restorePhases: Readonly<Record<RestorePhase, string>> = {
  plan: "restore",
  files: "restore",
  wal: "copy WAL",
  settings: "recovery settings",
  sync: "permissions",
};

/** The program that a restored server calls for its WAL: the command line of this very installation. */
function program({ repository }: JobEnvironment): RestoreOptions["program"] {
  const { configDirectory } = repository;
  return {
    node: process.execPath,
    script: fileURLToPath(new URL("../../bin/moneta-cli", import.meta.url)),
    ...(configDirectory === undefined ? {} : { arguments: ["-D", configDirectory] }),
  };
}

const takenNote = (name: string, why: string): string => `${name} is taken from the second copy of the WAL: ${why}`;

/** The supervisor's settings as options of a restore. */
export function restoreOptions(
  request: Pick<RequestOf<"restore">, "backup" | "position" | "directory" | "copyWal"> &
    Partial<Pick<RequestOf<"restore">, "tablespaceMap" | "tablespaceMapAll">>,
  environment: JobEnvironment,
  /** Gets a sentence for whatever is read from the second copy of the WAL. */
  taken: string[] = [],
): RestoreOptions {
  const { repository, server, serverConfiguration, storage } = environment;
  const { host, port, user, passFile } = server.connection;
  const { secondCopy } = repository;
  const keys = dataKeys(environment);
  return {
    storage,
    ...(secondCopy === undefined ? {} : { secondCopy: { storage: openLocalStorage(secondCopy), taken: (name, why) => taken.push(takenNote(name, why)) } }),
    server: server.name,
    backup: request.backup,
    position: request.position,
    directory: request.directory,
    copyWal: request.copyWal,
    tablespaceMap: { each: request.tablespaceMap ?? [], all: request.tablespaceMapAll ?? undefined },
    workers: Math.max(1, serverConfiguration().workers),
    keys: () => keys.ring(),
    masterKeyFile: repository.masterKeyFile,
    program: program(environment),
    replica: { host, port, user, passFile },
  };
}

function resultOf(plan: RestorePlan, dryRun: boolean, taken: readonly string[]): JobResult {
  const facts = { directory: plan.directory, target: plan.target, plan: describePlan(plan), dryRun };
  return { label: plan.backup.label, notes: [...plan.notes, ...taken], facts };
}

export const restoreBackup: JobHandler<"restore"> = async (request, environment) => {
  const { clock, hooks, logger, progress, signal, uses } = environment;
  const taken: string[] = [];
  /** What the hooks are told; undefined before the first of them has allowed it. */
  let allowed: HookFactsOf | undefined;
  const options = restoreOptions(request, environment, taken);
  const dependencies: Parameters<typeof restore>[1] = {
    clock,
    logger,
    signal,
    progress: ({ phase, bytesDone, bytesTotal }) => progress({ phase: restorePhases[phase], bytesDone, bytesTotal }),
    planned: async ({ backup, directory, target }) => {
      uses([backup.label]);
      const facts = { MONETA_BACKUP: backup.label, MONETA_DIRECTORY: directory, MONETA_TARGET: target };
      await hooks.before("before_restore", facts);
      allowed = facts;
    },
  };
  if (!request.dryRun) {
    const { plan } = await restore(options, dependencies).catch(async (error: unknown) => {
      if (allowed !== undefined) await hooks.after("after_restore", { ...allowed, ...failureOf(error, signal) });
      throw error;
    });
    const remark = await hooks.after("after_restore", { ...allowed, MONETA_RESULT: "succeeded" });
    return resultOf(plan, false, [...new Set(taken), ...(remark === undefined ? [] : [remark])]);
  }
  const plan = await planRestore(options, dependencies);
  // A plan that cannot be carried out is no yes, however well it reads.
  if (plan.problems.length > 0) throw jobErrors.planRefused(plan.problems.join("; "), refusedPlan(plan));
  return resultOf(plan, true, [...new Set(taken)]);
};
