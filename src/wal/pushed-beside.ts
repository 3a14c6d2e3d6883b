/**
 * What `archive_command` brought of a segment that a promotion left unfinished, where that is more than was received: it is kept
 * beside what was received, as `<segment>.partial.pushed` and the suffix of the pipeline, and goes when the segment is stored whole.
 */
import { createHash } from "node:crypto";
import { messageOf } from "../common/index.ts";
import { encryptionErrors, type KeyRing } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { pipelineErrors, readStoredFile, specFromName } from "../pipeline/index.ts";
import { partialFileName } from "../postgres/index.ts";
import { archivedSuffixes, readSegment, type ServerLayout, type WalInventory } from "../repository/index.ts";
import { storageErrors, type RandomReader, type Storage } from "../storage/index.ts";

/** Its name without the suffix of the pipeline. */
export const pushedFileName = (segment: string): string => `${partialFileName(segment)}.pushed`;

const named = /^([0-9A-F]{24})\.partial\.pushed$/;

/** The name of the file that is kept of a segment; undefined where there is none. */
export async function findPushed(storage: Storage, layout: ServerLayout, segment: string): Promise<string | undefined> {
  for (const suffix of ["", ...archivedSuffixes]) {
    const name = pushedFileName(segment) + suffix;
    if ((await storage.stat(layout.walFile(name))) !== undefined) return name;
  }
  return undefined;
}

/** How a stored file is read. */
export interface StoredReading {
  readonly storage: Storage;
  readonly keys: KeyRing;
  readonly signal: AbortSignal;
}

/** Its plain bytes in order; resolves with how many there are. Throws STORED_FILE_DAMAGED, ENCRYPTION_KEY_UNKNOWN. */
export async function readPushed(path: string, { keys, signal, storage }: StoredReading, take: (piece: Buffer, at: number) => Promise<void>): Promise<number> {
  const source: RandomReader = await storage.openFile(path);
  let at = 0;
  try {
    await readStoredFile({ source, keys, hash: "sha256", concurrency: 1, signal }, async (piece) => {
      await take(piece, at);
      at += piece.length;
    });
  } finally {
    await source.close();
  }
  return at;
}

/** Names of such files of which the segment is stored whole, and recorded: without its record nobody vouches for it. */
export async function outlivedPushes(storage: Storage, inventory: WalInventory): Promise<string[]> {
  const found: string[] = [];
  for await (const { kind, name } of storage.entries(inventory.layout.wal)) {
    const segment = kind === "directory" ? undefined : named.exec(specFromName(name).plainName)?.[1];
    if (segment === undefined) continue;
    const location = await inventory.find(segment);
    if (location?.form === "archived" && location.record !== undefined) found.push(name);
  }
  return found;
}

export interface OutlivedPushOptions extends StoredReading {
  readonly inventory: WalInventory;
  readonly systemIdentifier: string;
  readonly logger: Logger;
}

/** Removes it when it is the beginning of the whole segment; another one is kept, for a person to look at. Only with the index in hand. */
export async function removeOutlivedPush(name: string, options: OutlivedPushOptions): Promise<void> {
  const { inventory, logger, storage } = options;
  const path = inventory.layout.walFile(name);
  try {
    if (!(await isBeginning(name.slice(0, 24), path, options))) {
      logger.error(`"${path}" is not the beginning of the complete segment beside it, and is kept: find out where either comes from`, { name });
      return;
    }
  } catch (error) {
    // Somebody else took it away.
    if (storageErrors.notFound.is(error)) return;
    if (!pipelineErrors.damaged.is(error) && !encryptionErrors.keyUnknown.is(error)) throw error;
    logger.error(`"${path}" cannot be compared with the complete segment beside it, and is kept: ${messageOf(error)}`, { name });
    return;
  }
  await storage.removeFile(path);
  logger.info(`${name} is removed: the segment is stored whole`, { segment: name.slice(0, 24) });
}

async function isBeginning(segment: string, path: string, options: OutlivedPushOptions): Promise<boolean> {
  const { inventory, keys, signal, storage, systemIdentifier } = options;
  const pushed = createHash("sha256");
  const length = await readPushed(path, options, async (piece) => void pushed.update(piece));
  const whole = createHash("sha256");
  let left = length;
  await readSegment({ storage, inventory, systemIdentifier, keys: () => Promise.resolve(keys), signal }, segment, async (piece) => {
    const own = piece.subarray(0, left);
    whole.update(own);
    left -= own.length;
  });
  return left === 0 && pushed.digest("hex") === whole.digest("hex");
}
