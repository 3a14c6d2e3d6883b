/**
 * Which repository this account keeps in which `base_dir`, remembered beside the master key, outside of the repository:
 * when its file system is not mounted nothing in `base_dir` itself can tell that something is missing.
 */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, writeFileDurably } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import type { Logger } from "../log/index.ts";
import {
  ensureRepositoryId,
  parseRepositoryNote,
  repositoryErrors,
  repositoryNotePath,
  requireRepository,
  type RepositoryNote,
} from "../repository/index.ts";
import { openLocalStorage } from "../storage/index.ts";

export interface RepositoryMemory {
  readonly path: string;
  /** Throws REPOSITORY_GONE when another repository than the remembered one lies in `base_dir`, or none. Writes nothing. */
  recognise(): Promise<void>;
  /** The id of the repository, new for a new one, and remembered from now on. Only under the owner lock. */
  identify(): Promise<string>;
}

export function openRepositoryMemory({ baseDir, masterKeyFile }: Pick<MainOptions, "baseDir" | "masterKeyFile">, logger: Logger): RepositoryMemory {
  const path = repositoryNotePath(dirname(masterKeyFile), baseDir);
  const storage = openLocalStorage(baseDir);

  const read = async (): Promise<RepositoryNote | undefined> => {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw repositoryErrors.gone(`which repository lies in "${baseDir}" cannot be read from "${path}": ${messageOf(error)}`, { path }, error);
    }
    const remembered = parseRepositoryNote(text);
    if (remembered === undefined) throw repositoryErrors.gone(`"${path}" does not say which repository lies in "${baseDir}"`, { path });
    return remembered;
  };

  return {
    path,
    async recognise() {
      const remembered = await read();
      if (remembered !== undefined) await requireRepository(storage, remembered.id);
    },
    async identify() {
      const id = await ensureRepositoryId(storage);
      if ((await read())?.id === id) return id;
      try {
        await writeFileDurably(path, `${JSON.stringify({ baseDir, id })}\n`, { mode: 0o600 });
      } catch (error) {
        // Without it the daemon works as well; it only cannot tell a missing mount from a new repository.
        logger.info(`which repository lies in base_dir is not remembered, so a missing mount will not be noticed at a start: ${messageOf(error)}`, { path });
      }
      return id;
    },
  };
}
