/**
 * Backups that pgmoneta 0.22 took, as entries like those of ours: what is there is found by walking the tree, what must be
 * there and what it must be by the server's own manifest (PostgreSQL manual, "Backup Manifest Format"), which pgmoneta asks
 * for with SHA-512. Unchanged files are absolute links into earlier backups; they are followed by their ends, so that a
 * repository may lie at another place than it was written at.
 */
import { compressionSuffix } from "../compression/index.ts";
import { ENCRYPTION_SUFFIX } from "../encryption/index.ts";
import { specFromName } from "../pipeline/index.ts";
import { createManifestReader, type ManifestFile } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import { addToTotals, noTotals, type ChunkIndexEntry, type ChunkIndexTotals, type IndexedFile } from "./chunk-index.ts";
import { readDigestList } from "./digest-list.ts";
import { repositoryErrors } from "./errors.ts";
import { backupFiles, isLabel, serverLayout, type ServerLayout } from "./layout.ts";

/** pgmoneta gives everything these modes. */
const directoryMode = 0o700;
const fileMode = 0o600;
/** The server's own list; it is not in itself, and never converted. */
const manifestName = "backup_manifest";
/** More links behind one another than backups could make. */
const longestChain = 10_000;
const step = 256 * 1024;

type OnEntry = (entry: ChunkIndexEntry) => void | Promise<void>;

interface Reading {
  readonly storage: Storage;
  readonly layout: ServerLayout;
  readonly info: BackupInfo;
  /** Files of the manifest that were not met yet. */
  readonly due: Map<string, ManifestFile>;
  /** Digests of stored bytes by path within the backup. */
  readonly stored: ReadonlyMap<string, string>;
  readonly give: OnEntry;
}

/**
 * Gives every directory and file of a backup of pgmoneta's. The WAL that came with it is left out: recovery reads that of the
 * archive. Throws BACKUP_DAMAGED for a manifest that cannot be trusted, a file that is missing, and a link that leads elsewhere.
 */
export async function readForeignBackup(
  storage: Storage,
  server: string,
  info: BackupInfo,
  onEntry: OnEntry,
): Promise<ChunkIndexTotals> {
  const layout = serverLayout(server);
  let totals = noTotals;
  const give = async (entry: ChunkIndexEntry): Promise<void> => {
    totals = addToTotals(totals, entry);
    await onEntry(entry);
  };
  const [due, stored] = [
    await readServerManifest(storage, layout, info),
    await readStoredDigests(storage, layout, info),
  ];
  const reading: Reading = { storage, layout, info, due, stored, give };
  await walk(reading, backupFiles.data, "");
  for (const { directory, oid } of info.tablespaces) await walk(reading, directory, `pg_tblspc/${oid}/`);
  const [missing] = due.keys();
  if (missing !== undefined)
    throw damaged(layout, info, `it has no ${missing}, which its manifest names (${due.size} such files)`);
  return totals;
}

const damaged = ({ server }: ServerLayout, { label }: BackupInfo, why: string) =>
  repositoryErrors.backupDamaged(`backup ${label} of ${server}, which pgmoneta took, cannot be used: ${why}`, {
    server,
    label,
  });

async function readServerManifest(
  storage: Storage,
  layout: ServerLayout,
  info: BackupInfo,
): Promise<Map<string, ManifestFile>> {
  const files = new Map<string, ManifestFile>();
  const path = layout.backupFile(info.label, `${backupFiles.data}/${manifestName}`);
  if ((await storage.stat(path)) === undefined) throw damaged(layout, info, `"${path}" is missing`);
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
    if (checksumAlgorithm !== "SHA512") throw damaged(layout, info, `its manifest has no SHA-512 of ${name}`);
  }
  return files;
}

async function readStoredDigests(
  storage: Storage,
  layout: ServerLayout,
  info: BackupInfo,
): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  const path = layout.backupFile(info.label, backupFiles.digests("sha512"));
  // With its ssh engine pgmoneta writes another list; the plain digests suffice.
  if ((await storage.stat(path)) === undefined) return digests;
  const reader = await storage.openFile(path);
  try {
    for await (const { path: name, digest } of readDigestList(reader)) digests.set(name, digest);
  } finally {
    await reader.close();
  }
  return digests;
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
  const { due, give, info, layout, storage, stored } = reading;
  const origin = isLink
    ? await followLink(reading, path)
    : { location: layout.backupFile(info.label, path), owner: undefined };
  const suffix = suffixOf(manifestPath, origin.location, reading);
  const plain = manifestPath.slice(0, manifestPath.length - suffix.length);
  const entry = due.get(plain);
  // Whatever the server did not send is no part of its backup; its manifest is.
  if (entry === undefined && manifestPath !== manifestName) return;
  due.delete(plain);
  const facts = await storage.stat(origin.location);
  if (facts?.kind !== "file") throw damaged(layout, info, `${path} leads to "${origin.location}", which is not there`);
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
    owner: origin.owner,
    location: origin.location,
  };
  await give(file);
}

/** What a stored name has behind the name of the manifest. A file of PostgreSQL's may end like a compressed one. */
function suffixOf(manifestPath: string, location: string, { due, info }: Reading): string {
  const usual = compressionSuffix[info.compression] + (info.encryption === "none" ? "" : ENCRYPTION_SUFFIX);
  if (usual !== "" && manifestPath.endsWith(usual) && due.has(manifestPath.slice(0, -usual.length))) return usual;
  if (due.has(manifestPath)) return "";
  const { plainName } = specFromName(location);
  return location.slice(plainName.length);
}

/** Where a link ends, by the backups that it leads through. */
async function followLink(
  { info, layout, storage }: Reading,
  path: string,
): Promise<{ location: string; owner: string }> {
  let label = info.label;
  let relative = path;
  for (let links = 0; links < longestChain; links += 1) {
    const target = await storage.readLink(layout.backupFile(label, relative));
    const match = /^(?:.*\/)?([^/]+)\/backup\/([0-9]{14})\/([^]+)$/.exec(target);
    const [, server = "", next = "", rest = ""] = match ?? [];
    if (match === null || server !== layout.server || !isLabel(next) || rest.split("/").includes("..")) {
      throw damaged(
        layout,
        info,
        `${path} is a link to "${target}", which is no file of another backup of ${layout.server}`,
      );
    }
    [label, relative] = [next, rest];
    const slash = relative.lastIndexOf("/");
    const around = await storage.list(layout.backupFile(label, relative.slice(0, Math.max(0, slash))));
    const found = around.find(({ name }) => name === relative.slice(slash + 1));
    if (found === undefined)
      throw damaged(layout, info, `${path} is a link to "${target}", which is not there any more`);
    if (found.kind !== "symlink") return { location: layout.backupFile(label, relative), owner: label };
  }
  throw damaged(layout, info, `the links behind ${path} have no end`);
}
