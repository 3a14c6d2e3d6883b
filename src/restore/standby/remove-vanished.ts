/** Removes what a copy has and shall not have: names are bytes, links are removed and not followed. */
import { readlink, rmdir, unlink } from "node:fs/promises";
import { syncDirectory } from "../../common/index.ts";
import type { Logger } from "../../log/index.ts";
import { createPathFingerprints, pathToBytes } from "../../postgres/index.ts";
import { readClusterEntries } from "../../repository/index.ts";
import { attempting } from "../attempt.ts";
import { fileSealsName, isOwnFile, standbyStateName } from "../own-files.ts";
import type { PreparedRestore } from "../prepare.ts";
import { entriesOf } from "../remove-content.ts";
import { directoriesOf, kindOf, type TargetPaths } from "../target-directory.ts";
import { isTablespace } from "./inspect-standby.ts";
import type { InsteadFiles } from "./plan-standby.ts";
import type { StandbyState } from "./standby-state.ts";

const slash = Buffer.from("/");

/**
 * Removes everything that neither the backup has nor the copy has instead, in bounded memory; all of pg_wal, which is
 * another one for each backup. How many files and links that were.
 */
export async function removeVanished(
  { approach, paths }: PreparedRestore,
  instead: InsteadFiles,
  placeOf: (path: string) => string,
  before: StandbyState | undefined,
  logger: Logger,
): Promise<number> {
  const { source } = approach;
  const wanted = createPathFingerprints();
  const want = (path: string): void => void wanted.add(pathToBytes(path));
  for (const name of [standbyStateName, fileSealsName]) want(`${paths.data}/${name}`);
  for (const { oid, inPlace } of paths.tablespaces) if (!inPlace) want(`${paths.data}/pg_tblspc/${oid}`);
  for (const [path, change] of instead) if (change !== undefined) want(placeOf(path));
  await readClusterEntries(source, {
    onEntry({ kind, path }) {
      if (kind !== "symlink" && !isOwnFile(path) && !instead.has(path)) want(placeOf(path));
    },
  });
  let removed = await removeOldTablespaces(paths, before, logger);
  for (const directory of directoriesOf(paths)) removed += await clearDirectory(directory, (path) => wanted.has(path));
  return removed;
}

/** Removes everything below `directory` that is not `wanted`, a path in bytes; how many files and links that were. */
export async function clearDirectory(directory: string, wanted: (path: Buffer) => boolean): Promise<number> {
  let removed = 0;

  /** True when something of the directory stays. */
  async function clear(at: Buffer): Promise<boolean> {
    let stays = false;
    for (const entry of await entriesOf(at)) {
      const path = Buffer.concat([at, slash, entry.name]);
      if (!entry.isDirectory()) {
        if (wanted(path)) stays = true;
        else {
          await unlink(path);
          removed += 1;
        }
      } else if ((await clear(path)) || wanted(path)) stays = true;
      else await rmdir(path);
    }
    return stays;
  }

  await attempting("remove what is not wanted in", directory, () => clear(pathToBytes(directory)));
  return removed;
}

/**
 * Tablespaces that the backup does not have any more, or that lie elsewhere now. A directory is this copy's as long as a
 * link of it leads there. The link goes first: what is killed in between leaves a directory that nobody claims, never one
 * that two copies think is theirs.
 */
async function removeOldTablespaces(paths: TargetPaths, before: StandbyState | undefined, logger: Logger): Promise<number> {
  const now = directoriesOf(paths);
  const old = (before?.directories ?? []).filter((path) => !now.includes(path));
  const links = `${paths.data}/pg_tblspc`;
  let removed = 0;
  for (const { name, path } of old.length === 0 ? [] : await linksIn(links)) {
    if (!old.includes(path) || (await kindOf(path)) === "absent") continue;
    if (!(await isTablespace(path))) {
      logger.warn(`"${path}", where a tablespace of "${paths.data}" lay, holds other things as well and is left alone`, { directory: path });
      continue;
    }
    await attempting("remove", name, () => unlink(pathToBytes(name)));
    await attempting("sync", links, () => syncDirectory(links));
    removed += 1 + (await clearDirectory(path, () => false));
    await attempting("remove", path, () => rmdir(pathToBytes(path)));
  }
  return removed;
}

async function linksIn(directory: string): Promise<{ readonly name: string; readonly path: string }[]> {
  const found: { name: string; path: string }[] = [];
  for (const entry of await attempting("list", directory, () => entriesOf(pathToBytes(directory)))) {
    if (!entry.isSymbolicLink()) continue;
    const name = `${directory}/${entry.name.toString("utf8")}`;
    found.push({ name, path: await attempting("read", name, () => readlink(pathToBytes(name), "utf8")) });
  }
  return found;
}
