/** `hot-standby`: brings every copy of the server to its newest backup. One that cannot be holds up no other. */
import { MonetaError, throwIfAborted, toMonetaError } from "../common/index.ts";
import type { HotStandbyCopy } from "../ipc/index.ts";
import { refreshStandby, type StandbyResult } from "../restore/index.ts";
import type { JobEnvironment, JobHandler } from "./job.ts";
import { restoreOptions, restorePhases } from "./restore.ts";

/** `chosen` is told which backup it is, before anything of the copy is changed. */
function bring(
  backup: string,
  copy: HotStandbyCopy,
  environment: JobEnvironment,
  notes: string[],
  chosen: (label: string) => void,
): Promise<StandbyResult> {
  const { clock, logger, progress, repository, signal } = environment;
  const { directory, overrides, tablespaceMap } = copy;
  const options = restoreOptions({ backup, position: null, directory, copyWal: true, tablespaceMap }, environment, notes);
  return refreshStandby(
    { ...options, overrides: overrides ?? undefined, repositoryId: repository.id },
    {
      clock,
      logger,
      signal,
      progress: ({ phase, bytesDone, bytesTotal }) => progress({ phase: restorePhases[phase], bytesDone, bytesTotal }),
      planned: async (plan) => chosen(plan.backup.label),
    },
  );
}

export const refreshStandbys: JobHandler<"hot-standby"> = async (request, environment) => {
  const { logger, signal, uses } = environment;
  // All copies get the same one: only that is kept from being deleted meanwhile.
  let backup = request.backup;
  const chosen = (label: string): void => {
    backup = label;
    uses([label]);
  };
  const notes: string[] = [];
  const failures: MonetaError[] = [];
  const done: StandbyResult[] = [];
  for (const copy of request.copies) {
    throwIfAborted(signal);
    try {
      const result = await bring(backup, copy, environment, notes, chosen);
      done.push(result);
      for (const note of result.notes) logger.info(`hot standby "${result.directory}": ${note}`);
      notes.push(...result.notes);
    } catch (error) {
      // Whoever was told to end has not failed.
      throwIfAborted(signal);
      const failure = toMonetaError(error);
      logger.error(failure.message, { code: failure.code, directory: copy.directory });
      failures.push(failure);
    }
  }
  const size = done.reduce((sum, copy) => sum + copy.size, 0);
  const [first] = failures;
  if (first !== undefined) throw new MonetaError(first, failures.map(({ message }) => message).join("; "), { ...first.details, size });
  const copies = done.map(({ directory, label, refreshed, written, files }) => ({ directory, label, refreshed, written, ...files }));
  return { label: done[0]?.label ?? null, notes: [...new Set(notes)], facts: { size, copies } };
};
