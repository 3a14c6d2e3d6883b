/** Every family, by subject: what the exposition, the page, the manual and the checks of rules and dashboards go by. */
import { backupFamilies } from "./backups.ts";
import { daemonFamilies, processFamilies } from "./daemon.ts";
import type { Family } from "./family.ts";
import { jobFamilies } from "./jobs.ts";
import { pgmonetaBackups, pgmonetaBackupSummary } from "./pgmoneta-backups.ts";
import { pgmonetaGeneral, pgmonetaSpace } from "./pgmoneta-general.ts";
import { pgmonetaActivity, pgmonetaProgress, pgmonetaServer } from "./pgmoneta-server.ts";
import { walFamilies } from "./wal.ts";

export interface FamilyGroup {
  readonly title: string;
  readonly families: readonly Family[];
}

/** Ours. */
export const ownGroups: readonly FamilyGroup[] = [
  { title: "WAL and receivers", families: walFamilies },
  { title: "Backups, recovery and drills", families: backupFamilies },
  { title: "Jobs, retention and problems", families: jobFamilies },
  { title: "Daemon and repository", families: daemonFamilies },
  { title: "Processes", families: processFamilies },
];

/** pgmoneta's, with its names and labels. */
export const pgmonetaGroups: readonly FamilyGroup[] = [
  { title: "General", families: pgmonetaGeneral },
  { title: "Space", families: pgmonetaSpace },
  { title: "Servers", families: pgmonetaServer },
  { title: "Progress", families: pgmonetaProgress },
  { title: "Activity", families: pgmonetaActivity },
  { title: "Backups of a server", families: pgmonetaBackupSummary },
  { title: "Single backups", families: pgmonetaBackups },
];

export const familyGroups: readonly FamilyGroup[] = [...ownGroups, ...pgmonetaGroups];
export const allFamilies: readonly Family[] = familyGroups.flatMap(({ families }) => families);
