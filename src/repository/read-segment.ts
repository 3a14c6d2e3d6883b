/** The plain bytes of a segment, whatever form it has at the moment, with everything checked that can be. */
import { messageOf, throwIfAborted } from "../common/index.ts";
import { readStoredFile, specFromName, type RandomReader } from "../pipeline/index.ts";
import { formatLsn, lsnPlus, parseSegmentName, parseWalPageHeader, type Lsn } from "../postgres/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { KeyRing } from "./read-backup-file.ts";
import type { WalInventory } from "./wal-inventory.ts";
import type { OpenSegment, WalLocation } from "./wal-locate.ts";
import { endOfPartial, partialHoldsAll } from "./wal-partial.ts";

export interface WalSource {
  readonly storage: Storage;
  readonly inventory: WalInventory;
  /** Of the cluster whose WAL it must be. */
  readonly systemIdentifier: string;
  readonly keys: () => Promise<KeyRing>;
  readonly signal?: AbortSignal | undefined;
  /** Of segments whose digest is known only that is computed: it proves all that those of stored bytes and chunks would. */
  readonly plainIsEnough?: boolean;
}

export interface ReadSegment {
  readonly form: WalLocation["form"];
  /** First position that the segment does not hold; its end, except for a partial one. */
  readonly end: Lsn;
}

/** Takes plain bytes in order; the buffer is the receiver's. `proven`: their digest is known and is checked by the end. */
export type SegmentSink = (piece: Buffer, proven: boolean) => Promise<void> | void;

const pieceSize = 1024 * 1024;
/** A segment changes its form twice in its life. */
const attempts = 4;

/**
 * Reads the segment called `name`; undefined when the repository has none. Of a partial one what is durable, and when
 * the server ended it early, the zeros that follow as well.
 * Throws RESTORE_WAL_DAMAGED, STORED_FILE_DAMAGED and what storage and keys throw.
 */
export async function readSegment(source: WalSource, name: string, sink: SegmentSink): Promise<ReadSegment | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const opened = await source.inventory.open(name);
    if (opened === undefined) return undefined;
    try {
      const length = await durableLength(source, opened);
      return await readOpened(source, opened, length, sink);
    } catch (error) {
      // It became complete before anything of it was read.
      if (!storageErrors.notFound.is(error) || attempt === attempts) throw error;
    } finally {
      await opened.reader.close();
    }
  }
}

/** Bytes of the opened file that count; those of a partial segment are durable afterwards. */
async function durableLength({ storage, inventory }: WalSource, { location, reader }: OpenSegment): Promise<number> {
  if (location.form !== "partial" || location.record !== undefined) return reader.size;
  const { start } = parseSegmentName(location.segment, inventory.segmentSize);
  const end = await endOfPartial(storage, location, inventory.segmentSize);
  await storage.syncFile(location.path);
  return Math.min(reader.size, Number(end - start));
}

async function readOpened(source: WalSource, { location, reader }: OpenSegment, length: number, sink: SegmentSink): Promise<ReadSegment> {
  const { segmentSize } = source.inventory;
  const { start } = parseSegmentName(location.segment, segmentSize);
  const { form } = location;
  const isEncoded = form === "archived" || location.record !== undefined;
  const proven = isEncoded && location.record !== undefined;
  let first = true;
  const checked = async (piece: Buffer): Promise<void> => {
    if (first && piece.length > 0) {
      first = false;
      checkFirstPage(source, location, piece, start);
    }
    await sink(piece, proven);
  };
  const bytes =
    isEncoded ? await readArchived(source, location, reader, checked) : await readPlain(reader, length, checked, source.signal);
  if (bytes === segmentSize) return { form, end: lsnPlus(start, bytes) };
  if (form !== "partial") throw damaged(location, `it holds ${bytes} bytes instead of ${segmentSize}`);
  if (!(await partialHoldsAll(source.storage, location, segmentSize))) return { form, end: lsnPlus(start, bytes) };
  for (let at = bytes; at < segmentSize; at += pieceSize) await checked(Buffer.alloc(Math.min(pieceSize, segmentSize - at)));
  return { form, end: lsnPlus(start, segmentSize) };
}

const damaged = (location: WalLocation, why: string) =>
  repositoryErrors.walDamaged(`WAL segment ${location.segment} ("${location.path}") is damaged: ${why}`, {
    segment: location.segment,
    path: location.path,
  });

type PieceSink = (piece: Buffer) => Promise<void>;

async function readPlain(reader: RandomReader, length: number, sink: PieceSink, signal: AbortSignal | undefined): Promise<number> {
  for (let offset = 0; offset < length; ) {
    throwIfAborted(signal);
    const piece = await reader.read(offset, Math.min(pieceSize, length - offset));
    await sink(piece);
    offset += piece.length;
  }
  return length;
}

async function readArchived(source: WalSource, location: WalLocation, reader: RandomReader, sink: PieceSink): Promise<number> {
  const { record } = location;
  const { compression, encrypted } = specFromName(`segment${location.suffix}`);
  const known =
    record === undefined
      ? { hash: "sha256" as const }
      : {
          hash: record.hash,
          chunks: record.chunks,
          headerSize: record.headerSize,
          expected: {
            plainSize: record.plainSize,
            plainDigest: record.plainDigest,
            storedSize: record.storedSize,
            storedDigest: record.storedDigest,
          },
        };
  const keys = encrypted ? await source.keys() : undefined;
  const options = { source: reader, format: { compression, encrypted }, keys, concurrency: 4, signal: source.signal, plainIsEnough: source.plainIsEnough, ...known };
  const { plainSize } = await readStoredFile(options, async (chunk) => {
    await sink(chunk);
  });
  return plainSize;
}

/** A digest proves that the bytes are those that were stored; the first page says whose they are. */
function checkFirstPage({ systemIdentifier, inventory }: WalSource, location: WalLocation, page: Buffer, start: Lsn): void {
  let header: ReturnType<typeof parseWalPageHeader>;
  try {
    header = parseWalPageHeader(page);
  } catch (error) {
    throw damaged(location, messageOf(error));
  }
  if (header.pageAddress !== start) throw damaged(location, `its first page belongs to ${formatLsn(header.pageAddress)}`);
  if (header.systemIdentifier !== systemIdentifier) {
    throw damaged(location, `it belongs to cluster ${header.systemIdentifier ?? "?"} instead of ${systemIdentifier}`);
  }
  if (header.segmentSize !== inventory.segmentSize) throw damaged(location, `it says that segments have ${header.segmentSize ?? 0} bytes`);
}
