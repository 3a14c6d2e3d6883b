/** WAL laid out over pages as a server writes it (xlogrecord.h, xlog_internal.h), of records that a test makes up. */
import { crc32c } from "../../src/pipeline/index.ts";
import { versionTraits } from "../../src/postgres/index.ts";

export const walPageSize = 8192;
/** The cluster that made-up WAL belongs to. */
export const walSystemIdentifier = "7412345678901234567";

export interface MadeUpRecord {
  readonly rmgr: number;
  readonly info: number;
  readonly data: Buffer;
}

export interface MadeUpWal {
  /** Whole pages. */
  readonly bytes: Buffer;
  /** Where each record begins, from the start of the bytes. */
  readonly starts: readonly number[];
  /** Where the last one ends. */
  readonly end: number;
}

export interface WalLayout {
  /** Position of the first byte. */
  readonly start: bigint;
  /** Bytes. */
  readonly segmentSize: number;
  readonly major: 15 | 18;
  /** What follows a switch of the segment begins with the next one, as on a server. */
  readonly switches?: boolean;
}

const isSwitch = ({ rmgr, info }: MadeUpRecord): boolean => rmgr === 0 && info === 0x40;

export function walOf(records: readonly MadeUpRecord[], { start, segmentSize, major, switches = false }: WalLayout): MadeUpWal {
  const magic = versionTraits(major * 10_000).walPageMagic ?? 0xd110;
  const skipped = switches ? records.filter(isSwitch).length * segmentSize : 0;
  const bytes = Buffer.alloc(Math.ceil((records.reduce((sum, { data }) => sum + data.length + 64, 100) * 1.1) / walPageSize) * walPageSize + walPageSize + skipped);
  const starts: number[] = [];
  let at = 0;
  let previous = 0n;
  const header = (left: number): void => {
    const long = at % segmentSize === 0;
    bytes.writeUInt16LE(magic, at);
    bytes.writeUInt16LE((left > 0 ? 1 : 0) | (long ? 2 : 0), at + 2);
    bytes.writeUInt32LE(1, at + 4);
    bytes.writeBigUInt64LE(start + BigInt(at), at + 8);
    bytes.writeUInt32LE(left, at + 16);
    if (long) {
      bytes.writeBigUInt64LE(BigInt(walSystemIdentifier), at + 24);
      bytes.writeUInt32LE(segmentSize, at + 32);
      bytes.writeUInt32LE(walPageSize, at + 36);
    }
    at += long ? 40 : 24;
  };
  for (const each of records) {
    const { rmgr, info, data } = each;
    if (at % walPageSize === 0) header(0);
    const record = Buffer.alloc(24 + data.length);
    record.writeUInt32LE(record.length, 0);
    record.writeUInt32LE(733, 4);
    record.writeBigUInt64LE(previous, 8);
    record[16] = info;
    record[17] = rmgr;
    data.copy(record, 24);
    record.writeUInt32LE(crc32c(record.subarray(0, 20), crc32c(record.subarray(24))), 20);
    previous = start + BigInt(at);
    starts.push(at);
    for (let written = 0; written < record.length; ) {
      if (at % walPageSize === 0) header(record.length - written);
      const part = Math.min(record.length - written, walPageSize - (at % walPageSize));
      record.copy(bytes, at, written, written + part);
      at += part;
      written += part;
    }
    at = (at + 7) & -8;
    if (switches && isSwitch(each)) at = Math.ceil(at / segmentSize) * segmentSize;
  }
  return { bytes: bytes.subarray(0, Math.ceil(at / walPageSize) * walPageSize), starts, end: at };
}
