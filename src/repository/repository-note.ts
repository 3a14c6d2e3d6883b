/**
 * Which repository an account keeps in which `base_dir`: a note beside its master key, outside of the repository, because
 * a file system that is not mounted cannot tell that it is missing.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface RepositoryNote {
  readonly baseDir: string;
  /** Of the repository that lies there. */
  readonly id: string;
}

/** Path of the note of the repository in `baseDir`; `directory` is that of the master key. */
export function repositoryNotePath(directory: string, baseDir: string): string {
  return join(directory, `repository-${createHash("sha256").update(baseDir).digest("hex").slice(0, 16)}.json`);
}

/** What a note says; undefined when it is none. */
export function parseRepositoryNote(text: string): RepositoryNote | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined; // The caller says so.
  }
  const { baseDir, id } = (document ?? {}) as Partial<Record<keyof RepositoryNote, unknown>>;
  return typeof baseDir === "string" && typeof id === "string" ? { baseDir, id } : undefined;
}

/** One note that was found. */
export interface FoundNote {
  readonly path: string;
  /** Undefined when the file cannot be read as a note. */
  readonly note: RepositoryNote | undefined;
}

/** The notes in `directory`, which may be absent. */
export async function listRepositoryNotes(directory: string): Promise<readonly FoundNote[]> {
  const names = await readdir(directory).catch(() => [] as string[]);
  const found: FoundNote[] = [];
  for (const name of names.sort()) {
    if (!/^repository-[0-9a-f]{16}\.json$/.test(name)) continue;
    const path = join(directory, name);
    const text = await readFile(path, "utf8").catch(() => "");
    found.push({ path, note: parseRepositoryNote(text) });
  }
  return found;
}
