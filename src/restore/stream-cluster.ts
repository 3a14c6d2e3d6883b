/**
 * A restore that writes no directory: the very files that one would write, given one after the other to somebody who
 * takes a stream. The cluster carries the WAL to its target with it and starts wherever it is unpacked.
 */
import { dirname } from "node:path";
import { MonetaError, throwIfAborted } from "../common/index.ts";
import { checkRelativePath, pathFromBytes, pathToBytes } from "../postgres/index.ts";
import { backupFiles, dataPath, readBackupFile, readClusterEntries, type IndexedFile } from "../repository/index.ts";
import { cleanIncludes } from "./clean-includes.ts";
import { copiedHistories } from "./copy-wal.ts";
import { streamSegment } from "./deliver-segment.ts";
import { restoreErrors } from "./errors.ts";
import { controlFilePath, largestText, readSmallFile } from "./inspect-backup.ts";
import { isOwnFile } from "./own-files.ts";
import { prepareRestore, type PreparedRestore } from "./prepare.ts";
import type { RestoreDependencies, RestoreOptions } from "./restore-options.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { directoriesOf } from "./target-directory.ts";
import { recoveryFiles } from "./write-recovery.ts";

/** Takes the members of a cluster in the order in which they are given. Paths begin with the name of a directory. */
export interface ClusterSink {
  directory(path: string, mode: number): Promise<void>;
  link(path: string, target: string): Promise<void>;
  /** `fill` gives exactly `size` bytes, unless it throws. */
  file(path: string, mode: number, size: number, fill: (write: (piece: Uint8Array) => Promise<void>) => Promise<void>): Promise<void>;
}

export interface ClusterStream {
  readonly plan: RestorePlan;
  /** Plain bytes that `write` is going to give. */
  readonly bytes: number;
  /**
   * Gives everything: directories, files, links, WAL, and pg_control last. Without that PostgreSQL does not start, so that
   * what was unpacked in part is no cluster. Throws what a restore throws.
   */
  write(sink: ClusterSink, written: (bytes: number) => void): Promise<{ readonly files: number; readonly bytes: number }>;
}

/** Plans, and throws what speaks against it. `directory` of the options is where the stream is going to be kept. */
export async function openClusterStream(options: Omit<RestoreOptions, "copyWal" | "walTo">, deps: RestoreDependencies): Promise<ClusterStream> {
  const blank = (options.position ?? "").trim() === "";
  // All WAL up to now would make of an archive of a backup one of everything.
  const full: RestoreOptions = { ...options, position: blank ? "immediate" : options.position, copyWal: true, walTo: "target" };
  const prepared = await prepareRestore(full, deps, "stream");
  const [first, ...more] = prepared.problems;
  if (first !== undefined) {
    if (more.length === 0) throw first;
    throw new MonetaError(first, prepared.problems.map(({ message }) => message).join("; "), first.details);
  }
  await deps.planned?.(prepared.plan);
  const bytes = prepared.approach.backup.bytes + prepared.plan.wal.bytes;
  return { plan: prepared.plan, bytes, write: (sink, written) => writeCluster(prepared, options.workers, sink, deps.signal, written) };
}

