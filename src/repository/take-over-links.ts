/**
 * Before a backup of pgmoneta's goes, the backups whose unchanged files are links into it take these files over: each link
 * gives way to the file itself. The backup that goes stays as it is meanwhile, so that this can be stopped at any point and
 * repeated, and every backup can be restored at every instant.
 */
import { messageOf, throwIfAborted } from "../common/index.ts";
import { storageErrors, temporaryName, type ReplacedLink, type Storage } from "../storage/index.ts";
import { openCatalog, type Catalog } from "./catalog.ts";
import { repositoryErrors } from "./errors.ts";
import { readForeignDigests, renewForeignDigests } from "./foreign-digest-list.ts";
import { createLinkFollower, type FollowLink, type LinkEnd } from "./foreign-links.ts";
import { isLabel, serverLayout, type ServerLayout } from "./layout.ts";

/** What a backup took over. */
export interface TakenOver {
  readonly label: string;
  readonly files: number;
  /** Why its description, or the line for it in its list of digests, is that of before: there was no room. */
  readonly shortage?: string;
}

/** A link into the backup that goes, and where it ends: there, or in one before it. */
interface LinkInto {
  /** Relative to the directory of the backup that has it. */
  readonly path: string;
  readonly end: LinkEnd;
}

/**
 * Takes over what other backups have from `label`. To be called before `hideBackup`, when nobody else changes backups of this
 * server. Links that lead nowhere are left alone: what they stood for was gone before. Without room for what a backup takes over
 * to be written into its description it takes over all the same.
 */
export async function takeOverLinks(
  storage: Storage,
  server: string,
  label: string,
  signal: AbortSignal,
): Promise<TakenOver[]> {
  const layout = serverLayout(server);
  const catalog = openCatalog(storage, server);
  const infos = new Map((await catalog.list()).map((info) => [info.label, info]));
  // Also of a backup that cannot be read at the moment: somebody may repair its description.
  const others = (await storage.list(layout.backups))
    .filter(({ name, kind }) => kind === "directory" && isLabel(name) && name !== label && infos.get(name)?.own === undefined)
    .map(({ name }) => name);
  const follow = createLinkFollower(storage, layout);
  const counted = new Set<string>();
  const taken: TakenOver[] = [];
  for (const other of others) {
    const links = await linksInto({ storage, layout, follow, signal }, other, label);
    if (links.length === 0) continue;
    await agreeOnDigests(storage, layout, other, links);
    await replace(storage, layout, other, links, signal);
    const bytes = await bytesOf(storage, label, links, counted);
    const shortage = infos.has(other) ? await noteBytes(catalog, other, bytes) : undefined;
    taken.push({ label: other, files: links.length, ...(shortage === undefined ? {} : { shortage }) });
  }
  return taken;
}

/** What is wrong by this alone is a size that is shown: on a full disk it keeps nothing from going that would make room. */
async function noteBytes(catalog: Catalog, label: string, bytes: number): Promise<string | undefined> {
  try {
    await catalog.update(label, (info) => ({ ...info, storedBytes: info.storedBytes + bytes }));
    return undefined;
  } catch (error) {
    if (!storageErrors.full.is(error)) throw error;
    return messageOf(error);
  }
}

interface Search {
  readonly storage: Storage;
  readonly layout: ServerLayout;
  readonly follow: FollowLink;
  readonly signal: AbortSignal;
}

/** The links of the backup `from` whose way leads through `label`. */
async function linksInto({ storage, layout, follow, signal }: Search, from: string, label: string): Promise<LinkInto[]> {
  const found: LinkInto[] = [];
  const look = async (directory: string): Promise<void> => {
    throwIfAborted(signal);
    for (const { name, kind } of await storage.list(layout.backupFile(from, directory))) {
      const path = `${directory}/${name}`;
      if (kind === "directory") await look(path);
      if (kind !== "symlink") continue;
      const end = await endOf(follow, from, path);
      if (end?.way.includes(label) !== true) continue;
      // Those to tablespaces are made anew by whoever restores.
      if ((await storage.stat(end.location))?.kind === "file") found.push({ path, end });
    }
  };
  for (const { name, kind } of await storage.list(layout.backup(from))) if (kind === "directory") await look(name);
  return found;
}

async function endOf(follow: FollowLink, from: string, path: string): Promise<LinkEnd | undefined> {
  try {
    return await follow(from, path);
  } catch (error) {
    if (repositoryErrors.backupDamaged.is(error)) return undefined;
    throw error;
  }
}

/** What the list says of a link does not count, of a file it does: it gets the line of the backup that wrote the file. */
async function agreeOnDigests(storage: Storage, layout: ServerLayout, from: string, links: readonly LinkInto[]): Promise<void> {
  const own = await readForeignDigests(storage, layout.backup(from));
  if (own === undefined) return;
  const lists = new Map<string, ReadonlyMap<string, string>>();
  for (const { end } of links)
    if (!lists.has(end.owner)) lists.set(end.owner, (await readForeignDigests(storage, layout.backup(end.owner))) ?? new Map());
  const right = new Map(
    links.map(({ path, end }) => [path, lists.get(end.owner)?.get(end.location.slice(layout.backup(end.owner).length + 1))]),
  );
  if ([...right].every(([path, digest]) => own.get(path) === digest)) return;
  await renewForeignDigests(storage, layout.backup(from), ({ path, digest }) => (right.has(path) ? right.get(path) : digest));
}

async function replace(
  storage: Storage,
  layout: ServerLayout,
  from: string,
  links: readonly LinkInto[],
  signal: AbortSignal,
): Promise<void> {
  const byDirectory = new Map<string, ReplacedLink[]>();
  for (const { path, end } of links) {
    const directory = path.slice(0, path.lastIndexOf("/"));
    byDirectory.set(directory, [
      ...(byDirectory.get(directory) ?? []),
      { path: layout.backupFile(from, path), source: end.location },
    ]);
  }
  // Beside the description of the backup, where the next start of a daemon looks for what a crash left.
  const temporary = layout.backupFile(from, temporaryName("taken-over"));
  for (const some of byDirectory.values()) {
    throwIfAborted(signal);
    await storage.replaceLinks(some, temporary);
  }
}

/** What the backup that goes would have freed, once for all that take over a file of it. */
async function bytesOf(storage: Storage, label: string, links: readonly LinkInto[], counted: Set<string>): Promise<number> {
  let bytes = 0;
  for (const { end } of links) {
    if (end.owner !== label || counted.has(end.location)) continue;
    counted.add(end.location);
    bytes += (await storage.stat(end.location))?.size ?? 0;
  }
  return bytes;
}
