/** What a crash leaves behind in the directories of a server, recognised by name alone. */
import type { Storage } from "../storage/index.ts";
import { nameState } from "../storage/index.ts";
import type { ServerLayout } from "./layout.ts";
import { isLabel } from "./layout.ts";

export interface Leftover {
  readonly path: string;
  readonly what: "unfinished backup" | "half-deleted backup" | "half-deleted lineage" | "unfinished file";
  /** Of a backup; undefined for everything else, which is small. */
  readonly label?: string | undefined;
}

async function filesIn(storage: Storage, directory: string): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for await (const { name, kind } of storage.entries(directory)) {
    if (kind === "file" && nameState(name).state !== "visible")
      found.push({ path: `${directory}/${name}`, what: "unfinished file" });
  }
  return found;
}

/** Leftovers of the server whose paths are `layout`. Segments that are still being received are none. */
export async function findLeftovers(storage: Storage, layout: ServerLayout): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const { name, kind } of await storage.list(layout.backups)) {
    const { state, name: stands } = nameState(name);
    const path = `${layout.backups}/${name}`;
    const what = state === "unfinished" ? "unfinished backup" : "half-deleted backup";
    if (state !== "visible") found.push({ path, what, label: stands.slice(0, 14) });
    else if (kind === "directory" && isLabel(name)) found.push(...(await filesIn(storage, path)));
  }
  for (const directory of [layout.directory, layout.wal, layout.walIndex, layout.keys]) {
    found.push(...(await filesIn(storage, directory)));
  }
  for (const { name, kind } of await storage.list(layout.lineages)) {
    const path = `${layout.lineages}/${name}`;
    if (nameState(name).state !== "visible") found.push({ path, what: "half-deleted lineage" });
    else if (kind === "directory") found.push(...(await filesIn(storage, path)));
  }
  return found;
}

/** Removes one leftover; one that is gone already is no error. */
export async function removeLeftover(storage: Storage, leftover: Leftover): Promise<void> {
  if (leftover.what === "unfinished file") await storage.removeFile(leftover.path);
  else await storage.removeTree(leftover.path);
}
