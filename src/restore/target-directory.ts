/**
 * Where the cluster shall lie: `<directory>/<server>-<label>`, its tablespaces beside it. Nothing that lies there is
 * ever removed, except what an unfinished restore of ours left behind: that is known by its marker, by the absence of
 * pg_control, which comes last, and by the lock that nobody holds any more.
 */
import { lstat, readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { MonetaError } from "../common/index.ts";
import { pathToBytes } from "../postgres/index.ts";
import type { BackupInfo, BackupTablespace } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import { controlFileOf } from "./seal-cluster.ts";
import { noTablespaceMap, placeTablespaces, type TablespaceMap } from "./tablespace-map.ts";
import { isNamelessMarker, readMarker, writerState, type Marker } from "./unfinished-marker.ts";

export interface TargetTablespace {
  readonly oid: number;
  /** Directory in the backup. */
  readonly stored: string;
  /** Where it lay on the source. */
  readonly source: string;
  /** Where it will lie. */
  readonly path: string;
  /** A tablespace inside the data directory needs no link. */
  readonly inPlace: boolean;
}

export interface TargetPaths {
  readonly parent: string;
  readonly data: string;
  readonly tablespaces: readonly TargetTablespace[];
  /** What speaks against the map of the tablespaces. */
  readonly problems: readonly MonetaError[];
}

/** `<parent>/<server>-<label>` and the tablespaces of a backup. */
export function targetPaths(parent: string, server: string, info: BackupInfo, map: TablespaceMap = noTablespaceMap): TargetPaths {
  return pathsNamed(parent, `${server}-${info.label}`, info, map);
}

/** `<parent>/<server>`, whatever backup it holds. */
export function pathsOfCopy(parent: string, server: string, info: BackupInfo, map: TablespaceMap): TargetPaths {
  return pathsNamed(parent, server, info, map);
}

function pathsNamed(parent: string, name: string, info: BackupInfo, map: TablespaceMap): TargetPaths {
  const data = join(parent, name);
  const beside = ({ directory, oid }: BackupTablespace): string => besideName(name, directory, oid);
  const { placeOf, problems } = placeTablespaces(info.tablespaces, map, beside);
  const tablespaces = info.tablespaces.map((tablespace) => {
    const { oid, directory, location } = tablespace;
    const inPlace = !location.startsWith("/");
    const path = inPlace ? join(data, "pg_tblspc", String(oid)) : (placeOf(tablespace) ?? join(parent, beside(tablespace)));
    return { oid, stored: directory, source: location, path, inPlace };
  });
  return { parent, data, tablespaces, problems };
}

/** Of one directory entry, bytes (NAME_MAX of Linux). */
const longestName = 255;

/** A name that file systems do not take gives way to the OID, in a form that no name of a tablespace is written in. */
function besideName(cluster: string, directory: string, oid: number): string {
  const name = `${cluster}-${directory}`;
  return pathToBytes(name).length <= longestName ? name : `${cluster}-tblspc_%_${oid}`;
}

/** All directories that the restore begins. */
export function directoriesOf({ data, tablespaces }: TargetPaths): string[] {
  return [data, ...tablespaces.filter(({ inPlace }) => !inPlace).map(({ path }) => path)];
}

export interface TargetState {
  /** What an earlier restore left behind and this one removes first. */
  readonly leftover: Marker | undefined;
  readonly problems: readonly MonetaError[];
}

const refuse = (path: string, why: string) => restoreErrors.directoryRefused(`"${path}" ${why}`, { path });

/** What lies at a path, links not followed. */
export async function kindOf(path: string): Promise<"absent" | "empty" | "full" | "link" | "other"> {
  try {
    const facts = await lstat(pathToBytes(path));
    if (facts.isSymbolicLink()) return "link";
    if (!facts.isDirectory()) return "other";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "absent";
    throw restoreErrors.failed(`"${path}" cannot be looked at`, { path }, error);
  }
  // A marker that never got its name says that nothing else was begun.
  const names = (await readdir(pathToBytes(path))).filter((name) => !isNamelessMarker(name));
  return names.length === 0 ? "empty" : "full";
}

/** Looks at the target without touching it. */
export async function inspectTarget(paths: TargetPaths, repositoryRoot: string): Promise<TargetState> {
  const directories = directoriesOf(paths);
  const elsewhere = directories.map((path) => dirname(path)).filter((place) => place !== paths.parent);
  const problems: MonetaError[] = [...paths.problems];
  for (const place of new Set([paths.parent, ...elsewhere])) problems.push(...(await problemsOfPlace(place, repositoryRoot)));
  problems.push(...(await problemsOfNesting(directories)));
  let leftover: Marker | undefined;
  for (const path of directories) {
    const kind = await kindOf(path);
    if (kind === "link") problems.push(refuse(path, `is a symbolic link to "${await readlink(pathToBytes(path), "utf8")}"`));
    else if (kind === "other") problems.push(refuse(path, "is not a directory"));
    else if (kind === "full") {
      if (path === paths.data) leftover = await readLeftover(path);
      const problem = leftover !== undefined && (await isContentOf(leftover, path, paths)) ? await problemOfLeftover(path, leftover, paths.data) : await problemOfContent(path);
      if (problem !== undefined) problems.push(problem);
    }
  }
  return { leftover, problems };
}

/** The state of a target of which nothing but the parent will be there: it is never written. */
export async function inspectParent({ parent, problems }: TargetPaths, repositoryRoot: string): Promise<TargetState> {
  return { leftover: undefined, problems: [...problems, ...(await problemsOfPlace(parent, repositoryRoot))] };
}

/** What speaks against a place for directories of a restore, whatever they are called. */
export async function problemsOfPlace(path: string, repositoryRoot: string): Promise<MonetaError[]> {
  const root = await realpath(repositoryRoot);
  const place = await realParent(path);
  const inRepository = place === root || place.startsWith(`${root}/`);
  const cluster = await enclosingCluster(place);
  return [
    ...(inRepository ? [refuse(path, `lies in the repository "${root}"`)] : []),
    ...(cluster === undefined ? [] : [refuse(path, `lies in the data directory "${cluster}" of a PostgreSQL server`)]),
  ];
}

/** Directories that are one another, or lie in one another, also by way of links. */
export async function problemsOfNesting(directories: readonly string[]): Promise<MonetaError[]> {
  const real = await Promise.all(directories.map(realPlace));
  return directories.flatMap((path, index) => {
    const outer = directories.find((_, other) => {
      const [inner = "", around = ""] = [real[index], real[other]];
      return other !== index && (inner.startsWith(`${around}/`) || (inner === around && other < index));
    });
    return outer === undefined ? [] : [restoreErrors.tablespaceMap(`"${path}" is to lie in "${outer}", which is another directory of this restore`, { path })];
  });
}

/** The path without links, as far as it is there. */
async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || path === dirname(path)) {
      throw restoreErrors.failed(`"${path}" cannot be looked at`, { path }, error);
    }
    return join(await realPlace(dirname(path)), basename(path));
  }
}

