/**
 * The files beside the master key while it is rotated, and after that for what could not be rewrapped:
 *
 * - `master.key.next`: the key that will be in use. Whatever is wrapped from now on is wrapped for both.
 * - `master.key.previous`: the key that was in use, until everything is rewrapped.
 * - `master.key.<UTC time>.old`: a key that was in use, kept because a repository was left out.
 *
 * `master.key` itself is there at every instant, the old one or the new one.
 */
import { lstat, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { addName, hideTree, MonetaError, publishFile, syncDirectory } from "../common/index.ts";
import type { MasterKey, MasterKeySet, MasterKeySource } from "../encryption/index.ts";
import { vaultErrors } from "./errors.ts";
import { createMasterKey, masterKeyExists, readMasterKey, type StoredMasterKey } from "./master-key.ts";

/** How far a rotation has come. */
export interface RotationState {
  /** The new key is made, and not in use yet. */
  readonly next: boolean;
  /** The old key is still kept. */
  readonly previous: boolean;
}

/** Where the files of a rotation lie. */
export const rotationFiles = (path: string): { readonly next: string; readonly previous: string } => ({
  next: `${path}.next`,
  previous: `${path}.previous`,
});

/** How far the rotation of the master key at `path` has come; both false when none is under way. */
export async function rotationState(path: string): Promise<RotationState> {
  const { next, previous } = rotationFiles(path);
  return { next: await masterKeyExists(next), previous: await masterKeyExists(previous) };
}

/** Throws `MASTER_KEY_ROTATION_UNFINISHED` while a rotation of the master key at `path` is under way or was cut off. */
export async function refuseUnfinishedRotation(path: string): Promise<void> {
  const { next, previous } = await rotationState(path);
  if (next || previous)
    throw vaultErrors.rotationUnfinished(`a rotation of the master key "${path}" was begun and has not ended`, { path });
}

/** Keys that were kept because a repository was left out of a rotation, newest first. */
export async function keptMasterKeys(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => [] as string[]);
  const begin = `${basename(path)}.`;
  return names
    .filter((name) => name.startsWith(begin) && /^\d{14}(-\d+)?\.old$/.test(name.slice(begin.length)))
    .sort()
    .reverse()
    .map((name) => join(dirname(path), name));
}

/**
 * Every master key that there is at the moment, in an order that misses none while a rotation goes on: the next one
 * becomes the current one, the current one the previous one. Throws as `readMasterKey` does for the one in use; another
 * one that cannot be read is left out, because only what needs it can tell whether that matters.
 */
export async function readMasterKeys(path: string): Promise<MasterKeySet & { readonly current: StoredMasterKey }> {
  const { next, previous } = rotationFiles(path);
  const coming = await readIfThere(next);
  const current = await readMasterKey(path);
  const former: StoredMasterKey[] = [];
  for (const file of [previous, ...(await keptMasterKeys(path))]) {
    const key = await readIfThere(file);
    if (key !== undefined) former.push(key);
  }
  // It is both for the instant between two names of one file.
  const isNew = coming !== undefined && !coming.material.equals(current.material);
  return { current, ...(isNew ? { next: coming } : {}), former };
}

async function readIfThere(path: string): Promise<StoredMasterKey | undefined> {
  try {
    return (await masterKeyExists(path)) ? await readMasterKey(path) : undefined;
  } catch (error) {
    if (error instanceof MonetaError) return undefined;
    throw error;
  }
}

/** The keys of the files, for whoever has been given `known` or nothing. */
export function masterKeySource(path: string, known?: MasterKey): MasterKeySource {
  return { known, read: () => readMasterKeys(path) };
}

/** Throws `MASTER_KEY_ROTATION_REFUSED` where the name of the master key cannot be given to another file. */
export async function refuseLinkedMasterKey(path: string): Promise<void> {
  const facts = await lstat(path).catch(() => undefined);
  if (facts?.isSymbolicLink() !== true) return;
  throw vaultErrors.rotationRefused(`the master key "${path}" is a symbolic link, in whose place a file would be put`, { path });
}

/** Makes the key that will be in use, durably. Throws `PASSWORD_REFUSED`. */
export async function createNextMasterKey(path: string, passphrase: string): Promise<void> {
  await createMasterKey(rotationFiles(path).next, passphrase);
}

/** Puts the next key in the place of the current one, which becomes the previous one. Can be repeated until it is done. */
export async function switchMasterKey(path: string): Promise<void> {
  const { next, previous } = rotationFiles(path);
  try {
    // It is there already when a run that was cut off had come so far.
    await addName(path, previous);
    await publishFile(next, path, { replace: true });
  } catch (error) {
    throw vaultErrors.unreadable(`the master key "${path}" cannot be replaced`, { path }, error);
  }
}

/** What a call left that was cut off while it made the next key: nobody knows it, and it is a pass phrase. */
async function removeUnfinished(path: string): Promise<void> {
  const begin = `${basename(rotationFiles(path).next)}.new-`;
  const names = await readdir(dirname(path));
  for (const name of names.filter((each) => each.startsWith(begin))) await rm(join(dirname(path), name), { force: true });
}

/** Removes the previous key durably, or keeps it under a name of its own; returns that name. */
export async function retirePreviousMasterKey(path: string, keepAs: string | undefined): Promise<string | undefined> {
  const { previous } = rotationFiles(path);
  await removeUnfinished(path);
  if (keepAs === undefined) {
    await rm(previous, { force: true });
    await syncDirectory(dirname(path));
    return undefined;
  }
  for (let number = 1; ; number += 1) {
    const kept = `${path}.${keepAs}${number === 1 ? "" : `-${number}`}.old`;
    if (await masterKeyExists(kept)) continue;
    await hideTree(previous, kept);
    return kept;
  }
}
