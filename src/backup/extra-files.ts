/**
 * Files of the database host that are stored with a backup though they are no part of the cluster (`extra`). Each comes in
 * ranges over SQL and goes through the pipeline as every file does. A path of which anything is missing is named in the
 * answer, and is not among those that backup.info says the backup has.
 */
import { messageOf, systemClock, throwIfAborted, type Clock } from "../common/index.ts";
import type { Pipeline } from "../pipeline/index.ts";
import { printablePath } from "../postgres/index.ts";
import { openServerFiles, replicationErrors, sqlStateOf, type ServerFileFacts, type ServerFiles } from "../replication/index.ts";
import { extraPath } from "../repository/index.ts";
import type { BackupOptions } from "./backup-options.ts";
import type { EntryStore } from "./entry-store.ts";
import { backupErrors } from "./errors.ts";
import { backupConnection } from "./prepare.ts";

export interface StoredExtra {
  /** Those of the configured paths that are there as a whole. */
  readonly paths: readonly string[];
  /** What is not, and why. */
  readonly warnings: readonly string[];
}

/** Of one question; a value travels as text a third longer. Bytes. */
const rangeSize = 1024 * 1024;
/** A file of this size is read again when it changed meanwhile, before anything of it is stored. Bytes. */
const largestHeld = 4 * 1024 * 1024;
const attempts = 3;
/** A file that was modified just now is looked at again after this: a write meanwhile would not show. Milliseconds. */
const settlingMs = 2500;
const deepest = 32;
const mostEntries = 100_000;
/** The server does not tell the modes. */
const fileMode = 0o600;
const directoryMode = 0o700;

/**
 * Before a backup begins: does the server let us? Throws BACKUP_PREREQUISITE_MISSING naming the statements that fix it, and
 * what connecting throws: whoever wants these files must not learn of it after the fact.
 */
export async function checkExtraRights(options: BackupOptions, signal: AbortSignal): Promise<void> {
  if ((options.extra ?? []).length === 0) return;
  const files = await connectForFiles(options, signal);
  try {
    if (files.missingRights.length === 0) return;
    const statement = files.missingRights.join(" ");
    throw backupErrors.prerequisite(`the role may not read the files of extra; to put it right, in the database postgres: ${statement}`, { code: "EXTRA_RIGHTS", statement });
  } finally {
    await files.close();
  }
}

/** Fetches everything. Throws only what says nothing about a path: the end of the job, a storage that fails. */
export async function storeExtraFiles(
  options: BackupOptions,
  store: EntryStore,
  pipeline: Pipeline,
  signal: AbortSignal,
  open = connectForFiles,
  clock: Pick<Clock, "sleep"> = systemClock,
): Promise<StoredExtra> {
  const wanted = options.extra ?? [];
  if (wanted.length === 0) return { paths: [], warnings: [] };
  const warnings: string[] = [];
  const paths: string[] = [];
  const stop = AbortSignal.any([signal, store.signal, pipeline.signal]);
  const known = new Map<string, string | undefined>();
  const directories = new Set<string>();
  let files: ServerFiles | undefined;
  try {
    for (const path of wanted) {
      try {
        files ??= await open(options, stop);
        const problems = await storePath({ files, store, pipeline, signal: stop, clock, known, directories }, path);
        if (problems.length === 0) {
          paths.push(path);
          const unsure = files.unsureOfDirectories;
          if (unsure !== undefined && directories.has(path)) warnings.push(unproven(path, unsure));
        } else warnings.push(...someOf(problems).map((problem) => lacking(path, problem)));
      } catch (error) {
        if (stop.aborted || !saysOfServer(error)) throw error;
        // The next path may be reached over another connection.
        await files?.close();
        files = undefined;
        warnings.push(lacking(path, messageOf(error)));
      }
    }
    await store.settled();
  } catch (error) {
    // Storing failed: that is the reason, not the cancellation that it led to.
    if (!signal.aborted && stop.aborted) throw stop.reason;
    throw error;
  } finally {
    await files?.close();
  }
  return { paths, warnings };
}

/** A few say what is wrong; a directory can have any number. */
const mostNamed = 10;

function someOf(problems: readonly string[]): readonly string[] {
  if (problems.length <= mostNamed) return problems;
  return [...problems.slice(0, mostNamed), `and ${problems.length - mostNamed} more of it`];
}

const lacking = (path: string, why: string): string => `the backup lacks (a part of) the extra path "${printablePath(path)}": ${why}`;

const unproven = (path: string, statement: string): string =>
  `the extra path "${printablePath(path)}" is stored as pgmoneta_ext lists it, which is silent about what it cannot read and about empty directories; to have it checked, in the database postgres: ${statement}`;

function connectForFiles(options: BackupOptions, signal: AbortSignal): Promise<ServerFiles> {
  return openServerFiles(backupConnection(options), signal);
}

/** The server said no, or what it has cannot be had; the connection can be used as before. */
const saysOfPath = (error: unknown): boolean => sqlStateOf(error) !== undefined || backupErrors.extraIncomplete.is(error);

/** That, or the way to the server failed; neither says anything of the storage. */
function saysOfServer(error: unknown): boolean {
  return saysOfPath(error) || Object.values(replicationErrors).some((known) => known.is(error));
}

