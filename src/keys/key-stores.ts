/**
 * Where keys lie that a master key wraps: in each server's directory of each repository of the account, and in the second
 * copy of its WAL. A place that cannot be seen is an error, because after a rotation its keys would be lost.
 */
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf } from "../common/index.ts";
import { readSecondCopyNote, repositoryErrors, requireRepository, serverLayout, type ServerLayout } from "../repository/index.ts";
import { openLocalStorage, type LocalStorage } from "../storage/index.ts";
import { keysErrors } from "./errors.ts";

/** The key directory of one server in one place. */
export interface KeyStore {
  readonly storage: LocalStorage;
  readonly server: string;
  readonly layout: ServerLayout;
}

export interface RepositoryPlace {
  readonly baseDir: string;
  /** Of the repository that must lie there, where that is known. */
  readonly id?: string | undefined;
  /** Where the second copy of the WAL of a server is configured to lie. */
  readonly secondCopies: ReadonlyMap<string, string>;
}

export interface FoundStores {
  /** Those of a repository before those of its second copies: whoever copies keys meanwhile copies them from there. */
  readonly stores: readonly KeyStore[];
  /** Places that were left out because the operator said so. */
  readonly leftOut: readonly string[];
}

const storeAt = (storage: LocalStorage, server: string): KeyStore => ({ storage, server, layout: serverLayout(server) });

const kindAt = async (storage: LocalStorage, path: string): Promise<string | undefined> => (await storage.stat(path))?.kind;

/** The way to a directory may have links; two names of one are one. */
const realOf = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/** Finds every key directory. `without` names repositories and second copies to leave out. Throws KEYS_UNREACHABLE. */
export async function findKeyStores(places: readonly RepositoryPlace[], without: readonly string[]): Promise<FoundStores> {
  const excluded = new Set(await Promise.all(without.map(realOf)));
  const seen = new Set<string>();
  const stores: KeyStore[] = [];
  const copies: KeyStore[] = [];
  const leftOut = new Set<string>();
  const isLeftOut = async (directory: string): Promise<boolean> => {
    if (!excluded.has(await realOf(directory))) return false;
    leftOut.add(directory);
    return true;
  };
  for (const { baseDir, id, secondCopies } of places) {
    const real = await realOf(baseDir);
    if (seen.has(real)) continue;
    seen.add(real);
    if (await isLeftOut(baseDir)) continue;
    const storage = openLocalStorage(baseDir);
    for (const server of await serversIn(storage, id)) {
      stores.push(storeAt(storage, server));
      const noted = await readSecondCopyNote(storage, server);
      for (const directory of new Set([noted, secondCopies.get(server)])) {
        if (directory === undefined || (await isLeftOut(directory))) continue;
        const copy = await copyAt(directory, server, directory === noted);
        if (copy !== undefined) copies.push(copy);
      }
    }
  }
  return { stores: [...stores, ...copies], leftOut: [...leftOut] };
}

/** Names of the servers of a repository that is there. */
async function serversIn(storage: LocalStorage, id: string | undefined): Promise<string[]> {
  const unreachable = (why: string, cause?: unknown) =>
    keysErrors.unreachable(`the repository "${storage.root}" cannot be reached, and its keys would be lost: ${why}`, { directory: storage.root }, cause);
  try {
    if (id !== undefined) await requireRepository(storage, id);
    const entries = await storage.list("");
    if (entries.length === 0) throw unreachable("nothing is there");
    const servers: string[] = [];
    for (const { name, kind } of entries) {
      if (kind !== "directory" || name.startsWith(".")) continue;
      const layout = serverLayout(name);
      const kinds = await Promise.all([layout.keys, layout.wal, layout.backups].map((path) => kindAt(storage, path)));
      if (kinds.includes("directory")) servers.push(name);
    }
    return servers;
  } catch (error) {
    if (keysErrors.unreachable.is(error)) throw error;
    throw unreachable(repositoryErrors.gone.is(error) ? error.message : messageOf(error), error);
  }
}

/** The second copy of a server's WAL; undefined for one that is configured and was never begun. */
async function copyAt(directory: string, server: string, begun: boolean): Promise<KeyStore | undefined> {
  const storage = openLocalStorage(directory);
  const store = storeAt(storage, server);
  try {
    if ((await kindAt(storage, store.layout.wal)) === "directory") return store;
    if (!begun) return undefined;
  } catch (error) {
    throw keysErrors.unreachable(`the second copy of the WAL of ${server} in "${directory}" cannot be read: ${messageOf(error)}`, { directory, server }, error);
  }
  throw keysErrors.unreachable(`the second copy of the WAL of ${server} in "${directory}" is not there, and its keys would be lost`, { directory, server });
}