async function writeCluster(
  prepared: PreparedRestore,
  workers: number,
  sink: ClusterSink,
  signal: AbortSignal,
  written: (bytes: number) => void,
): Promise<{ files: number; bytes: number }> {
  const { approach, paths, plan, recovery, segments } = prepared;
  const { source, backup } = approach;
  const mode = backup.groupAccess ? 0o750 : 0o700;
  const fileMode = backup.groupAccess ? 0o640 : 0o600;
  const outside = paths.tablespaces.filter(({ inPlace }) => !inPlace);
  const data = nameBelow(paths.parent, paths.data);
  const roots = new Map([[backupFiles.data, data], ...outside.map(({ stored, path }) => [stored, nameBelow(paths.parent, path)] as const)]);
  for (const { stored, oid, inPlace } of paths.tablespaces) if (inPlace) roots.set(stored, `${data}/pg_tblspc/${oid}`);
  const made = new Set<string>();
  const sums = { files: 0, bytes: 0 };

  const placeOf = (path: string): string => {
    checkRelativePath(path, `the chunk index of backup ${source.info.label}`);
    const [stored = ""] = path.split("/", 1);
    const root = roots.get(stored);
    if (root === undefined) throw restoreErrors.mismatch(`the backup has ${path}, which belongs to no tablespace of it`, { path });
    return root + path.slice(stored.length);
  };
  const makeDirectory = async (path: string, bits = mode): Promise<void> => {
    if (path === "." || made.has(path)) return;
    await makeDirectory(dirname(path));
    made.add(path);
    await sink.directory(path, bits);
  };
  const putFile = async (path: string, bits: number, size: number, fill: Parameters<ClusterSink["file"]>[3]): Promise<void> => {
    throwIfAborted(signal);
    await makeDirectory(dirname(path));
    await sink.file(path, bits & 0o777, size, (write) =>
      fill(async (piece) => {
        await write(piece);
        sums.bytes += piece.length;
        written(piece.length);
      }),
    );
    sums.files += 1;
  };
  const putContent = (path: string, bits: number, content: Buffer): Promise<void> =>
    putFile(path, bits, content.length, (write) => write(content));
  const putStored = (file: IndexedFile): Promise<void> =>
    putFile(placeOf(file.path), file.mode, file.size, (write) =>
      readBackupFile({ ...source, signal }, file, Math.max(1, workers) * 2, (piece) => write(piece)),
    );

  for (const directory of directoriesOf(paths)) await makeDirectory(nameBelow(paths.parent, directory));
  const instead = await changedFiles(prepared);
  let control: IndexedFile | undefined;
  await readClusterEntries(source, {
    async onEntry(entry) {
      if (isOwnFile(entry.path) || entry.kind === "symlink") return;
      if (entry.kind === "directory") return makeDirectory(placeOf(entry.path), entry.mode & 0o777);
      if (entry.path === controlFilePath) control = entry;
      else if (!instead.has(entry.path)) await putStored(entry);
    },
  });
  for (const [path, change] of instead) if (change !== undefined) await putContent(placeOf(path), change.mode, change.content);
  for (const { oid, path } of outside) {
    await makeDirectory(`${data}/pg_tblspc`);
    // Relative: where it will be unpacked is not known, and the tablespaces lie beside it.
    await sink.link(`${data}/pg_tblspc/${oid}`, `../../${nameBelow(paths.parent, path)}`);
  }
  for (const [name, content] of await copiedHistories(prepared)) await putContent(`${data}/pg_wal/${name}`, fileMode, content);
  for (const name of segments) {
    await putFile(`${data}/pg_wal/${name}`, fileMode, recovery.segmentSize, async (write) => {
      const found = await streamSegment({ ...approach.wal, signal }, name, recovery, write);
      if (!found) throw restoreErrors.walMissing(`WAL segment ${name} is missing in the repository`, { segment: name });
    });
  }
  if (control === undefined) throw restoreErrors.mismatch(`backup ${plan.backup.label} has no ${controlFilePath}`, { path: controlFilePath });
  await putStored(control);
  return sums;
}

function nameBelow(parent: string, path: string): string {
  return path.slice(parent.endsWith("/") ? parent.length : parent.length + 1);
}

export interface ChangedFile {
  readonly content: Buffer;
  readonly mode: number;
}

/** Files of the cluster that are not as in the backup, by their paths there; undefined for those that are left out. */
export async function changedFiles(prepared: PreparedRestore): Promise<Map<string, ChangedFile | undefined>> {
  const { source } = prepared.approach;
  const stored = new Map<string, IndexedFile>();
  await readClusterEntries(source, {
    onEntry(entry) {
      // Whatever configuration includes is a text of people.
      if (entry.kind === "file" && entry.size <= largestText && mayBeIncluded(entry.path)) stored.set(entry.path, { ...entry });
    },
  });
  const { files, absent } = recoveryFiles(prepared);
  const changed = new Map<string, ChangedFile | undefined>(absent.map((name) => [dataPath(name), undefined]));
  for (const { name, content, mode, onlyInstead } of files) {
    if (onlyInstead !== true || stored.has(dataPath(name))) changed.set(dataPath(name), { content, mode });
  }
  await cleanIncludes(backupFiles.data, prepared.configuration.postgresqlConf, {
    async read(path) {
      const change = changed.get(path);
      if (change !== undefined) return pathFromBytes(change.content);
      const file = stored.get(path);
      return file === undefined ? undefined : pathFromBytes(await readSmallFile(source, file));
    },
    write: async (path, text) => void changed.set(path, { content: pathToBytes(text), mode: stored.get(path)?.mode ?? 0o600 }),
    names: async (directory) => [...stored.keys()].filter((path) => dirname(path) === directory).map((path) => path.slice(directory.length + 1)),
  });
  return changed;
}

/** Not the files of databases, of which there can be a million. */
const mayBeIncluded = (path: string): boolean => path.startsWith(dataPath("")) && !/^data\/(?:base|global|pg_[a-z_]+)\//.test(path);
