/** What a restore begins from, and how it is said why not from something else. */
import { MonetaError } from "../common/index.ts";
import { pipelineErrors } from "../pipeline/index.ts";
import { repositoryErrors } from "../repository/index.ts";
import type { CheckedTarget } from "./check-target.ts";
import { restoreErrors } from "./errors.ts";
import type { Way } from "./way.ts";

/** A backup with the way from it to the target. */
export interface Approach extends Way {
  readonly checked: CheckedTarget;
  /** Why this backup, when it was not asked for by its label. */
  readonly choice: string | undefined;
}

/** Why it is this backup, given why the later ones are not. */
export function choiceAfter(refusals: readonly MonetaError[]): string {
  const reason = refusals.at(-1);
  return `the newest backup that can reach the target${reason === undefined ? "" : `: ${reason.message}`}`;
}

/** The newest backup says best what is possible; the oldest says where the range begins. */
export function noneReaches(server: string, refusals: readonly MonetaError[]): MonetaError {
  const [newest] = refusals;
  const oldest = refusals.at(-1);
  const also = oldest === undefined || oldest === newest ? "" : `; from the oldest backup: ${oldest.message}`;
  return restoreErrors.unreachable(`no backup of ${server} can reach the target: ${newest?.message ?? ""}${also}`, { server });
}

/** The result, or why this backup does not come into question; anything else that fails is thrown. */
export async function passing<T>(step: () => Promise<T>): Promise<T | MonetaError> {
  try {
    return await step();
  } catch (error) {
    const passes = [
      restoreErrors.unreachable,
      restoreErrors.foreign,
      repositoryErrors.backupDamaged,
      // Of a segment that was not to be looked at when the way was found: another backup may not need it.
      repositoryErrors.walDamaged,
      restoreErrors.walMissing,
      restoreErrors.historyWrong,
      pipelineErrors.damaged,
    ];
    if (error instanceof MonetaError && passes.some((known) => known.is(error))) return error;
    throw error;
  }
}
