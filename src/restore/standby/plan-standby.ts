/** What a copy is going to be, and everything that speaks against it, before anything of it is changed. */
import { MonetaError } from "../../common/index.ts";
import type { BackupInfo } from "../../repository/index.ts";
import { dataPath } from "../../repository/index.ts";
import { restoreErrors } from "../errors.ts";
import { prepareRestore, type PreparedRestore } from "../prepare.ts";
import { bytesBelow } from "../remove-content.ts";
import type { RestoreDependencies } from "../restore-options.ts";
import { changedFiles, type ChangedFile } from "../stream-cluster.ts";
import { noTablespaceMap, type MappedTablespace, type TablespaceMap } from "../tablespace-map.ts";
import { pathsOfCopy, type TargetPaths } from "../target-directory.ts";
import { findRoom, type RoomWanted } from "../target-room.ts";
import { problemsOfStandby } from "./inspect-standby.ts";
import type { Overrides } from "./overrides.ts";
import type { StandbyOptions } from "./standby-options.ts";
import type { StandbyState } from "./standby-state.ts";

/**
 * The plan of the restore that the copy is like: with the WAL that it needs to be consistent, and no more, so that it
 * starts wherever it lies; as a replica where the overrides ask for one.
 */
export function prepareStandby(options: StandbyOptions, { standby }: Overrides, deps: RestoreDependencies): Promise<PreparedRestore> {
  const { directory, server, tablespaceMap = noTablespaceMap } = options;
  return prepareRestore({ ...options, position: standby ? "replica" : "immediate", copyWal: true, walTo: "target" }, deps, {
    pathsOf: (info: BackupInfo): TargetPaths => pathsOfCopy(directory, server, info, mapFor(tablespaceMap, info)),
  });
}

const isMeant = (wanted: string, { name, oid, location }: BackupInfo["tablespaces"][number]): boolean =>
  wanted === name || wanted === String(oid) || wanted === location;

/** A standing map, of which a backup need not have every tablespace; a path stands for the one that lay there. */
function mapFor({ each, all }: TablespaceMap, { tablespaces }: BackupInfo): TablespaceMap {
  const meant = each.filter(({ tablespace }) => tablespaces.some((one) => isMeant(tablespace, one)));
  const byName = ({ tablespace, directory }: MappedTablespace): MappedTablespace => {
    const lay = tablespaces.find(({ location }) => location === tablespace);
    return { tablespace: lay === undefined ? tablespace : String(lay.oid), directory };
  };
  return { each: meant.map(byName), all };
}

/** What the operator should know of a copy. */
export function notesOf({ plan, approach }: PreparedRestore, { tablespaceMap }: StandbyOptions, { withoutRecovery }: Overrides): string[] {
  const unknown = (tablespaceMap?.each ?? []).filter(({ tablespace }) => !approach.backup.info.tablespaces.some((one) => isMeant(tablespace, one)));
  return [
    ...plan.notes,
    ...unknown.map(({ tablespace }) => `hot_standby_tablespaces names "${tablespace}", which backup ${plan.backup.label} does not have`),
    ...(withoutRecovery ? ["the overrides replace postgresql.auto.conf and name no restore_command: the copy opens on the timeline of its source"] : []),
  ];
}

/** Throws what speaks against carrying out the plan, all of it in one error. */
export async function refuseProblems(prepared: PreparedRestore, before: StandbyState | undefined, repositoryRoot: string): Promise<void> {
  const { problems, paths } = prepared;
  const found = [...problems, ...(await problemsOfStandby(paths, before, repositoryRoot))];
  if (found.length === 0) found.push(...(await findRoom(await roomWanted(prepared))).problems);
  const [first, ...more] = found;
  if (first === undefined) return;
  if (more.length === 0) throw first;
  throw new MonetaError(first, found.map(({ message }) => message).join("; "), first.details);
}

/**
 * Runs what changes the copy. Where that runs out of room, because others took what was there, the error says how much is
 * missing for the rest: the sum that was made before the first change, over what is there now.
 */
export async function tellingMissingRoom<T>(prepared: PreparedRestore, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    if (!(error instanceof MonetaError) || !restoreErrors.noSpace.is(error)) throw error;
    // The reason is what matters, also where nobody can look any more.
    const [lacking] = await roomWanted(prepared).then(findRoom).then(({ problems }) => problems, () => []);
    if (lacking === undefined) throw error;
    throw new MonetaError(error, `${error.message}; ${lacking.message}`, { ...lacking.details, ...error.details }, error);
  }
}

/** What is there is written over, or removed before anything is added; a file with a second name elsewhere is written anew. */
async function roomWanted({ approach, paths, plan }: PreparedRestore): Promise<RoomWanted[]> {
  const { bytes, bytesOf } = approach.backup;
  const outside = paths.tablespaces.filter(({ inPlace }) => !inPlace).map(({ path, stored }) => ({ path, needed: bytesOf.get(stored) ?? 0 }));
  const inside = outside.reduce((sum, { needed }) => sum - needed, bytes + plan.wal.bytes);
  return Promise.all(
    [{ path: paths.data, needed: inside }, ...outside].map(async ({ path, needed }) => ({ path, needed, reusable: await bytesBelow([path], true) })),
  );
}

/** By paths of the backup, what the copy has instead: another content, a file of the operator's, or nothing. */
export type InsteadFiles = ReadonlyMap<string, ChangedFile | "override" | undefined>;

export async function insteadFiles(prepared: PreparedRestore, { files, withoutRecovery }: Overrides): Promise<InsteadFiles> {
  const changed = new Map<string, ChangedFile | "override" | undefined>(await changedFiles(prepared));
  // PostgreSQL does not start with it when nothing says how to recover; without it WAL in pg_wal is all that it looks for.
  if (withoutRecovery) changed.set(dataPath("recovery.signal"), undefined);
  for (const { name } of files) changed.set(dataPath(name), "override");
  return changed;
}
