/** The data keys of every server of a repository: a file that left it says which key it needs, not whose that is. */
import type { DataKey, KeyRing, MasterKey } from "../encryption/index.ts";
import type { Storage } from "../storage/index.ts";
import { openDataKeys } from "./data-keys.ts";

/** All keys that can be found; asked for one that is there and cannot be read it throws as `DataKeyStore.load` does. */
export async function readAllDataKeys(storage: Storage, masterKey: MasterKey | undefined): Promise<KeyRing> {
  const rings: KeyRing[] = [];
  for (const { name, kind } of await storage.list("")) {
    // A name with a dot in front is none of a server.
    if (kind === "directory" && !name.startsWith(".")) rings.push(await openDataKeys(storage, name, masterKey).ring());
  }
  const find = (id: string): DataKey | undefined => {
    for (const ring of rings) {
      const key = ring(id);
      if (key !== undefined) return key;
    }
    return undefined;
  };
  return Object.assign(find, { master: masterKey });
}
