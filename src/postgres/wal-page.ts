/** Headers of WAL pages (`XLogPageHeaderData`, xlog_internal.h), as 64-bit little-endian servers write them. */
import { postgresErrors } from "./errors.ts";
import type { Lsn } from "./lsn.ts";

export interface WalPageHeader {
  /** Changes with every major, see the version table. */
  readonly magic: number;
  readonly info: number;
  /** The page begins with the rest of a record. */
  readonly continuesRecord: boolean;
  /** A plain number: recycled or damaged files can hold anything. */
  readonly timeline: number;
  /** Position of the first byte of this page. */
  readonly pageAddress: Lsn;
  /** Bytes that are left of the record which the page continues. */
  readonly remainingLength: number;
  /** Bytes of the header: the records follow it. */
  readonly headerLength: number;
  /** The rest stands on the first page of a segment only. Decimal. */
  readonly systemIdentifier?: string;
  /** Bytes of a WAL segment. */
  readonly segmentSize?: number;
  /** Bytes of a WAL page. */
  readonly blockSize?: number;
}

/** Bytes that must be in hand to read any page header. */
export const walPageHeaderSize = 40;
const shortHeaderSize = 24;
const firstIsContinuation = 0x0001;
const longHeader = 0x0002;
const allFlags = 0x000f;

/**
 * Reads the header at the beginning of a page. Throws WAL_PAGE_DAMAGED when it is cut off or cannot be one (magic
 * outside of PostgreSQL's range, unknown flags); the caller compares magic, timeline, address and identifier.
 */
export function parseWalPageHeader(page: Uint8Array): WalPageHeader {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  const refuse = (why: string) => postgresErrors.walPageDamaged(`the WAL page ${why}`);
  if (bytes.length < shortHeaderSize)
    throw refuse(`has ${bytes.length} bytes, its header alone has ${shortHeaderSize}`);
  const magic = bytes.readUInt16LE(0);
  if (magic >> 8 !== 0xd1) throw refuse(`has the magic number 0x${magic.toString(16)}`);
  const info = bytes.readUInt16LE(2);
  if ((info & ~allFlags) !== 0) throw refuse(`has the unknown flags 0x${info.toString(16)}`);
  const common = {
    magic,
    info,
    continuesRecord: (info & firstIsContinuation) !== 0,
    timeline: bytes.readUInt32LE(4),
    pageAddress: bytes.readBigUInt64LE(8) as Lsn,
    remainingLength: bytes.readUInt32LE(16),
  };
  if ((info & longHeader) === 0) return { ...common, headerLength: shortHeaderSize };
  if (bytes.length < walPageHeaderSize) throw refuse(`has ${bytes.length} bytes, its header has ${walPageHeaderSize}`);
  return {
    ...common,
    headerLength: walPageHeaderSize,
    systemIdentifier: bytes.readBigUInt64LE(24).toString(),
    segmentSize: bytes.readUInt32LE(32),
    blockSize: bytes.readUInt32LE(36),
  };
}
