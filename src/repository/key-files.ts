/**
 * The files of a server's key directory, opened with the master key that is at hand or, when that was rotated meanwhile,
 * with those that the files of the account hold now.
 */
import { messageOf, MonetaError } from "../common/index.ts";
import { isWrongKey, keysOfSet, type MasterKey, type MasterKeySet, type MasterKeySource } from "../encryption/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { vaultErrors } from "../vault/index.ts";
import { repositoryErrors } from "./errors.ts";

/** Bytes of the largest file of keys. */
export const largestKeyFile = 4096;
/** Whoever reads a file and the master keys in two steps can see both change once; twice, nobody is so slow. */
const attempts = 3;

export interface KeyFiles {
  /** What `open` makes of the file `path`. Throws DATA_KEY_MISSING, REPOSITORY_MASTER_KEY_MISSING and REPOSITORY_MASTER_KEY_WRONG. */
  open<T>(path: string, what: string, open: (masterKeys: readonly MasterKey[], text: string) => T): Promise<T>;
  /** The keys that something new must be wrapped by. Throws REPOSITORY_MASTER_KEY_MISSING, and what is wrong with the files. */
  toWrapWith(purpose: string): Promise<readonly MasterKey[]>;
  /** The master key itself, for what was sealed with it; undefined when there is none. */
  master(): Promise<MasterKey | undefined>;
  /** Those that were replaced and lie in files beside it; only known when the files were read. */
  former(): readonly MasterKey[];
}

function isSource(given: MasterKey | MasterKeySource): given is MasterKeySource {
  return "read" in given;
}

/** Opens the key files of `server`. A bare key is all that there is then. */
export function openKeyFiles(storage: Storage, server: string, given: MasterKey | MasterKeySource | undefined): KeyFiles {
  const source = given !== undefined && isSource(given) ? given : undefined;
  const known = given === undefined || isSource(given) ? given?.known : given;
  let latest: MasterKeySet | undefined;

  const missing = (purpose: string, cause?: unknown): MonetaError =>
    repositoryErrors.masterKeyMissing(
      `the master key is needed to ${purpose}${cause === undefined ? "" : `, and ${messageOf(cause)}`}`,
      { server },
      cause,
    );

  async function readSet(purpose: string): Promise<MasterKeySet> {
    if (source === undefined) throw missing(purpose);
    try {
      latest = await source.read();
      return latest;
    } catch (error) {
      if (known === undefined && vaultErrors.masterKeyMissing.is(error)) throw missing(purpose, error);
      throw error;
    }
  }

  async function read(path: string, what: string): Promise<string> {
    try {
      return (await storage.readFile(path, largestKeyFile)).toString("latin1");
    } catch (error) {
      if (!storageErrors.notFound.is(error)) throw error;
      throw repositoryErrors.dataKeyMissing(`${what} of ${server} is missing: "${path}"`, { server, path }, error);
    }
  }

  async function open<T>(path: string, what: string, opener: (masterKeys: readonly MasterKey[], text: string) => T): Promise<T> {
    let failure: unknown;
    const refuse = (why: string, cause: unknown): MonetaError =>
      repositoryErrors.masterKeyWrong(`"${path}" cannot be opened: ${why}`, { server, path }, cause);
    const before = await read(path, what);
    const atHand = latest === undefined ? (known === undefined ? [] : [known]) : keysOfSet(latest);
    try {
      if (atHand.length > 0) return opener(atHand, before);
    } catch (error) {
      if (!isWrongKey(error)) throw error;
      if (source === undefined) throw refuse(messageOf(error), error);
      failure = error;
    }
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      let set: MasterKeySet;
      try {
        set = await readSet(`read ${what} ("${path}")`);
      } catch (error) {
        if (failure === undefined || !(error instanceof MonetaError)) throw error;
        throw refuse(`${messageOf(failure)}, and the master key cannot be read again: ${error.message}`, error);
      }
      try {
        return opener(keysOfSet(set), await read(path, what));
      } catch (error) {
        if (!isWrongKey(error)) throw error;
        failure = error;
      }
    }
    throw refuse(messageOf(failure), failure);
  }

  async function toWrapWith(purpose: string): Promise<readonly MasterKey[]> {
    if (source === undefined) {
      if (known === undefined) throw missing(purpose);
      return [known];
    }
    const { current, next } = await readSet(purpose);
    return next === undefined ? [current] : [current, next];
  }

  return {
    open,
    toWrapWith,
    async master() {
      if (latest !== undefined) return latest.current;
      if (known !== undefined || source === undefined) return known;
      try {
        return (await readSet("read what was sealed with it")).current;
      } catch (error) {
        if (repositoryErrors.masterKeyMissing.is(error)) return undefined;
        throw error;
      }
    },
    former: () => latest?.former ?? [],
  };
}
