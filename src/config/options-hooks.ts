/** Keys about programs of the operator that run before and after what is done. */
import { hookNames, type HookName } from "../hooks/options.ts";
import { defaulting, optional, type Option, type OptionTable } from "./option.ts";
import { path, positiveTimeLimit } from "./value-kinds.ts";

const descriptions: Readonly<Record<HookName, string>> = {
  before_backup: "A program that is run before each backup; the backup is refused unless it ends with 0.",
  after_backup: "A program that is run after each backup, whether it succeeded or not.",
  before_restore: "A program that is run before a restore writes anything; the restore is refused unless it ends with 0.",
  after_restore: "A program that is run after each restore, whether it succeeded or not.",
  before_delete: "A program that is run before a backup is deleted, by an operator or by retention; the backup stays unless it ends with 0.",
  after_delete: "A program that is run after a backup was deleted.",
  before_wal_archive:
    "A program that is run before each finished WAL segment gets its final form; the segment stays raw, and is tried again later, unless it ends with 0.",
  after_wal_archive: "A program that is run after a WAL segment was archived.",
};

type HookKey = `hook_${HookName}`;

const programs = Object.fromEntries(
  hookNames.map((name) => [
    `hook_${name}`,
    optional(path, { reload: "live", ours: true, expandsEnvironment: true, description: descriptions[name] }),
  ]),
) as Record<HookKey, Option<string | undefined>>;

export const hookOptions = {
  ...programs,
  hook_timeout: defaulting(positiveTimeLimit, 300, {
    reload: "live",
    ours: true,
    description: "How long the program of a hook may take; then it is killed with what it has started in its process group.",
  }),
} satisfies OptionTable;
