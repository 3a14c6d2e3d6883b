/**
 * Which cluster the stored WAL itself says that it comes from: the first page of every segment names it
 * (`XLogLongPageHeaderData`). For a directory whose `identity.json` was lost, or never written by who stored the WAL.
 */
import { readStoredFile } from "../pipeline/index.ts";
import { isSegmentSize, parseSegmentName, parseWalPageHeader, walPageHeaderSize } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { serverLayout, type ServerLayout } from "./layout.ts";
import type { ServerIdentity } from "./server-identity.ts";
import { walFileFromName, type WalFile } from "./wal-file.ts";

/** So many segments of each form are asked: one that is damaged must not speak for all. */
const mostAsked = 4;

/**
 * Undefined when nothing of the WAL of `server` is stored. Throws SERVER_IDENTITY_DAMAGED when there is WAL and none of
 * the segments that were looked at can be read: then nobody may add to it.
 */
export async function identityOfStoredWal(storage: Storage, of: string | ServerLayout): Promise<ServerIdentity | undefined> {
  const layout = typeof of === "string" ? serverLayout(of) : of;
  const candidates = await chooseCandidates(storage, layout);
  let failure: unknown;
  for (const file of candidates) {
    try {
      const found = await readIdentity(storage, layout.walFile(fileName(file)), file);
      if (found !== undefined) return found;
    } catch (error) {
      // Damaged, of an unknown key, archived meanwhile: another one may tell.
      failure = error;
    }
  }
  if (failure === undefined) return undefined;
  throw repositoryErrors.identityDamaged(
    `"${layout.identity}" is missing, and none of the stored WAL segments that were looked at can be read to tell which cluster they belong to`,
    { path: layout.identity },
    failure,
  );
}

const fileName = ({ segment, suffix }: WalFile): string => segment + suffix;

/** Those that need no decoding first, those that need a key last. */
async function chooseCandidates(storage: Storage, { wal }: ServerLayout): Promise<WalFile[]> {
  const kinds: readonly [WalFile[], WalFile[], WalFile[], WalFile[]] = [[], [], [], []];
  for await (const { name, kind } of storage.entries(wal)) {
    const file = kind === "directory" ? undefined : walFileFromName(name);
    if (file === undefined) continue;
    const list = kinds[file.form === "raw" ? 0 : file.suffix === ".partial" ? 1 : file.suffix.endsWith(".aes") ? 3 : 2];
    if (list.length < mostAsked) list.push(file);
  }
  return kinds.flat();
}

/** Undefined for a partial segment that was just begun. */
async function readIdentity(storage: Storage, path: string, file: WalFile): Promise<ServerIdentity | undefined> {
  const reader = await storage.openFile(path);
  const enough = new AbortController();
  let first: Buffer = Buffer.alloc(0);
  try {
    if (file.form !== "archived" && file.suffix.length <= ".partial".length) first = await reader.read(0, walPageHeaderSize);
    else {
      const reading = readStoredFile({ source: reader, hash: "sha256", concurrency: 1, signal: enough.signal }, (chunk) => {
        first = Buffer.concat([first, chunk.subarray(0, walPageHeaderSize)]);
        if (first.length >= walPageHeaderSize) enough.abort();
        return Promise.resolve();
      });
      // The rest of the file does not matter here.
      await reading.catch((error: unknown) => {
        if (!enough.signal.aborted) throw error;
      });
    }
  } finally {
    await reader.close();
  }
  if (file.form === "partial" && first.every((byte) => byte === 0)) return undefined;
  const { systemIdentifier, segmentSize, pageAddress } = parseWalPageHeader(first);
  const sound =
    systemIdentifier !== undefined &&
    segmentSize !== undefined &&
    isSegmentSize(segmentSize) &&
    pageAddress === parseSegmentName(file.segment, segmentSize).start;
  if (!sound) throw repositoryErrors.identityDamaged(`"${path}" does not begin with the first page of its segment`, { path });
  return { systemIdentifier, segmentSize };
}
