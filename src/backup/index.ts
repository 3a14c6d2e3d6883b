/** Taking a base backup. */
export { backupErrors } from "./errors.ts";
export { backup } from "./backup.ts";
export type {
  BackupDependencies,
  BackupOptions,
  BackupPhase,
  BackupProgress,
  BackupResult,
  ServerCompression,
  WalDurability,
  WalNeededByBackup,
} from "./backup-options.ts";
