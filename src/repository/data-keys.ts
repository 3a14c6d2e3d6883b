/**
 * The data keys of a server: random, wrapped by the master key, one file each, and the id of the one in use. Old ones
 * stay, because what was encrypted with them does.
 */
import type { DataKey, KeyRing, MasterKey } from "../encryption/index.ts";
import { createDataKey, encryptionErrors, unwrapDataKey, wrapDataKey } from "../encryption/index.ts";
import { commonErrors, messageOf } from "../common/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { serverLayout } from "./layout.ts";

export interface DataKeyStore {
  /** The key to encrypt with; made when it is first asked for, and durable before it is given out. */
  current(): Promise<DataKey>;
  /** Id of the key to encrypt with; undefined while there is none. Needs no master key. */
  currentId(): Promise<string | undefined>;
  /** Throws DATA_KEY_MISSING, REPOSITORY_MASTER_KEY_MISSING or REPOSITORY_MASTER_KEY_WRONG, each naming the file. */
  load(id: string): Promise<DataKey>;
  /** Ids of all keys, sorted. Needs no master key. */
  ids(): Promise<string[]>;
  /** All keys, as the readers of stored files take them: asked for one that cannot be read it throws as `load` does. */
  ring(): Promise<KeyRing>;
}

const largestKeyFile = 4096;
const keyName = /^([0-9a-f]{32})\.key$/;
const keyId = /^[0-9a-f]{32}$/;

/** The keys of `server`; `masterKey` may be undefined where nothing is encrypted. */
export function openDataKeys(storage: Storage, server: string, masterKey: MasterKey | undefined): DataKeyStore {
  const layout = serverLayout(server);

  function requireMasterKey(purpose: string): MasterKey {
    if (masterKey !== undefined) return masterKey;
    throw repositoryErrors.masterKeyMissing(`the master key is needed to ${purpose}`, { server });
  }

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
    if ((await storage.stat(path)) === undefined) {
      throw repositoryErrors.dataKeyMissing(`data key ${id} of ${server} is missing: "${path}"`, { server, id, path });
    }
    const text = (await storage.readFile(path, largestKeyFile)).toString("latin1");
    const master = requireMasterKey(`read the data key "${path}"`);
    let key: DataKey;
    try {
      key = unwrapDataKey(master, text);
    } catch (error) {
      if (!encryptionErrors.notAuthentic.is(error) && !encryptionErrors.malformed.is(error)) throw error;
      throw repositoryErrors.masterKeyWrong(
        `"${path}" cannot be opened: ${messageOf(error)}`,
        { server, id, path },
        error,
      );
    }
    if (key.id === id) return key;
    throw repositoryErrors.masterKeyWrong(`"${path}" holds another key, ${key.id}`, { server, id, path });
  }

  async function create(): Promise<string> {
    const master = requireMasterKey(`encrypt what is stored of ${server}`);
    const key = createDataKey();
    await storage.replaceFile(layout.keyFile(key.id), `${wrapDataKey(master, key)}\n`);
    const sink = await storage.createFile(layout.currentKey);
    try {
      await sink.write(Buffer.from(`${key.id}\n`));
      await sink.commit();
      return key.id;
    } catch (error) {
      await sink.abort();
      // Another job made the first key at the same moment: its key is the one in use.
      const other = commonErrors.targetExists.is(error) ? await currentId() : undefined;
      if (other === undefined) throw error;
      return other;
    }
  }

  async function ids(): Promise<string[]> {
    return (await storage.list(layout.keys)).flatMap(({ name }) => keyName.exec(name)?.[1] ?? []);
  }

  async function ring(): Promise<KeyRing> {
    const keys = new Map<string, DataKey>();
    const failures = new Map<string, unknown>();
    for (const id of await ids()) {
      try {
        keys.set(id, await load(id));
      } catch (error) {
        // Whatever was not sealed with this one can be read all the same.
        failures.set(id, error);
      }
    }
    const find = (id: string): DataKey | undefined => {
      if (failures.has(id)) throw failures.get(id);
      return keys.get(id);
    };
    return Object.assign(find, { master: masterKey });
  }

  return { current: async () => load((await currentId()) ?? (await create())), currentId, load, ids, ring };
}
