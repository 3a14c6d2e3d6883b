/** Takes possession of the target, and gives it up again: whatever lies there between is recognisable as unfinished. */
import { chmod, mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "../common/index.ts";
import { pathToBytes } from "../postgres/index.ts";
import { attempting } from "./attempt.ts";
import { restoreErrors } from "./errors.ts";
import { removeContent } from "./remove-content.ts";
import { controlFileOf } from "./seal-cluster.ts";
import { directoriesOf, type TargetPaths } from "./target-directory.ts";
import { createMarker, markerName, removeMarker, removeNamelessMarkers, takeMarker, type HeldMarker, type Marker } from "./unfinished-marker.ts";

export interface ClaimedTarget {
  readonly paths: TargetPaths;
  /** To be called when the cluster is complete: takes away what calls it unfinished, which means nothing by then. */
  finish(): Promise<void>;
  /** Removes everything that was written; first of all what PostgreSQL could start on. */
  discard(): Promise<void>;
}

export interface Claim {
  readonly server: string;
  readonly label: string;
  /** Permission bits of the directories: 0700, or 0750 with access for the group. */
  readonly mode: number;
  readonly leftover: Marker | undefined;
}

/**
 * Makes the directories, durably marked as unfinished before anything lies in them. Throws TARGET_EXISTS or
 * RESTORE_DIRECTORY_REFUSED when somebody else was quicker.
 */
export async function claimTarget(paths: TargetPaths, { server, label, mode, leftover }: Claim): Promise<ClaimedTarget> {
  const { data } = paths;
  const directories = directoriesOf(paths);
  const marker = join(data, markerName);
  const created = new Set<string>();
  /** Those that were found empty once the marker stood for them. */
  const begun: string[] = [];

  const make = (directory: string): Promise<void> =>
    attempting("make the directory", directory, async () => {
      const first = await mkdir(directory, { recursive: true, mode });
      if (first !== undefined) created.add(directory);
      // Whatever the umask is: PostgreSQL refuses a data directory that others can enter.
      await chmod(directory, mode);
    });
  const begin = async (directory: string): Promise<void> => {
    const names = (await readdir(pathToBytes(directory))).filter((name) => directory !== data || name !== markerName);
    if (names.length > 0) throw restoreErrors.directoryRefused(`"${directory}" is not empty any more (${names.sort().slice(0, 3).join(", ")}, …)`, { path: directory });
    begun.push(directory);
  };

  await attempting("make the directory", paths.parent, () => mkdir(paths.parent, { recursive: true, mode: 0o700 }));
  const old = leftover === undefined ? undefined : await attempting("take over", marker, () => takeMarker(data, leftover));
  let held: HeldMarker;
  try {
    if (leftover !== undefined) {
      // PostgreSQL cannot start on it: it was judged to have no pg_control, and whoever could make one has ended.
      await removeAll(directories.filter((path) => leftover.directories.includes(path)), data);
    }
    await make(data);
    held = await attempting("write", marker, () => createMarker(data, { server, label, directories }, { replace: old !== undefined }));
  } finally {
    await old?.release();
  }

  async function discard(): Promise<void> {
    try {
      if (begun.includes(data)) await unseal(data);
      await removeAll(begun, data);
      await attempting("remove", marker, () => removeMarker(data));
    } finally {
      await held.release();
    }
    for (const directory of created) await attempting("remove", directory, () => removeEmpty(directory));
  }

  try {
    await attempting("write", marker, () => removeNamelessMarkers(data));
    await begin(data);
    for (const directory of directories.slice(1)) {
      await make(directory);
      await begin(directory);
    }
    for (const parent of new Set(directories.map((path) => dirname(path)))) await syncDirectory(parent);
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    paths,
    discard,
    async finish() {
      try {
        await attempting("remove", marker, () => removeMarker(data));
        await syncDirectory(data);
      } finally {
        await held.release();
      }
    },
  };
}

/** Durably not a cluster any more, before anything else of it goes. */
async function unseal(data: string): Promise<void> {
  const control = controlFileOf(data);
  try {
    await rm(control);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    return attempting("remove", control, () => Promise.reject(error as Error));
  }
  await syncDirectory(dirname(control));
}

/** All but the marker: until the rest is gone it is known to be ours. */
async function removeAll(directories: readonly string[], data: string): Promise<void> {
  for (const directory of directories) if (directory !== data) await removeContent(directory);
  if (directories.includes(data)) await removeContent(data, new Set([markerName]));
}

/** Removes a directory, unless somebody else has begun to use it. */
async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
