/**
 * Backups that pgmoneta 0.22 took, as entries like those of ours: what is there is found by walking the tree, what must be
 * there and what it must be by the server's own manifest (PostgreSQL manual, "Backup Manifest Format"), which pgmoneta asks
 * for with SHA-512. Unchanged files are absolute links into earlier backups; they are followed by their ends, so that a
 * repository may lie at another place than it was written at.
 */
import { messageOf } from "../common/index.ts";
import { compressionSuffix } from "../compression/index.ts";
import { ENCRYPTION_SUFFIX } from "../encryption/index.ts";
import { specFromName } from "../pipeline/index.ts";
import { createManifestReader, type ManifestFile } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import { addToTotals, noTotals, type ChunkIndexEntry, type ChunkIndexTotals, type IndexedFile } from "./chunk-index.ts";
import { repositoryErrors } from "./errors.ts";
import { readForeignDigests } from "./foreign-digest-list.ts";
import { createLinkFollower, foreignDamage, type FollowLink, type LinkEnd } from "./foreign-links.ts";
import { backupFiles, dataPath, serverLayout, tablespacePath, type ServerLayout } from "./layout.ts";

/** pgmoneta gives everything these modes. */
const directoryMode = 0o700;
const fileMode = 0o600;
/** The server's own list; it is not in itself, and never converted. */
const manifestName = "backup_manifest";
const step = 256 * 1024;

type OnEntry = (entry: ChunkIndexEntry) => void | Promise<void>;

/** A file that is not there, or whose link leads nowhere. */
export interface ForeignProblem {
  /** Relative to the directory of the backup; of a missing file without the suffixes that it is stored with. */
  readonly path: string;
  readonly reason: string;
  readonly digest: string | undefined;
}

interface Reading {
  readonly storage: Storage;
  readonly layout: ServerLayout;
  readonly info: BackupInfo;
  /** Files of the manifest that were not met yet. */
  readonly due: Map<string, ManifestFile>;
  /** Digests of stored bytes by path within the backup. */
  readonly stored: ReadonlyMap<string, string>;
  readonly follow: FollowLink;
  readonly give: OnEntry;
  /** Throws unless somebody wants to be told. */
  readonly problem: (problem: ForeignProblem) => void;
  readonly tells: boolean;
}

/**
 * Gives every directory and file of a backup of pgmoneta's. The WAL that came with it is left out: recovery reads that of the
 * archive. Throws BACKUP_DAMAGED for a manifest that cannot be trusted, and for a file that is missing and a link that leads
 * elsewhere: unless there is `onProblem`, which is told of these, and the rest is given all the same.
 */
export async function readForeignBackup(
  storage: Storage,
  server: string,
  info: BackupInfo,
  onEntry: OnEntry,
  onProblem?: (problem: ForeignProblem) => void,
): Promise<ChunkIndexTotals> {
  const layout = serverLayout(server);
  let totals = noTotals;
  const give = async (entry: ChunkIndexEntry): Promise<void> => {
    totals = addToTotals(totals, entry);
    await onEntry(entry);
  };
  const due = await readServerManifest(storage, layout, info);
  // Where there is no such list the plain digests suffice.
  const stored = (await readForeignDigests(storage, layout.backup(info.label))) ?? new Map<string, string>();
  const problem = (found: ForeignProblem): void => {
    if (onProblem === undefined) throw foreignDamage(layout, info.label, found.reason);
    onProblem(found);
  };
  const follow = createLinkFollower(storage, layout);
  const reading: Reading = { storage, layout, info, due, stored, follow, give, problem, tells: onProblem !== undefined };
  await walk(reading, backupFiles.data, "");
  for (const { directory, oid } of info.tablespaces) await walk(reading, directory, `pg_tblspc/${oid}/`);
  for (const { path, checksum } of due.values()) {
    if (await giveLate(reading, path)) continue;
    const count = onProblem === undefined ? ` (${due.size} such files)` : "";
    const reason = `it has no ${path}, which its manifest names${count}`;
    problem({ path: storedPath(path, info), reason, digest: checksum });
  }
  return totals;
}

/**
 * A link that gives way to its file while the directory is read may be in no list of it, neither as the one nor as the other.
 * Gives whether there is something by the name that the file `path` of the manifest is due to have.
 */
async function giveLate(reading: Reading, path: string): Promise<boolean> {
  const { info, layout, storage } = reading;
  const suffix = usualSuffix(info);
  const stored = storedPath(path, info) + suffix;
  if ((await storage.stat(layout.backupFile(info.label, stored)))?.kind !== "file") return false;
  await giveFile(reading, stored, path + suffix, true);
  return true;
}

/** Where a file of the manifest lies within the backup, but for its suffixes. */
function storedPath(path: string, { tablespaces }: BackupInfo): string {
  const [, oid = "", rest = ""] = /^pg_tblspc\/([0-9]+)\/([^]+)$/.exec(path) ?? [];
  const found = tablespaces.find((each) => String(each.oid) === oid);
  return found === undefined ? dataPath(path) : tablespacePath(found.directory, rest);
}

