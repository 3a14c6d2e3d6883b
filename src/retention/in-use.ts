/** What must not go at the moment, because somebody works with it. */
import type { WalInUse } from "./wal-plan.ts";

export interface RepositoryInUse {
  /** A job has not chosen yet and may come to want anything: nothing goes. */
  readonly all: boolean;
  /** Labels; such a backup stays with all WAL from it on. */
  readonly backups: readonly string[];
  /** WAL of the present cluster. */
  readonly wal: readonly WalInUse[];
}

/** For whoever is alone with a repository. */
export const nothingInUse: RepositoryInUse = { all: false, backups: [], wal: [] };
