/** One file of WAL from the repository to its second copy: compared with its digest on the way, and once it is there. */
import { createHash } from "node:crypto";
import { messageOf, throwIfAborted } from "../common/index.ts";
import { repositoryErrors, serverLayout, hashStoredFile, type WalInventory, type WalRecord } from "../repository/index.ts";
import { storageErrors, type RandomReader, type Storage } from "../storage/index.ts";
import { walErrors } from "./errors.ts";

export interface CopyAround {
  readonly server: string;
  readonly storage: Storage;
  readonly copy: Storage;
  readonly inventory: WalInventory;
  /** The inventory of the copy. */
  readonly copies: WalInventory;
  readonly signal: AbortSignal;
}

const pieceSize = 1024 * 1024;
const largestKeyFile = 64 * 1024;

/**
 * Copies a stored file of a segment and records it there. Bytes of it; undefined when it has gone meanwhile. Throws
 * WAL_SECOND_COPY_SOURCE when it is not what was archived.
 */
export async function copySegmentFile(around: CopyAround, segment: string, suffix: string): Promise<number | undefined> {
  const { server, storage, copy, inventory, copies, signal } = around;
  const path = serverLayout(server).walFile(segment + suffix);
  const record = await recordOf(inventory, segment, suffix);
  let reader: RandomReader;
  try {
    reader = await storage.openFile(path);
  } catch (error) {
    if (storageErrors.notFound.is(error)) return undefined;
    throw damaged(path, error);
  }
  const sink = await copy.createFile(path).catch(async (error: unknown) => {
    await reader.close();
    throw error;
  });
  try {
    const algorithm = record?.hash ?? "sha256";
    const hash = createHash(algorithm);
    for (let offset = 0; offset < reader.size; offset += pieceSize) {
      throwIfAborted(signal);
      const piece = await reader.read(offset, pieceSize).catch((error: unknown) => {
        throw damaged(path, error);
      });
      hash.update(piece);
      await sink.write(piece);
    }
    const digest = hash.digest("hex");
    if (record !== undefined && digest !== record.storedDigest) throw damaged(path, "its digest does not match");
    await sink.close();
    if ((await hashStoredFile(copy, sink.temporaryPath, algorithm)) !== digest) {
      throw walErrors.secondCopyFailed(`"${copy.root}/${path}" does not read back as what was written`, { directory: copy.root });
    }
    await sink.commit({ replace: true });
  } catch (error) {
    // What is left of it is recognised by its name; the reason is what matters.
    await sink.abort().catch(() => undefined);
    throw error;
  } finally {
    await reader.close();
  }
  if (record !== undefined) await copies.record(record);
  return reader.size;
}

/** Without a readable record a file is copied as it is. */
async function recordOf(inventory: WalInventory, segment: string, suffix: string): Promise<WalRecord | undefined> {
  try {
    const record = await inventory.lookup(segment);
    return record?.suffix === suffix ? record : undefined;
  } catch (error) {
    if (repositoryErrors.walIndexDamaged.is(error)) return undefined;
    throw error;
  }
}

const damaged = (path: string, why: unknown) =>
  walErrors.secondCopySource(`"${path}" of the repository is damaged and was not copied: ${typeof why === "string" ? why : messageOf(why)}`, { path });

/** Timeline history files that the copy does not have as the repository has them. */
export async function copyHistories({ inventory, copies }: CopyAround, copied: (name: string, bytes: number) => void): Promise<void> {
  for (const timeline of await inventory.histories.list()) {
    const content = await inventory.histories.content(timeline).catch((error: unknown) => {
      // Restores name it; the copy keeps what it has.
      if (repositoryErrors.historyUnreadable.is(error)) return undefined;
      throw error;
    });
    if (content === undefined) continue;
    const there = await copies.histories.content(timeline).catch(() => undefined);
    if (there?.equals(content) === true) continue;
    await copies.histories.write(timeline, content);
    copied(`the history of timeline ${timeline}`, content.length);
  }
}

/** The wrapped keys, without which encrypted WAL is worth nothing once the repository is lost. */
export async function copyKeys(around: CopyAround): Promise<void> {
  const { server, copy } = around;
  if ((await keysToCopy(around)).length === 0) return;
  // While nobody else works there: keys that are being rewrapped must not be replaced by what they were before.
  await copy.exclusively(serverLayout(server).keys, async () => {
    for (const { path, content } of await keysToCopy(around)) await copy.replaceFile(path, content);
  });
}

/** The files of keys that the copy does not have as the repository has them. */
async function keysToCopy({ server, storage, copy }: CopyAround): Promise<readonly { readonly path: string; readonly content: Buffer }[]> {
  const layout = serverLayout(server);
  const there = new Set((await copy.list(layout.keys)).map(({ name }) => name));
  const found: { path: string; content: Buffer }[] = [];
  for (const { name, kind } of await storage.list(layout.keys)) {
    if (kind !== "file" || !(name.endsWith(".key") || name === "current" || layout.isFormerMaster(name))) continue;
    const path = `${layout.keys}/${name}`;
    const content = await storage.readFile(path, largestKeyFile);
    if (!there.has(name) || !content.equals(await copy.readFile(path, largestKeyFile))) found.push({ path, content });
  }
  return found;
}
