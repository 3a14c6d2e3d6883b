/**
 * Files that a restore puts into a data directory for its own use. A backup of a restored server has them too, and
 * there they are of another time: the plan of another recovery, segments for another target, a marker of nobody.
 */
import { dataPath } from "../repository/index.ts";
import { prefetchDirectory, spentDirectory } from "./own-names.ts";
import { recoveryPlanFile } from "./recovery-plan.ts";
import { markerName } from "./unfinished-marker.ts";

/** Name of pg_control while the cluster is not complete: PostgreSQL does not start without the real one. */
export const heldBackControlFile = "global/pg_control.moneta";

/** The file that calls a data directory a copy of ours (`hot_standby`), and what it says of the files in it. */
export const standbyStateName = "moneta_standby.json";
/** See `standby/file-seals.ts`. */
export const fileSealsName = "moneta_standby.seals";

const ownNames = [heldBackControlFile, recoveryPlanFile, prefetchDirectory, spentDirectory, markerName, standbyStateName, fileSealsName];
const exact = new Set([...ownNames, `${standbyStateName}.tmp`, `${fileSealsName}.tmp`].map(dataPath));
const beginnings = [`${dataPath(prefetchDirectory)}/`, `${dataPath(spentDirectory)}/`, `${dataPath(markerName)}.`];

/** A path of a backup that a restore leaves out, because it would take it for its own. */
export function isOwnFile(path: string): boolean {
  return exact.has(path) || beginnings.some((beginning) => path.startsWith(beginning));
}
