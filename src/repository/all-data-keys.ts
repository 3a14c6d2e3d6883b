/** The data keys of every server of a repository: a file that left it says which key it needs, not whose that is. */
import type { DataKey, KeyRing, MasterKey, MasterKeySource } from "../encryption/index.ts";
import { sameMasterKey } from "../encryption/index.ts";
import type { Storage } from "../storage/index.ts";
import { openDataKeys } from "./data-keys.ts";
import { openKeyFiles } from "./key-files.ts";

/** All keys that can be found; asked for one that is there and cannot be read it throws as `DataKeyStore.load` does. */
export async function readAllDataKeys(storage: Storage, master: MasterKey | MasterKeySource | undefined): Promise<KeyRing> {
  const rings: KeyRing[] = [];
  for (const { name, kind } of await storage.list("")) {
    // A name with a dot in front is none of a server.
    if (kind === "directory" && !name.startsWith(".")) rings.push(await openDataKeys(storage, name, master).ring());
  }
  const find = (id: string): DataKey | undefined => {
    for (const ring of rings) {
      const key = ring(id);
      if (key !== undefined) return key;
    }
    return undefined;
  };
  // Where no server is, the key may open the file all the same.
  const own = await openKeyFiles(storage, "", master).master();
  const known = [own, ...rings.flatMap((ring) => [ring.master, ...(ring.formerMasters ?? [])])].flatMap((key) => key ?? []);
  const [first, ...others] = known.filter((key, at) => known.findIndex((each) => sameMasterKey(each, key)) === at);
  return Object.assign(find, { master: first, formerMasters: others });
}