interface Fetching {
  readonly files: ServerFiles;
  readonly store: EntryStore;
  readonly pipeline: Pipeline;
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "sleep">;
  /** Entries that were dealt with, because paths can overlap, and what is wrong with them. */
  readonly known: Map<string, string | undefined>;
  /** As they were asked for. */
  readonly directories: Set<string>;
}

/** Stores a file, or a directory with all that is in it; what of it could not be had. */
async function storePath(fetching: Fetching, path: string): Promise<string[]> {
  const { store, pipeline, signal, known } = fetching;
  const problems: string[] = [];
  const waiting: Place[] = [{ path, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    throwIfAborted(signal);
    if (known.size >= mostEntries) return [...problems, `there are more than ${mostEntries} files and directories`];
    const { path: at } = next;
    const stored = extraPath(at);
    const before = known.get(stored);
    try {
      if (before !== undefined) throw backupErrors.extraIncomplete(before);
      const facts = await lookAt(fetching, at);
      if (facts.directory) {
        const inside = await storeDirectory(fetching, next);
        waiting.push(...inside.places);
        problems.push(...inside.problems);
      } else if (!known.has(stored)) await storeFile(fetching, at, facts);
      known.set(stored, undefined);
    } catch (error) {
      known.set(stored, messageOf(error));
      if (!saysOfPath(error)) throw error;
      problems.push(at === path ? messageOf(error) : `${printablePath(at)}: ${messageOf(error)}`);
    }
    await (store.pressure() ?? pipeline.pressure());
  }
  return problems;
}

interface Place {
  readonly path: string;
  readonly depth: number;
}

async function storeDirectory(
  { files, store, known, directories }: Fetching,
  { path, depth }: Place,
): Promise<{ readonly places: readonly Place[]; readonly problems: readonly string[] }> {
  if (depth === deepest) throw backupErrors.extraIncomplete("it lies too deep; a link may lead back to it");
  const stored = extraPath(path);
  const names = await files.list(path);
  directories.add(path);
  if (!known.has(stored)) store.directory(stored, directoryMode);
  const usable = names.filter(isPlain);
  const odd = names.filter((name) => !isPlain(name));
  return {
    places: usable.map((name) => ({ path: `${path}/${name}`, depth: depth + 1 })),
    problems: odd.map((name) => `${printablePath(path)} holds a name that cannot be asked for: "${printablePath(name)}"`),
  };
}

/** A name in a directory and nothing else, whatever the server says; and one that comes back to it as the same bytes. */
function isPlain(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/") && printablePath(name) === name;
}

/** What a file is, if possible at a time from which on every write shows. */
async function lookAt({ files, signal, clock }: Fetching, path: string): Promise<ServerFileFacts> {
  const facts = await files.stat(path);
  if (facts.directory || !facts.fresh) return facts;
  await clock.sleep(settlingMs, signal);
  return files.stat(path);
}

async function storeFile(fetching: Fetching, path: string, facts: ServerFileFacts): Promise<void> {
  const { files } = fetching;
  if (facts.size > largestHeld) return storeLarge(fetching, path, facts);
  let before = facts;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    // One more byte than there should be: a file that grew shows.
    const content = await files.read(path, 0, before.size + 1, before.size);
    const after = await files.stat(path);
    if (content.length === before.size && unchanged(before, after)) {
      const { file, open } = openEntry(fetching, path, content.length);
      await open.write(content);
      fetching.store.endFile(file, open);
      return;
    }
    before = after.fresh ? await lookAt(fetching, path) : after;
    if (before.directory || before.size > largestHeld) break;
  }
  throw backupErrors.extraIncomplete("it is written to all the time, so that no whole of it can be had");
}

/** A large file goes straight on; one that changed meanwhile is stored all the same, and said not to be whole. */
async function storeLarge(fetching: Fetching, path: string, facts: ServerFileFacts): Promise<void> {
  const { files, store, signal } = fetching;
  const { file, open } = openEntry(fetching, path, facts.size);
  let whole = true;
  try {
    for (let offset = 0; offset < facts.size; ) {
      throwIfAborted(signal);
      const piece = await files.read(path, offset, Math.min(rangeSize, facts.size - offset), facts.size);
      if (piece.length === 0) {
        whole = false;
        break;
      }
      await open.write(piece);
      offset += piece.length;
    }
    whole &&= unchanged(facts, await files.stat(path));
  } catch (error) {
    // What came is stored, so that the lists fit the tree; that it is not whole is said.
    store.endFile(file, open);
    throw error;
  }
  store.endFile(file, open);
  if (!whole) throw backupErrors.extraIncomplete("it was written to while it was read, so that what is stored may be of two moments");
}

const unchanged = (before: ServerFileFacts, after: ServerFileFacts): boolean =>
  !before.fresh && before.size === after.size && before.modified === after.modified && !after.directory;

function openEntry({ store, pipeline }: Fetching, path: string, size: number) {
  const file = { path: extraPath(path), mode: fileMode, size, pipeline, done: () => undefined };
  return { file, open: store.openFile(file) };
}
