/**
 * The rotation of the master key, as a procedure. At every instant everything can be opened with the master keys that lie
 * there: first whatever is wrapped gets a second line for the new key, then the new key takes the place of the old one, then
 * the lines for the old key go. Cut off anywhere, the next call goes on; readers meanwhile try what there is.
 */
import { access, constants, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../common/index.ts";
import { keysOfSet, sameMasterKey, type MasterKey } from "../encryption/index.ts";
import {
  checkPassphrase,
  createNextMasterKey,
  decryptUsers,
  keptMasterKeys,
  openUsersFile,
  readMasterKey,
  readMasterKeyLines,
  readMasterKeys,
  readUsers,
  reencryptUsers,
  refuseLinkedMasterKey,
  retirePreviousMasterKey,
  rotationFiles,
  rotationState,
  switchMasterKey,
  vaultErrors,
  whileDirectoriesAreOurs,
} from "../vault/index.ts";
import { keysErrors } from "./errors.ts";
import { findKeyStores, type FoundStores, type RepositoryPlace } from "./key-stores.ts";
import { checkStore, rewrapStore } from "./rewrap.ts";

export interface MasterKeyRotation {
  readonly masterKeyFile: string;
  /** Users and admins files, which may be absent. */
  readonly usersFiles: readonly string[];
  readonly repositories: readonly RepositoryPlace[];
  /** Repositories and second copies that are left out. */
  readonly without: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface RotatedMasterKey {
  /** Wrapped keys, in all places. */
  readonly keys: number;
  /** Users and admins files whose passwords are encrypted by the new key now. */
  readonly usersFiles: readonly string[];
  readonly leftOut: readonly string[];
  /** Where the old key is kept because something was left out. */
  readonly kept: string | undefined;
  /** Keys that earlier rotations kept. */
  readonly keptBefore: readonly string[];
}

export interface PreparedRotation {
  /** The new key is made already: an earlier call was cut off. */
  readonly resumes: boolean;
  /**
   * Carries it out. `passphrase` of the new key: undefined when it resumes and none was named.
   * Throws what `prepareMasterKeyRotation` throws, PASSWORD_REFUSED, KEYS_SAME_PASSPHRASE and KEYS_OTHER_ROTATION; and what
   * reading and writing throws, after which a repeat goes on.
   */
  readonly run: (passphrase: string | undefined) => Promise<RotatedMasterKey>;
}

/**
 * Looks whether the rotation can be carried out, and changes nothing. Throws the errors of the vault, KEYS_UNREACHABLE,
 * KEYS_DAMAGED and KEYS_NOT_WRITABLE.
 */
export async function prepareMasterKeyRotation(rotation: MasterKeyRotation): Promise<PreparedRotation> {
  const { masterKeyFile } = rotation;
  await refuseLinkedMasterKey(masterKeyFile);
  const state = await rotationState(masterKeyFile);
  await survey(rotation);
  return {
    resumes: state.next || state.previous,
    run: (passphrase) =>
      whileDirectoriesAreOurs([masterKeyFile, ...rotation.usersFiles], () =>
        sayingWhatIsLeft(masterKeyFile, rotate(rotation, passphrase)),
      ),
  };
}

/** Whoever sees a rotation fail half-way must know that nothing is lost, and that it is not over. */
async function sayingWhatIsLeft<T>(masterKeyFile: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { next, previous } = await rotationState(masterKeyFile);
    if (!(next || previous) || keysErrors.otherRotation.is(error)) throw error;
    throw keysErrors.cutOff(`the rotation of the master key was begun and has not ended: ${messageOf(error)}`, { path: masterKeyFile }, error);
  }
}

interface Survey extends FoundStores {
  readonly keys: number;
  readonly usersFiles: readonly string[];
}

/** Everything that the master key protects is there, can be opened, and can be replaced. */
async function survey({ masterKeyFile, repositories, usersFiles, without }: MasterKeyRotation): Promise<Survey> {
  const known = keysOfSet(await readMasterKeys(masterKeyFile));
  const present: string[] = [];
  for (const path of usersFiles) {
    const file = await openUsersFile(path);
    if (!file.exists) continue;
    decryptUsers(file, known);
    await requireReplaceable(path);
    present.push(path);
  }
  await requireReplaceable(masterKeyFile);
  const found = await findKeyStores(repositories, without);
  let keys = 0;
  for (const store of found.stores) keys += await checkStore(store, known);
  return { ...found, keys, usersFiles: present };
}

/** A file is replaced by renaming another one over it, which is a matter of its directory. */
async function requireReplaceable(path: string): Promise<void> {
  try {
    await access(dirname(await realpath(path)), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw keysErrors.notWritable(`"${path}" cannot be replaced by this account: ${messageOf(error)}`, { path }, error);
  }
}

/** Only while the directories of master key and users files are ours. */
async function rotate(rotation: MasterKeyRotation, passphrase: string | undefined): Promise<RotatedMasterKey> {
  const { masterKeyFile, now } = rotation;
  // What was found before the pass phrase was asked for may be out of date.
  const surveyed = await survey(rotation);
  const state = await rotationState(masterKeyFile);
  if (state.next || state.previous) {
    await refuseOtherPassphrase(masterKeyFile, state.next, passphrase);
  } else {
    if (passphrase === undefined) throw vaultErrors.passwordRefused("a new master key needs a pass phrase");
    await refuseSamePassphrase(masterKeyFile, passphrase);
    await createNextMasterKey(masterKeyFile, passphrase);
  }
  if (state.next || !state.previous) {
    await wrapForBoth(masterKeyFile, surveyed);
    await switchMasterKey(masterKeyFile);
  }
  await unwrapOld(masterKeyFile, surveyed);
  const keptBefore = await keptMasterKeys(masterKeyFile);
  const keepAs = surveyed.leftOut.length === 0 ? undefined : timeLabel(now());
  const kept = await retirePreviousMasterKey(masterKeyFile, keepAs);
  return { keys: surveyed.keys, usersFiles: surveyed.usersFiles, leftOut: surveyed.leftOut, kept, keptBefore };
}

/** From here on both keys open every key, and the passwords are the new one's. */
async function wrapForBoth(masterKeyFile: string, { stores, usersFiles }: Survey): Promise<void> {
  const set = await readMasterKeys(masterKeyFile);
  const { current, former } = set;
  // A run that was cut off between two names of one file has the new key in both places already.
  const next = set.next ?? (await readMasterKey(rotationFiles(masterKeyFile).next));
  const replaced = [current, ...former].filter((key) => !sameMasterKey(key, next));
  for (const store of stores) await rewrapStore(store, keysOfSet(set), [current, next], replaced);
  for (const path of usersFiles) {
    await reencryptUsers(await openUsersFile(path), keysOfSet(set), next);
    await readUsers(path, next);
  }
}

/** From here on the new key alone opens everything that was not left out. */
async function unwrapOld(masterKeyFile: string, { stores, usersFiles }: Survey): Promise<void> {
  const set = await readMasterKeys(masterKeyFile);
  const { current, former } = set;
  const replaced: readonly MasterKey[] = former.filter((key) => !sameMasterKey(key, current));
  for (const store of stores) await rewrapStore(store, keysOfSet(set), [current], replaced);
  // A file that came back, or was named, only for the repeat of a rotation that was cut off.
  for (const path of usersFiles) await reencryptUsers(await openUsersFile(path), former, current);
}

async function refuseSamePassphrase(path: string, passphrase: string): Promise<void> {
  checkPassphrase(passphrase);
  if ((await readMasterKeyLines(path)).passphrase.equals(Buffer.from(passphrase, "utf8")))
    throw keysErrors.samePassphrase("the new pass phrase is the one that is in use already", { path });
}

/** Whoever names a pass phrase must not be told yes when another one is put in its place. */
async function refuseOtherPassphrase(path: string, pending: boolean, passphrase: string | undefined): Promise<void> {
  if (passphrase === undefined) return;
  const { passphrase: begun } = await readMasterKeyLines(pending ? rotationFiles(path).next : path);
  if (begun.equals(Buffer.from(passphrase, "utf8"))) return;
  throw keysErrors.otherRotation("a rotation to another pass phrase was begun and has not ended", { path });
}

/** `YYYYMMDDHHMMSS`, UTC. */
function timeLabel(time: number): string {
  return new Date(time).toISOString().replace(/\D/g, "").slice(0, 14);
}
