/**
 * Which repository this account keeps in which `base_dir`, remembered beside the master key, outside of the repository:
 * when its file system is not mounted nothing in `base_dir` itself can tell that something is missing.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf, writeFileDurably } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import type { Logger } from "../log/index.ts";
import { ensureRepositoryId, repositoryErrors, requireRepository } from "../repository/index.ts";
import { openLocalStorage } from "../storage/index.ts";

export interface RepositoryMemory {
  readonly path: string;
  /** Throws REPOSITORY_GONE when another repository than the remembered one lies in `base_dir`, or none. Writes nothing. */
  recognise(): Promise<void>;
  /** The id of the repository, new for a new one, and remembered from now on. Only under the owner lock. */
  identify(): Promise<string>;
}

interface Remembered {
  readonly baseDir: string;
  readonly id: string;
}

export function openRepositoryMemory({ baseDir, masterKeyFile }: Pick<MainOptions, "baseDir" | "masterKeyFile">, logger: Logger): RepositoryMemory {
  const name = createHash("sha256").update(baseDir).digest("hex").slice(0, 16);
  const path = join(dirname(masterKeyFile), `repository-${name}.json`);
  const storage = openLocalStorage(baseDir);

  const read = async (): Promise<Remembered | undefined> => {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw repositoryErrors.gone(`which repository lies in "${baseDir}" cannot be read from "${path}": ${messageOf(error)}`, { path }, error);
    }
    const remembered = parse(text);
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

function parse(text: string): Remembered | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined; // The caller says so.
  }
  const { baseDir, id } = (document ?? {}) as Partial<Record<keyof Remembered, unknown>>;
  return typeof baseDir === "string" && typeof id === "string" ? { baseDir, id } : undefined;
}
