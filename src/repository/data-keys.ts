/**
 * The data keys of a server: random, wrapped by the master key, one file each, and the id of the one in use. Old ones
 * stay, because what was encrypted with them does. Beside them lie the master keys that were replaced, for what was
 * sealed with one of them directly.
 */
import { createSemaphore } from "../common/index.ts";
import type { DataKey, KeyRing, MasterKey, MasterKeySource } from "../encryption/index.ts";
import { createDataKey, unwrapDataKey, unwrapFormerMaster, wrapDataKey } from "../encryption/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { largestKeyFile, openKeyFiles } from "./key-files.ts";
import { serverLayout } from "./layout.ts";

export interface DataKeyStore {
  /** The key to encrypt with; made when it is first asked for, and durable before it is given out. */
  current(): Promise<DataKey>;
  /** Id of the key to encrypt with; undefined while there is none. Needs no master key. */
  currentId(): Promise<string | undefined>;
  /**
   * Makes a new key, which everything that begins from now on is encrypted with. What is being encrypted, and what was,
   * keeps its key. Throws what `load` throws for the key so far: a master key that does not open it wraps no new one.
   */
  rotate(): Promise<RotatedKey>;
  /** Throws DATA_KEY_MISSING, REPOSITORY_MASTER_KEY_MISSING or REPOSITORY_MASTER_KEY_WRONG, each naming the file. */
  load(id: string): Promise<DataKey>;
  /** Ids of all keys, sorted. Needs no master key. */
  ids(): Promise<string[]>;
  /**
   * All keys, as the readers of stored files take them: asked for one that cannot be read it throws as `load` does. Called
   * again it knows the keys that were made meanwhile, and costs a look at the directory.
   */
  ring(): Promise<KeyRing>;
}

export interface RotatedKey {
  readonly id: string;
  /** The key so far; undefined when there was none. */
  readonly previous: string | undefined;
}

const keyName = /^([0-9a-f]{32})\.key$/;
const keyId = /^[0-9a-f]{32}$/;
/** A directory that changed later than this before it was listed could change again without another time. */
const settledMs = 2000;

/** The keys of `server`; `master` may be undefined where nothing is encrypted. */
export function openDataKeys(storage: Storage, server: string, master: MasterKey | MasterKeySource | undefined): DataKeyStore {
  const layout = serverLayout(server);
  const files = openKeyFiles(storage, server, master);

  async function currentId(): Promise<string | undefined> {
    if ((await storage.stat(layout.currentKey)) === undefined) return undefined;
    const text = (await storage.readFile(layout.currentKey, largestKeyFile)).toString("latin1").trim();
    if (!keyId.test(text)) {
      throw repositoryErrors.dataKeyMissing(`"${layout.currentKey}" does not hold the id of a key`, {
        path: layout.currentKey,
      });
    }
    return text;
  }

  async function load(id: string): Promise<DataKey> {
    if (!keyId.test(id))
      throw repositoryErrors.dataKeyMissing(`${JSON.stringify(id)} is not the id of a data key`, { server });
    const path = layout.keyFile(id);
    const key = await files.open(path, `data key ${id}`, unwrapDataKey);
    if (key.id === id) return key;
    throw repositoryErrors.masterKeyWrong(`"${path}" holds another key, ${key.id}`, { server, id, path });
  }

  /** Only while the directory is ours. */
  async function make(masters: readonly MasterKey[]): Promise<string> {
    const key = createDataKey();
    await storage.replaceFile(layout.keyFile(key.id), masters.map((each) => `${wrapDataKey(each, key)}\n`).join(""));
    await storage.replaceFile(layout.currentKey, `${key.id}\n`);
    return key.id;
  }

  async function create(): Promise<string> {
    // Before anything is made.
    await files.toWrapWith(`encrypt what is stored of ${server}`);
    return storage.exclusively(layout.keys, async () => {
      // Another job may have made the first key at the same moment: its key is the one in use.
      const other = await currentId();
      return other ?? (await make(await files.toWrapWith(`encrypt what is stored of ${server}`)));
    });
  }

  async function rotate(): Promise<RotatedKey> {
    await files.toWrapWith(`make a data key for ${server}`);
    return storage.exclusively(layout.keys, async () => {
      const masters = await files.toWrapWith(`make a data key for ${server}`);
      const previous = await currentId();
      if (previous !== undefined) await load(previous);
      const id = await make(masters);
      await load(id);
      return { id, previous };
    });
  }

  const namesIn = async (): Promise<string[]> => (await storage.list(layout.keys)).map(({ name }) => name);
  const idsOf = (names: readonly string[]): string[] => names.flatMap((name) => keyName.exec(name)?.[1] ?? []);

  const keys = new Map<string, DataKey>();
  const failures = new Map<string, unknown>();
  const formers = new Map<string, MasterKey>();
  let made: { readonly ring: KeyRing; readonly changed: number | undefined } | undefined;

  /** One look after the other: the first derives and opens, the next ones find that done. */
  const looking = createSemaphore(1);

  async function look(): Promise<KeyRing> {
    const changed = (await storage.stat(layout.keys))?.mtimeMs;
    if (made !== undefined && changed !== undefined && made.changed === changed) return made.ring;
    const began = Date.now();
    const names = await namesIn();
    for (const id of idsOf(names)) {
      if (keys.has(id)) continue;
      try {
        keys.set(id, await load(id));
        failures.delete(id);
      } catch (error) {
        // Whatever was not sealed with this one can be read all the same.
        failures.set(id, error);
      }
    }
    for (const name of names) {
      if (!layout.isFormerMaster(name) || formers.has(name)) continue;
      try {
        formers.set(name, await files.open(`${layout.keys}/${name}`, "a former master key", unwrapFormerMaster));
      } catch (error) {
        // What was sealed with it will say that no key opens it.
        if (!repositoryErrors.masterKeyWrong.is(error) && !repositoryErrors.dataKeyMissing.is(error) && !repositoryErrors.masterKeyMissing.is(error)) throw error;
      }
    }
    const find = (id: string): DataKey | undefined => {
      const key = keys.get(id);
      if (key === undefined && failures.has(id)) throw failures.get(id);
      return key;
    };
    const ringNow: KeyRing = Object.assign(find, {
      master: await files.master(),
      formerMasters: [...formers.values(), ...files.former()],
    });
    made = { ring: ringNow, changed: changed !== undefined && changed + settledMs < began ? changed : undefined };
    return ringNow;
  }

  return {
    current: async () => load((await currentId()) ?? (await create())),
    currentId,
    rotate,
    load,
    ids: async () => idsOf(await namesIn()),
    ring: () => looking.run(look),
  };
}
