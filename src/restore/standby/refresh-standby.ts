/**
 * Bringing a copy of `hot_standby` up to date, as a procedure: judge the directory, plan, take pg_control away, remove what
 * vanished, write what changed, lay the overrides over it, make it durable, put pg_control in its place. What is killed in
 * between is not startable, and the next run reads every file before it trusts one.
 */
import { hash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import { throwIfAborted } from "../../common/index.ts";
import { openCatalog } from "../../repository/index.ts";
import { copyWal } from "../copy-wal.ts";
import { entryPlaces } from "../entry-places.ts";
import { restoreErrors } from "../errors.ts";
import type { PreparedRestore } from "../prepare.ts";
import { bytesBelow } from "../remove-content.ts";
import type { RestoreDependencies, RestorePhase } from "../restore-options.ts";
import { openFilesystems, sealCluster, type ClusterFilesystems } from "../seal-cluster.ts";
import { directoriesOf } from "../target-directory.ts";
import { claimStandby, isSealed } from "./claim-standby.ts";
import { createSealList, noSeals, type FileSeals } from "./file-seals.ts";
import { inspectStandby } from "./inspect-standby.ts";
import { layOverrides, readOverrides, type Overrides } from "./overrides.ts";
import { placeDirectory, putContent } from "./place-entry.ts";
import { insteadFiles, notesOf, prepareStandby, refuseProblems, tellingMissingRoom } from "./plan-standby.ts";
import { removeVanished } from "./remove-vanished.ts";
import type { StandbyOptions, StandbyResult } from "./standby-options.ts";
import { readFileSeals, writeFileSeals, writeStandbyState, type StandbyState } from "./standby-state.ts";
import { updateFiles } from "./update-files.ts";

/** After so long every file is read again, touched or not: a disk forgets without changing a file's times. Milliseconds. */
const readAgainMs = 7 * 86_400_000;

/**
 * Brings the copy to the backup. Resolves when it is complete, checked and durable, and PostgreSQL can start on it.
 * Throws HOT_STANDBY_REFUSED, HOT_STANDBY_IN_USE and HOT_STANDBY_OVERRIDES with nothing changed, and what a restore throws.
 */
export async function refreshStandby(options: StandbyOptions, deps: RestoreDependencies): Promise<StandbyResult> {
  const { clock, logger } = deps;
  const { storage, server, directory, repositoryId = "" } = options;
  deps.progress({ phase: "plan", bytesDone: 0, bytesTotal: 0 });
  if (!isAbsolute(directory)) throw restoreErrors.standbyRefused(`the hot standby "${directory}" is not an absolute path`, { path: directory });
  const data = join(directory, server);
  const before = await inspectStandby(data, server, repositoryId);
  const overrides = await readOverrides(options.overrides);
  const { label } = await openCatalog(storage, server).find(options.backup);
  const settings = settingsOf(options);
  // One that is newer than any backup, because its own was deleted, does not go back in time.
  if (before?.complete === true && before.label >= label && before.settings === settings && (await isSealed(data))) {
    return { label: before.label, directory: data, refreshed: false, size: before.bytes, written: 0, files: noFiles, notes: [] };
  }

  const prepared = await prepareStandby({ ...options, backup: label }, overrides, deps);
  const { paths } = prepared;
  await refuseProblems(prepared, before, storage.root);
  await deps.planned?.(prepared.plan);
  logger.info(`the hot standby "${data}" of "${server}" is brought to backup ${label}`, { directory: data, before: before?.label ?? "" });
  const now = clock.now();
  const trusted = before !== undefined && now >= before.read && now - before.read < readAgainMs;
  const known = trusted ? await readFileSeals(data, before) : noSeals;
  const state: StandbyState = {
    server,
    repository: repositoryId,
    label,
    complete: false,
    read: trusted && known !== noSeals ? before.read : now,
    settings,
    // Those of before as well, as long as something of this copy can lie in them.
    directories: [...new Set([...directoriesOf(paths), ...(before?.directories ?? [])])],
    seals: "",
    bytes: before?.bytes ?? 0,
  };
  const done = await tellingMissingRoom(prepared, async () => {
    await claimStandby(paths, directoryMode(prepared), state);
    return rewrite({ options, deps, prepared, overrides, known, before });
  });
  const size = await bytesBelow(directoriesOf(paths));
  await writeStandbyState(data, { ...state, complete: true, directories: directoriesOf(paths), seals: done.seals, bytes: size });
  logger.info(`the hot standby "${data}" of "${server}" is that of backup ${label}`, { directory: data, written: done.written, ...done.files });
  return { label, directory: data, refreshed: true, size, written: done.written, files: done.files, notes: notesOf(prepared, options, overrides) };
}

const noFiles: StandbyResult["files"] = { untouched: 0, same: 0, changed: 0, removed: 0 };
const directoryMode = ({ approach }: PreparedRestore): number => (approach.backup.groupAccess ? 0o750 : 0o700);

/** What must be the same for a copy of the same backup to be the same. */
function settingsOf({ overrides, tablespaceMap, replica }: StandbyOptions): string {
  return hash("sha256", JSON.stringify([overrides ?? null, tablespaceMap ?? null, replica ?? null]), "hex");
}

interface Rewrite {
  readonly options: StandbyOptions;
  readonly deps: RestoreDependencies;
  readonly prepared: PreparedRestore;
  readonly overrides: Overrides;
  readonly known: FileSeals;
  readonly before: StandbyState | undefined;
}

/** Everything between taking pg_control away and putting the new one in its place. */
async function rewrite(work: Rewrite): Promise<Pick<StandbyResult, "written" | "files"> & { readonly seals: string }> {
  const { options, deps, prepared, overrides, known, before } = work;
  const { logger, signal, progress } = deps;
  const { approach, paths, plan } = prepared;
  const { data } = paths;
  const bytesTotal = plan.bytes + plan.wal.bytes;
  let bytesDone = 0;
  let written = 0;
  const report = (phase: RestorePhase, done = 0): void => {
    bytesDone += done;
    progress({ phase, bytesDone, bytesTotal: Math.max(bytesTotal, bytesDone) });
  };
  const mode = directoryMode(prepared);
  const placeOf = entryPlaces(paths, plan.backup.label);
  const seals = createSealList();
  let filesystems: ClusterFilesystems | undefined;
  try {
    filesystems = await openFilesystems(directoriesOf(paths));
    report("files");
    const instead = await insteadFiles(prepared, overrides);
    const removed = await removeVanished(prepared, instead, placeOf, before, logger);
    const outcomes = await updateFiles({
      source: approach.source,
      paths,
      placeOf,
      instead: (path) => instead.has(path),
      known,
      seals,
      mode,
      workers: options.workers,
      syncEach: !filesystems.coverFiles,
      signal,
      onBytes(bytes, done) {
        written += bytes;
        report("files", done);
      },
    });
    report("wal");
    await placeDirectory(join(data, "pg_wal"), data, mode);
    await copyWal(prepared, signal, (bytes) => {
      written += bytes;
      report("wal", bytes);
    });
    report("settings");
    for (const [path, change] of instead) {
      if (change !== undefined && change !== "override") written += await putContent(placeOf(path), change.content, change.mode);
    }
    written += await layOverrides(overrides, data, approach.backup.groupAccess);
    throwIfAborted(signal);
    report("sync");
    const sum = await writeFileSeals(data, seals.content());
    await sealCluster(filesystems, data);
    return { written, files: { ...outcomes, removed }, seals: sum };
  } finally {
    await filesystems?.close();
  }
}
