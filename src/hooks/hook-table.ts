/** What each hook is: when it runs, and which variables it is given. The manual is made from this table. */
import type { HookName } from "./options.ts";

/** A variable of the environment of hooks. */
export const hookVariables = {
  MONETA_HOOK: "the name of the hook, `before_backup` for instance",
  MONETA_SERVER: "the name of the server's section",
  MONETA_BASE_DIR: "`base_dir`, the root of the repository",
  MONETA_JOB: "the command of the job: backup, restore, delete, retention or archive-wal",
  MONETA_BACKUP: "the label of the backup",
  MONETA_DIRECTORY: "the directory into which is restored",
  MONETA_TARGET: "where recovery is going to stop, in a sentence",
  MONETA_SEGMENT: "the name of the WAL segment",
  MONETA_FILE: "the path of the segment: before, of the raw one; after, of the archived one",
  MONETA_RESULT: "how it ended: `succeeded`, `failed` or `cancelled`",
  MONETA_CODE: "the code of the error, where it did not succeed",
  MONETA_MESSAGE: "the message of the error, where it did not succeed",
} as const;

export type HookVariable = keyof typeof hookVariables;

export interface HookFacts {
  readonly when: string;
  /** What becomes of the job when the program does not end with 0. */
  readonly failure: string;
  /** Besides those that every hook has: `MONETA_HOOK`, `MONETA_SERVER`, `MONETA_BASE_DIR`, `MONETA_JOB`. */
  readonly variables: readonly HookVariable[];
}

export const everyHookHas: readonly HookVariable[] = ["MONETA_HOOK", "MONETA_SERVER", "MONETA_BASE_DIR", "MONETA_JOB"];
const outcome: readonly HookVariable[] = ["MONETA_RESULT", "MONETA_CODE", "MONETA_MESSAGE"];
const said = "A warning with the answer, and in the log; what was done stays done.";

export const hookTable: Readonly<Record<HookName, HookFacts>> = {
  before_backup: {
    when: "Before a backup begins: nothing of it is there yet.",
    failure: "The backup fails, and nothing was asked of the server.",
    variables: [],
  },
  after_backup: { when: "When a backup is valid, or has failed.", failure: said, variables: ["MONETA_BACKUP", ...outcome] },
  before_restore: {
    when: "When a restore is planned and everything was checked, before anything is written.",
    failure: "The restore fails, and the target is as it was.",
    variables: ["MONETA_BACKUP", "MONETA_DIRECTORY", "MONETA_TARGET"],
  },
  after_restore: {
    when: "When a cluster is restored, or the restore has failed after its before_restore.",
    failure: said,
    variables: ["MONETA_BACKUP", "MONETA_DIRECTORY", "MONETA_TARGET", ...outcome],
  },
  before_delete: {
    when: "Before a backup goes, whether an operator deletes it or retention does.",
    failure: "The backup stays. Retention takes nothing more away in this run, and says so.",
    variables: ["MONETA_BACKUP"],
  },
  after_delete: {
    when: "When a backup is gone, or its deletion has failed after its before_delete.",
    failure: said,
    variables: ["MONETA_BACKUP", ...outcome],
  },
  before_wal_archive: {
    when: "Before a finished WAL segment gets its final form. WAL is received all the same.",
    failure: "The segment stays in its raw form, which restores read as well; it is tried again, and status says so.",
    variables: ["MONETA_SEGMENT", "MONETA_FILE"],
  },
  after_wal_archive: {
    when: "When a WAL segment has its final form and is durable.",
    failure: "A line in the log; the segment is archived.",
    variables: ["MONETA_SEGMENT", "MONETA_FILE", "MONETA_RESULT"],
  },
};
