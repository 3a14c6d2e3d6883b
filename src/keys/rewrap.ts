/** The wrapped keys of one key directory: can they all be opened, and wrapping them by other master keys. */
import { messageOf } from "../common/index.ts";
import {
  createKeyId,
  isWrongKey,
  rewrap,
  sameMasterKey,
  unwrapFormerMaster,
  wrapFormerMaster,
  type MasterKey,
} from "../encryption/index.ts";
import { keysErrors } from "./errors.ts";
import type { KeyStore } from "./key-stores.ts";

const largestKeyFile = 4096;

/** Paths of the files that hold something wrapped. */
async function wrappedFiles({ storage, layout }: KeyStore): Promise<string[]> {
  const found: string[] = [];
  for (const { name, kind } of await storage.list(layout.keys)) {
    if (kind === "file" && (/^[0-9a-f]{32}\.key$/.test(name) || layout.isFormerMaster(name))) found.push(`${layout.keys}/${name}`);
  }
  return found;
}

const readText = async ({ storage }: KeyStore, path: string): Promise<string> => (await storage.readFile(path, largestKeyFile)).toString("latin1");

/** The text wrapped anew. Throws KEYS_DAMAGED naming the file when none of `known` opens it. */
function rewrapped(store: KeyStore, path: string, text: string, known: readonly MasterKey[], wanted: readonly MasterKey[]): string {
  try {
    return rewrap(text, known, wanted);
  } catch (error) {
    if (!isWrongKey(error)) throw error;
    const file = store.storage.absolutePath(path);
    throw keysErrors.damaged(`"${file}" cannot be opened with the master key: ${messageOf(error)}`, { path: file }, error);
  }
}

/** Throws KEYS_DAMAGED when something there is opened by none of `known`. Returns how many files there are. */
export async function checkStore(store: KeyStore, known: readonly MasterKey[]): Promise<number> {
  const files = await wrappedFiles(store);
  for (const path of files) rewrapped(store, path, await readText(store, path), known, []);
  return files.length;
}

/**
 * Has every file of the directory hold one line for each of `wanted`, and of the `former` master keys that nothing there
 * holds yet one file each. What was written is read back. Can be cut off at any point and repeated.
 */
export async function rewrapStore(store: KeyStore, known: readonly MasterKey[], wanted: readonly MasterKey[], former: readonly MasterKey[]): Promise<void> {
  const { storage, layout } = store;
  await storage.exclusively(layout.keys, async () => {
    for (const path of await wrappedFiles(store)) {
      const before = await readText(store, path);
      const after = rewrapped(store, path, before, known, wanted);
      if (after === before) continue;
      await storage.replaceFile(path, after);
      const found = await readText(store, path);
      for (const masterKey of wanted) rewrapped(store, path, found, [masterKey], []);
    }
    await keepFormer(store, known, wanted, former);
  });
}

/** Only while the directory is ours. */
async function keepFormer(store: KeyStore, known: readonly MasterKey[], wanted: readonly MasterKey[], former: readonly MasterKey[]): Promise<void> {
  const { storage, layout } = store;
  const kept: MasterKey[] = [];
  for (const path of await wrappedFiles(store)) {
    if (path.endsWith(".master")) kept.push(unwrapFormerMaster(known, await readText(store, path)));
  }
  for (const masterKey of former) {
    if (kept.some((each) => sameMasterKey(each, masterKey))) continue;
    kept.push(masterKey);
    const id = createKeyId();
    await storage.replaceFile(layout.formerMaster(id), wanted.map((by) => `${wrapFormerMaster(by, id, masterKey)}\n`).join(""));
  }
}
