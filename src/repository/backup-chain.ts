/** The backups that an incremental one rests on, and what a restore of it gives: the files that all of them make together. */
import { messageOf } from "../common/index.ts";
import {
  formatBackupLabel,
  formatLsn,
  parseBackupLabel,
  parseControlFile,
  pathOfIncremental,
  postgresErrors,
  type ControlFile,
} from "../postgres/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import { openCatalog } from "./catalog.ts";
import { addToTotals, noTotals, type ChunkIndexEntry, type ChunkIndexTotals, type FileLayer, type IndexedFile } from "./chunk-index.ts";
import { readLayerHeader } from "./combine-file.ts";
import { repositoryErrors } from "./errors.ts";
import { dataPath, isExtraPath } from "./layout.ts";
import { readBackupEntries } from "./metadata.ts";
import { readBackupFile, readLayer, type BackupSource } from "./read-backup-file.ts";

/** Why a restore of an incremental backup cannot be had. */
const broken = ({ server, info }: BackupSource, why: string) =>
  repositoryErrors.backupDamaged(`backup ${info.label} of ${server}, which is incremental, cannot be used: ${why}`, {
    server,
    label: info.label,
  });

/**
 * The backup itself first, then each that the one before it rests on, last the full one. Throws BACKUP_DAMAGED when one of them
 * is missing, not valid, or not the one that its child was taken from.
 */
export async function openBackupChain(source: BackupSource): Promise<readonly BackupSource[]> {
  const chain = [source];
  if (source.info.type === "full") return chain;
  const infos = new Map((await openCatalog(source.storage, source.server).list()).map((info) => [info.label, info]));
  for (let { info } = source; info.type !== "full";) {
    const name = info.parent ?? "";
    const parent = infos.get(name);
    if (parent === undefined) throw broken(source, `it rests on backup ${JSON.stringify(name)}, which is not there or cannot be read`);
    if (!parent.valid) throw broken(source, `it rests on backup ${name}, which is not valid`);
    if (parent.own !== undefined || chain.some((each) => each.info.label === name) || parent.majorVersion !== info.majorVersion)
      throw broken(source, `backup ${info.label} cannot rest on backup ${name}`);
    info = parent;
    chain.push({ ...source, info });
  }
  return chain;
}

/** Combined once for each description that was read of a backup: planning, fetching and packing ask for the same. */
const combined = new WeakMap<BackupInfo, Promise<readonly ChunkIndexEntry[]>>();

/**
 * Gives what a restore of the backup writes: of a full backup its entries, of an incremental one of pgmoneta's those of the
 * cluster that it and its chain make. Throws BACKUP_DAMAGED.
 */
export async function readClusterEntries(
  source: BackupSource,
  handlers: { readonly onEntry: (entry: ChunkIndexEntry) => void | Promise<void> },
): Promise<ChunkIndexTotals> {
  const { storage, server, info } = source;
  if (info.type === "full") {
    let totals = noTotals;
    await readBackupEntries(storage, server, info, {
      onEntry(entry) {
        if (isExtraPath(entry.path)) return undefined;
        totals = addToTotals(totals, entry);
        return handlers.onEntry(entry);
      },
    });
    return totals;
  }
  const entries = combined.get(info) ?? combine(source);
  combined.set(info, entries);
  entries.catch(() => combined.delete(info));
  let totals = noTotals;
  for (const entry of await entries) {
    totals = addToTotals(totals, entry);
    await handlers.onEntry(entry);
  }
  return totals;
}

/** Headers that are read side by side. */
const headersAtOnce = 16;

async function combine(source: BackupSource): Promise<readonly ChunkIndexEntry[]> {
  const chain = await openBackupChain(source);
  const entries = await entriesOf(source);
  const control = parseControlFile(await contentOf(source, fileIn(entries, "global/pg_control"), "global/pg_control"));
  const { layers, labels } = await layersOf(chain, entries);
  const made: ChunkIndexEntry[] = [];
  for (let from = 0; from < entries.length; from += headersAtOnce) {
    const some = entries.slice(from, from + headersAtOnce);
    made.push(...(await Promise.all(some.map((entry) => combineEntry(source, entry, layers, control)))));
  }
  const label = await backupLabel(chain, labels);
  return made.flatMap((entry): ChunkIndexEntry[] => {
    // It lists the files of this backup, not those that a restore gives.
    if (entry.path === dataPath("backup_manifest")) return [];
    return entry.kind === "file" && entry.path === dataPath(labelName)
      ? [{ ...entry, size: label.length, digest: "", content: label }]
      : [entry];
  });
}

async function entriesOf({ storage, server, info }: BackupSource): Promise<ChunkIndexEntry[]> {
  const entries: ChunkIndexEntry[] = [];
  await readBackupEntries(storage, server, info, { onEntry: (entry) => void entries.push(entry) });
  return entries;
}

/** A file by what it is in the cluster: the directory of a tablespace has its name, which can change. */
function placeOf({ tablespaces }: BackupInfo, path: string): string {
  const [root = ""] = path.split("/", 1);
  const tablespace = tablespaces.find(({ directory }) => directory === root);
  return tablespace === undefined ? path : `${tablespace.oid}${path.slice(root.length)}`;
}

