/**
 * Which repository lies in `base_dir`: a random id in a file of its own. A mount that is gone leaves an empty directory
 * in its place, and WAL that is received into it is acknowledged and lost to the repository: so nothing is made where
 * the id is not the known one.
 */
import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { openLocalStorage, type LocalStorage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { repositoryErrors } from "./errors.ts";
import { isText } from "./json-shape.ts";

export const repositoryIdName = ".moneta.repository";

const largestFile = 4096;

/** Undefined where there is none, and where it cannot be read as one: then this is not the known repository. */
export async function readRepositoryId(storage: LocalStorage): Promise<string | undefined> {
  const facts = await storage.stat(repositoryIdName);
  if (facts?.kind !== "file" || facts.size > largestFile) return undefined;
  const { version, id } = parseChecked((await storage.readFile(repositoryIdName, largestFile)).toString("utf8")) ?? {};
  return version === 1 && isText(id) ? id : undefined;
}

/** The id of the repository, which gets one if it has none. Only under the owner lock. */
export async function ensureRepositoryId(storage: LocalStorage): Promise<string> {
  const known = await readRepositoryId(storage);
  if (known !== undefined) return known;
  const id = randomUUID();
  await storage.replaceFile(repositoryIdName, `${formatChecked({ version: 1, id })}\n`);
  return id;
}

/** Throws REPOSITORY_GONE unless the repository `id` lies in the root of `storage`. */
export async function requireRepository(storage: LocalStorage, id: string): Promise<void> {
  const found = await readRepositoryId(storage);
  if (found === id) return;
  const what = found === undefined ? "no repository" : "another repository";
  throw repositoryErrors.gone(`"${storage.root}" holds ${what} where ${id} was: nothing is written there`, {
    path: storage.root,
    expected: id,
    found: found ?? null,
  });
}

/**
 * What changes with the file and with the file system that it lies on (the time of a change ticks every few milliseconds, and
 * the file is never written in place): one call where reading it takes five, and a receiver looks every few seconds.
 * Undefined where there is none.
 */
async function printOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, ctimeNs].join(" ");
  } catch {
    // What is wrong shows, and is said, when it is read.
    return undefined;
  }
}

/** The storage in `baseDir`, in which nothing is made while another repository than `id` lies there, or none. */
export function openRepositoryStorage(baseDir: string, id: string | undefined): LocalStorage {
  if (id === undefined) return openLocalStorage(baseDir);
  const unguarded = openLocalStorage(baseDir);
  const path = unguarded.absolutePath(repositoryIdName);
  /** Of the file when it was last read and found right. */
  let known: string | undefined;
  const guard = async (): Promise<void> => {
    const print = await printOf(path);
    if (print !== undefined && print === known) return;
    await requireRepository(unguarded, id);
    known = print;
  };
  return openLocalStorage(baseDir, { guard });
}
