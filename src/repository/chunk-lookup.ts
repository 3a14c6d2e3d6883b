/**
 * The files of a backup by path, without holding them in memory: of each 16 bytes that say where in the chunk index it is
 * described. A million files take 32 MiB.
 */
import { crc32c } from "../pipeline/index.ts";
import { pathToBytes } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import type { BackupInfo } from "./backup-info.ts";
import { parseFileEntry } from "./chunk-index-reader.ts";
import type { IndexedFile } from "./chunk-index.ts";
import { repositoryErrors } from "./errors.ts";
import { serverLayout } from "./layout.ts";
import { readBackupChunks } from "./metadata.ts";

export interface ChunkLookup {
  /**
   * The file of the backup that has this path and this size. Undefined at once when there is none, which is the common
   * case for what changed; a promise when its lines have to be read. Throws what reading throws.
   */
  find(path: string, size: number): Promise<IndexedFile | undefined> | undefined;
  close(): Promise<void>;
}

/** Reads the chunk index of a backup of ours once, checked against its digest. Throws BACKUP_DAMAGED. */
export async function openChunkLookup(storage: Storage, server: string, info: BackupInfo): Promise<ChunkLookup> {
  const { own } = info;
  if (own === undefined) throw repositoryErrors.backupDamaged(`backup ${info.label} of ${server} has no chunk index`, { server, label: info.label });
  const places = createPlaces(own.fileCount);
  await readBackupChunks(storage, server, info, {
    onEntry: (entry, { offset, length }) => {
      if (entry.kind === "file") places.add(entry.path, entry.size, offset, length);
    },
  });
  const reader = await storage.openFile(serverLayout(server).backupFile(info.label, own.chunkIndex));
  return {
    find(path, size) {
      const place = places.find(path, size);
      if (place === undefined) return undefined;
      return reader.read(place.offset, place.length).then((bytes) => {
        const file = parseFileEntry(bytes, own.hash);
        // Another path can have the same fingerprint.
        return file?.path === path && file.size === size ? file : undefined;
      });
    },
    close: () => reader.close(),
  };
}

interface Places {
  add(path: string, size: number, offset: number, length: number): void;
  find(path: string, size: number): { readonly offset: number; readonly length: number } | undefined;
}

/** Open addressing over a fingerprint of path and size, never more than half full. */
function createPlaces(expected: number): Places {
  let capacity = 1024;
  while (capacity < 2 * expected) capacity *= 2;
  let used = 0;
  let prints = new Uint32Array(capacity);
  let lengths = new Uint32Array(capacity);
  let offsets = new Float64Array(capacity);

  const fingerprint = (path: string, size: number): number => {
    const bytes = pathToBytes(path);
    // A file of more than 4 GiB differs in the low bits as well as any other; 0 means an empty place.
    return (crc32c(bytes) ^ Math.imul(size >>> 0, 0x9e3779b1)) >>> 0 || 1;
  };

  const place = (print: number, offset: number, length: number): void => {
    const mask = prints.length - 1;
    let slot = print & mask;
    while (prints[slot] !== 0) slot = (slot + 1) & mask;
    prints[slot] = print;
    offsets[slot] = offset;
    lengths[slot] = length;
  };

  const grow = (): void => {
    const [oldPrints, oldOffsets, oldLengths] = [prints, offsets, lengths];
    prints = new Uint32Array(oldPrints.length * 2);
    offsets = new Float64Array(prints.length);
    lengths = new Uint32Array(prints.length);
    for (const [slot, print] of oldPrints.entries()) {
      if (print !== 0) place(print, oldOffsets[slot] ?? 0, oldLengths[slot] ?? 0);
    }
  };

  return {
    add(path, size, offset, length) {
      used += 1;
      if (used * 2 > prints.length) grow();
      place(fingerprint(path, size), offset, length);
    },
    find(path, size) {
      const print = fingerprint(path, size);
      const mask = prints.length - 1;
      for (let slot = print & mask; prints[slot] !== 0; slot = (slot + 1) & mask) {
        if (prints[slot] === print) return { offset: offsets[slot] ?? 0, length: lengths[slot] ?? 0 };
      }
      return undefined;
    },
  };
}