interface Layers {
  /** For each incremental file of the first backup of a chain what all of them have of it, down to the first whole file. */
  readonly layers: ReadonlyMap<string, readonly FileLayer[]>;
  /** By label of the backup its `backup_label`. */
  readonly labels: ReadonlyMap<string, IndexedFile>;
}

const labelName = "backup_label";

async function layersOf([newest, ...older]: readonly BackupSource[], entries: readonly ChunkIndexEntry[]): Promise<Layers> {
  const layers = new Map<string, FileLayer[]>();
  const labels = new Map<string, IndexedFile>();
  const open = new Set<string>();
  if (newest === undefined) return { layers, labels };
  const noteLabel = ({ info }: BackupSource, file: IndexedFile): void => {
    if (file.path === dataPath(labelName)) labels.set(info.label, file);
  };
  for (const entry of entries) {
    if (entry.kind !== "file") continue;
    noteLabel(newest, entry);
    const whole = pathOfIncremental(placeOf(newest.info, entry.path));
    if (whole === undefined) continue;
    layers.set(whole, [{ info: newest.info, file: entry }]);
    open.add(whole);
  }
  for (const member of older) {
    const { storage, server, info } = member;
    const before = new Set(open);
    await readBackupEntries(storage, server, info, {
      onEntry(entry) {
        if (entry.kind !== "file") return;
        noteLabel(member, entry);
        const place = placeOf(info, entry.path);
        const whole = pathOfIncremental(place);
        const name = whole ?? place;
        if (!before.delete(name)) return;
        layers.get(name)?.push({ info, file: entry });
        if (whole === undefined) open.delete(name);
      },
    });
    const [lost] = before;
    if (lost !== undefined) throw broken(newest, `backup ${info.label}, which it rests on, has nothing of ${lost}`);
  }
  const [left] = open;
  if (left !== undefined) throw broken(newest, `no backup that it rests on has ${left} whole`);
  return { layers, labels };
}

async function combineEntry(
  source: BackupSource,
  entry: ChunkIndexEntry,
  layers: ReadonlyMap<string, readonly FileLayer[]>,
  { blockSize, relationSegmentBlocks }: Pick<ControlFile, "blockSize" | "relationSegmentBlocks">,
): Promise<ChunkIndexEntry> {
  const path = pathOfIncremental(entry.path);
  if (entry.kind !== "file" || path === undefined) return entry;
  const own = layers.get(pathOfIncremental(placeOf(source.info, entry.path)) ?? "") ?? [];
  const [newest] = own;
  if (newest === undefined) throw broken(source, `${entry.path} rests on nothing`);
  try {
    const { fileBlocks } = await readLayerHeader(newest, blockSize, readLayer(source));
    // What is read here is compared with its digest only later.
    if (fileBlocks > relationSegmentBlocks) throw broken(source, `${entry.path} speaks of ${fileBlocks} blocks, more than a file has`);
    return { ...entry, path, size: fileBlocks * blockSize, digest: "", combined: { blockSize, layers: own } };
  } catch (error) {
    if (!postgresErrors.incrementalFileDamaged.is(error)) throw error;
    throw broken(source, messageOf(error));
  }
}

const fileIn = (entries: readonly ChunkIndexEntry[], name: string): IndexedFile | undefined =>
  entries.find((entry): entry is IndexedFile => entry.kind === "file" && entry.path === dataPath(name));

async function contentOf(source: BackupSource, file: IndexedFile | undefined, name: string): Promise<Buffer> {
  if (file === undefined) throw broken(source, `backup ${source.info.label} has no ${name}`);
  const pieces: Buffer[] = [];
  await readBackupFile(source, file, 1, async (piece) => void pieces.push(piece));
  return Buffer.concat(pieces);
}

/**
 * The label without what says that the backup is incremental: a server refuses to start from such a one. On the way it is looked
 * whether each backup was taken from the one that it says it rests on.
 */
async function backupLabel(chain: readonly BackupSource[], labels: ReadonlyMap<string, IndexedFile>): Promise<Buffer> {
  let text = Buffer.alloc(0);
  for (const [age, member] of chain.entries()) {
    const { info } = member;
    const parent = chain[age + 1]?.info;
    if (parent === undefined) break;
    const content = await contentOf(member, labels.get(info.label), labelName);
    const { incrementalFrom, ...whole } = parseBackupLabel(content);
    if (age === 0) text = Buffer.from(incrementalFrom === undefined ? content : formatBackupLabel(whole));
    // pgmoneta's own way for PostgreSQL before 17 leaves no such lines.
    if (incrementalFrom === undefined) continue;
    if (incrementalFrom.lsn === parent.startLsn && incrementalFrom.timeline === parent.startTimeline) continue;
    const from = `${formatLsn(incrementalFrom.lsn)} of timeline ${incrementalFrom.timeline}`;
    const begins = `${formatLsn(parent.startLsn)} of timeline ${parent.startTimeline}`;
    throw broken(member, `it was taken from a backup that begins at ${from}, and ${parent.label} begins at ${begins}`);
  }
  return text;
}