/** The nearest directory above that exists, without links. */
async function realParent(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || path === dirname(path)) {
      throw restoreErrors.failed(`"${path}" cannot be looked at`, { path }, error);
    }
    return realParent(dirname(path));
  }
}

/** The data directory that `place` is, or lies in: what is put there would become part of that server's backups. */
async function enclosingCluster(place: string): Promise<string | undefined> {
  const isCluster = (await kindOf(join(place, "PG_VERSION"))) === "other" && (await kindOf(join(place, "global"))) !== "absent";
  if (isCluster) return place;
  return place === dirname(place) ? undefined : enclosingCluster(dirname(place));
}

async function problemOfContent(path: string): Promise<MonetaError> {
  const pid = await runningServer(path);
  if (pid !== undefined) return refuse(path, `is the data directory of a PostgreSQL server that runs (pid ${pid})`);
  const marker = await readMarker(path);
  if (marker !== undefined && (await isComplete(path))) {
    return refuse(path, `is not empty: the restore of backup ${marker.label} into it was complete when it ended`);
  }
  const names = (await readdir(pathToBytes(path))).slice(0, 3).sort();
  return refuse(path, `is not empty (${names.join(", ")}, …)`);
}

async function problemOfLeftover(path: string, marker: Marker, data: string): Promise<MonetaError | undefined> {
  const { writer, label } = marker;
  const who = `another restore of backup ${label} (pid ${writer.pid} on ${writer.host})`;
  switch (await writerState(data, marker)) {
    case "ended":
      return undefined;
    case "alive":
      return refuse(path, `is being written by ${who}`);
    case "unknown":
      return refuse(path, `was begun by ${who}, and this machine cannot tell whether that still runs: remove it once it has certainly ended`);
  }
}

const isComplete = async (data: string): Promise<boolean> => (await kindOf(controlFileOf(data))) !== "absent";

/** The marker of an unfinished restore; undefined when there is none, or when pg_control is in place. */
async function readLeftover(data: string): Promise<Marker | undefined> {
  return (await isComplete(data)) ? undefined : readMarker(data);
}

/** Entry of a tablespace's directory, as PostgreSQL names it after its version. */
export const tablespaceEntry = /^PG_[0-9]+_[0-9]+$/;

/** A restore that was killed early has not begun all its directories: there may be somebody else's files by now. */
async function isContentOf(leftover: Marker, path: string, { data }: TargetPaths): Promise<boolean> {
  if (!leftover.directories.includes(path)) return false;
  return path === data || (await readdir(pathToBytes(path))).every((name) => tablespaceEntry.test(name));
}

/** The pid in postmaster.pid, if such a process exists. */
async function runningServer(data: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(join(data, "postmaster.pid"), "utf8"), 10);
    return pid > 0 && pidExists(pid) ? pid : undefined;
  } catch {
    // No such file: no server.
    return undefined;
  }
}

/** True when a process has this id, whoever it belongs to. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
