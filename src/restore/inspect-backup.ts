/** What a backup says about itself, read before anything is written: its entries, pg_control, its configuration. */
import {
  parseBackupLabel,
  parseControlFile,
  pathFromBytes,
  type BackupLabel,
  type ControlFile,
} from "../postgres/index.ts";
import {
  dataPath,
  openCatalog,
  readClusterEntries,
  readBackupFile,
  repositoryErrors,
  verifyMetadata,
  type BackupInfo,
  type BackupSource,
  type IndexedFile,
} from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";

export interface InspectedBackup {
  readonly info: BackupInfo;
  readonly control: ControlFile;
  readonly label: BackupLabel;
  readonly files: number;
  /** What the files take on disk, in whole blocks. */
  readonly bytes: number;
  /** The same by the first part of the path: `data`, and the directories of the tablespaces. */
  readonly bytesOf: ReadonlyMap<string, number>;
  /** Texts of the configuration files that lie in the data directory. */
  readonly postgresqlConf: string | undefined;
  readonly autoConf: string | undefined;
  readonly hasHba: boolean;
  /** The group may read the cluster (`initdb --allow-group-access`). */
  readonly groupAccess: boolean;
}

export const controlFilePath = dataPath("global/pg_control");
const confPath = dataPath("postgresql.conf");
const autoConfPath = dataPath("postgresql.auto.conf");
const hbaPath = dataPath("pg_hba.conf");
const labelPath = dataPath("backup_label");
const versionPath = dataPath("PG_VERSION");
const wanted = new Set([controlFilePath, confPath, autoConfPath, hbaPath, labelPath, versionPath]);
const blockSize = 4096;
/** Configuration files are texts of people. */
export const largestText = 16 * 1024 * 1024;

/** Reads it all. Throws BACKUP_INVALID, BACKUP_DAMAGED, RESTORE_BACKUP_FOREIGN, RESTORE_MISMATCH, and what reading files throws. */
export async function inspectBackup(source: BackupSource): Promise<InspectedBackup> {
  const { storage, server, info } = source;
  const { label } = info;
  if (!info.valid) {
    const entry = (await openCatalog(storage, server).entries()).find((each) => each.label === label);
    const why = entry?.problem === undefined ? "" : `: ${entry.problem}`;
    throw repositoryErrors.backupInvalid(`backup ${label} of ${server} is not valid${why}`, { server, label });
  }
  if (info.type !== "full" && info.own !== undefined) {
    throw restoreErrors.foreign(`backup ${label} of ${server} is an incremental one of Moneta's, which this version does not know`, { server, label });
  }
  // A restore needs the index alone; a backup whose lists were changed is not the one that was taken, all the same.
  const { chunkIndex, digests = {} } = info.own ?? {};
  await verifyMetadata(storage, server, info, Object.keys(digests).filter((name) => name !== chunkIndex));
  const found = new Map<string, IndexedFile>();
  const bytesOf = new Map<string, number>();
  let bytes = 0;
  const totals = await readClusterEntries(source, {
    onEntry(entry) {
      if (entry.kind !== "file") return;
      const taken = Math.ceil(entry.size / blockSize) * blockSize;
      const root = entry.path.slice(0, entry.path.indexOf("/"));
      bytes += taken;
      bytesOf.set(root, (bytesOf.get(root) ?? 0) + taken);
      if (wanted.has(entry.path)) found.set(entry.path, entry);
    },
  });
  const need = async (path: string): Promise<Buffer> => {
    const file = found.get(path);
    if (file === undefined) throw restoreErrors.mismatch(`backup ${label} of ${server} has no ${path}`, { server, label, path });
    return readSmallFile(source, file);
  };
  const text = async (path: string): Promise<string | undefined> => (found.has(path) ? pathFromBytes(await need(path)) : undefined);
  const inspected: InspectedBackup = {
    info,
    control: parseControlFile(await need(controlFilePath)),
    label: parseBackupLabel(await need(labelPath)),
    files: totals.files,
    bytes,
    bytesOf,
    postgresqlConf: await text(confPath),
    autoConf: await text(autoConfPath),
    hasHba: found.has(hbaPath),
    groupAccess: ((found.get(versionPath)?.mode ?? 0) & 0o040) !== 0,
  };
  refuseContradictions(inspected, server);
  return inspected;
}

function refuseContradictions({ info, control, label }: InspectedBackup, server: string): void {
  const contradict = (what: string, one: string | number | bigint, other: string | number | bigint): void => {
    if (one === other) return;
    throw restoreErrors.mismatch(`backup ${info.label} of ${server} contradicts itself: ${what} is ${one} in one place and ${other} in another`, {
      server,
      label: info.label,
    });
  };
  // pgmoneta records neither.
  contradict("the system identifier", control.systemIdentifier, info.own?.systemIdentifier ?? control.systemIdentifier);
  contradict("the size of a WAL segment", control.segmentSize, info.own?.walSegmentSize ?? control.segmentSize);
  contradict("the start of its WAL", label.startLsn, info.startLsn);
}

/** One small file, whole and checked. */
export async function readSmallFile(source: BackupSource, file: IndexedFile): Promise<Buffer> {
  if (file.size > largestText) {
    throw restoreErrors.mismatch(`${file.path} in backup ${source.info.label} has ${file.size} bytes, more than any server writes`, { path: file.path });
  }
  const pieces: Buffer[] = [];
  await readBackupFile(source, file, 1, async (piece) => void pieces.push(piece));
  return Buffer.concat(pieces);
}