async function readServerManifest(
  storage: Storage,
  layout: ServerLayout,
  info: BackupInfo,
): Promise<Map<string, ManifestFile>> {
  const files = new Map<string, ManifestFile>();
  const path = layout.backupFile(info.label, `${backupFiles.data}/${manifestName}`);
  if ((await storage.stat(path)) === undefined) throw foreignDamage(layout, info.label, `"${path}" is missing`);
  const manifest = createManifestReader((file) => {
    // With the WAL of a backup come notes on what was archived of it.
    if (!file.path.startsWith("pg_wal/")) files.set(file.path, file);
  });
  const reader = await storage.openFile(path);
  try {
    for (let at = 0; at < reader.size; at += step)
      manifest.write(await reader.read(at, Math.min(step, reader.size - at)));
  } finally {
    await reader.close();
  }
  manifest.finish();
  for (const { path: name, checksumAlgorithm } of files.values()) {
    if (checksumAlgorithm !== "SHA512") throw foreignDamage(layout, info.label, `its manifest has no SHA-512 of ${name}`);
  }
  return files;
}

/** `below` is what the manifest puts before the names in this directory of the backup. */
async function walk(reading: Reading, directory: string, below: string): Promise<void> {
  const { give, info, layout, storage } = reading;
  await give({ kind: "directory", path: directory, mode: directoryMode });
  for (const { name, kind } of await storage.list(layout.backupFile(info.label, directory))) {
    const path = `${directory}/${name}`;
    if (kind === "directory") await walk(reading, path, `${below}${name}/`);
    else if (kind !== "other" && !isLeftOut(path)) await giveFile(reading, path, below + name, kind === "symlink");
  }
}

/** The links to the tablespaces, which a restore makes itself, and the WAL. */
const isLeftOut = (path: string): boolean => /^data\/(?:pg_tblspc\/[0-9]+$|pg_wal\/)/.test(path);

async function giveFile(reading: Reading, path: string, manifestPath: string, isLink: boolean): Promise<void> {
  const { due, give, info, layout, problem, storage, stored } = reading;
  const origin = isLink ? await endOfLink(reading, path, manifestPath) : { location: layout.backupFile(info.label, path) };
  if (origin === undefined) return;
  const suffix = suffixOf(manifestPath, origin.location, reading);
  const plain = manifestPath.slice(0, manifestPath.length - suffix.length);
  const entry = due.get(plain);
  // Whatever the server did not send is no part of its backup; its manifest is.
  if (entry === undefined && manifestPath !== manifestName) return;
  due.delete(plain);
  const own = layout.backupFile(info.label, path);
  // The backup that it was a link into may have gone since: then the file is here.
  const facts = (await storage.stat(origin.location)) ?? (await storage.stat(own));
  if (facts?.kind !== "file") {
    problem({ path, reason: `${path} leads to "${origin.location}", which is no file`, digest: entry?.checksum });
    return;
  }
  const file: IndexedFile = {
    kind: "file",
    path: path.slice(0, path.length - suffix.length),
    mode: fileMode,
    size: entry?.size ?? facts.size,
    suffix,
    digest: entry?.checksum ?? "",
    crc32c: 0,
    storedSize: facts.size,
    // Of a link it is not known whether the list speaks of it or of what it leads to.
    storedDigest: isLink ? "" : (stored.get(path) ?? ""),
    headerSize: 0,
    chunks: [],
    owner: "owner" in origin ? origin.owner : undefined,
    location: origin.location,
  };
  await give(file);
}

/** Undefined for a link that leads nowhere, if that is to be told and not thrown. */
async function endOfLink(reading: Reading, path: string, manifestPath: string): Promise<LinkEnd | undefined> {
  const { due, follow, info, layout, problem, tells } = reading;
  try {
    return await follow(info.label, path);
  } catch (error) {
    if (!tells || !repositoryErrors.backupDamaged.is(error)) throw error;
    const suffix = suffixOf(manifestPath, layout.backupFile(info.label, path), reading);
    const name = manifestPath.slice(0, manifestPath.length - suffix.length);
    const digest = due.get(name)?.checksum;
    // It is told of once: not as a file that is missing besides.
    if (due.delete(name) || name === manifestName) problem({ path, reason: messageOf(error), digest });
    return undefined;
  }
}

const usualSuffix = ({ compression, encryption }: BackupInfo): string => compressionSuffix[compression] + (encryption === "none" ? "" : ENCRYPTION_SUFFIX);

/** What a stored name has behind the name of the manifest. A file of PostgreSQL's may end like a compressed one. */
function suffixOf(manifestPath: string, location: string, { due, info }: Reading): string {
  const usual = usualSuffix(info);
  if (usual !== "" && manifestPath.endsWith(usual) && due.has(manifestPath.slice(0, -usual.length))) return usual;
  if (due.has(manifestPath)) return "";
  const { plainName } = specFromName(location);
  return location.slice(plainName.length);
}
