/** The names of the hooks, for the configuration: `hook_<name>`. */
export const hookNames = [
  "before_backup",
  "after_backup",
  "before_restore",
  "after_restore",
  "before_delete",
  "after_delete",
  "before_wal_archive",
  "after_wal_archive",
] as const;

export type HookName = (typeof hookNames)[number];
