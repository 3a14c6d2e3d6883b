/** WAL pages and records, as the search for a recovery target reads them. */
import { crc32c } from "../../../src/pipeline/index.ts";
import { createWalRecordReader, lsn, versionTraits } from "../../../src/postgres/index.ts";
import { cut } from "../engine/mutate.ts";
import { createRandom, type Random } from "../engine/random.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";

const pageSize = 8192;
const segmentSize = 1024 * 1024;
const start = lsn(0x3000000);

interface Piece {
  readonly rmgr: number;
  readonly info: number;
  readonly data: Buffer;
}

/** Records laid out over pages, as a server writes them. */
function walOf(records: readonly Piece[], major: 15 | 18): Buffer {
  const magic = versionTraits(major * 10_000).walPageMagic ?? 0xd110;
  const bytes = Buffer.alloc(Math.ceil((records.reduce((sum, { data }) => sum + data.length + 64, 100) * 1.1) / pageSize) * pageSize + pageSize);
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
      bytes.writeBigUInt64LE(7412345678901234567n, at + 24);
      bytes.writeUInt32LE(segmentSize, at + 32);
      bytes.writeUInt32LE(pageSize, at + 36);
    }
    at += long ? 40 : 24;
  };
  for (const { rmgr, info, data } of records) {
    if (at % pageSize === 0) header(0);
    const record = Buffer.alloc(24 + data.length);
    record.writeUInt32LE(record.length, 0);
    record.writeUInt32LE(733, 4);
    record.writeBigUInt64LE(previous, 8);
    record[16] = info;
    record[17] = rmgr;
    data.copy(record, 24);
    record.writeUInt32LE(crc32c(record.subarray(0, 20), crc32c(record.subarray(24))), 20);
    previous = start + BigInt(at);
    for (let written = 0; written < record.length; ) {
      if (at % pageSize === 0) header(record.length - written);
      const part = Math.min(record.length - written, pageSize - (at % pageSize));
      record.copy(bytes, at, written, written + part);
      at += part;
      written += part;
    }
    at = (at + 7) & -8;
  }
  return bytes.subarray(0, Math.ceil(at / pageSize) * pageSize + (records.length % 2 === 0 ? 0 : pageSize));
}

/** The main data of a record behind its short header. */
const main = (data: Buffer): Buffer => Buffer.concat([Buffer.from([255, data.length]), data]);
const time = (micros: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(micros);
  return bytes;
};
const words = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
};

const commit: Piece = { rmgr: 1, info: 0x00, data: main(time(848_000_000_000_000n)) };
const abort: Piece = { rmgr: 1, info: 0x20, data: main(time(1n)) };
const prepared: Piece = { rmgr: 1, info: 0xb0, data: main(Buffer.concat([time(5n), words(1 | 2 | 4 | 8 | 16 | 256, 5, 6, 1, 9, 1, 1, 2, 3, 1, 4, 5, 6, 1, 1, 2, 3, 4, 7777)])) };
const restorePoint: Piece = { rmgr: 0, info: 0x70, data: main(Buffer.concat([time(9n), Buffer.from("before upgrade\0"), Buffer.alloc(49)])) };
const switchSegment: Piece = { rmgr: 0, info: 0x40, data: Buffer.alloc(0) };
const heap = (length: number): Piece => ({ rmgr: 10, info: 0, data: Buffer.alloc(length, 0x5a) });

function anyRecords(random: Random): Piece[] {
  const kinds: readonly [Piece, ...Piece[]] = [commit, abort, prepared, restorePoint, heap(10), heap(200), heap(9000), heap(30_000), switchSegment];
  return Array.from({ length: 1 + random.below(12) }, () => random.pick(kinds));
}

interface Told {
  readonly points: readonly string[];
  readonly last: unknown;
  readonly stopped: unknown;
}

function read(pieces: readonly Buffer[], verify: boolean): Told {
  const points: string[] = [];
  const reader = createWalRecordReader({
    start,
    segmentSize,
    verify,
    onStoppingPoint: (point, from, to) => {
      mustHold(to > from, "a record ends behind its beginning");
      points.push(`${point.kind} ${point.time} ${point.kind === "restore-point" ? JSON.stringify(point.name) : point.xid} ${from} ${to}`);
    },
  });
  for (const piece of pieces) {
    const lent = Buffer.from(piece);
    reader.write(lent);
    lent.fill(0xaa);
  }
  reader.finish();
  return { points, last: reader.last, stopped: reader.stopped };
}

export const walRecordsTarget: FuzzTarget = {
  name: "wal-records",
  open: () => ({
    corpus: [
      walOf([commit, heap(100), abort, restorePoint], 15),
      walOf([heap(20_000), commit, prepared, heap(3), commit], 18),
      walOf([commit, switchSegment], 15),
    ],
    words: [Buffer.from([255, 8]), Buffer.from([254, 0, 1, 0, 0]), Buffer.from([253, 0, 0]), Buffer.from([0x10, 0xd1])],
    generate: (random) => walOf(anyRecords(random), random.once(2) ? 15 : 18),
    run(input, random) {
      const verify = random.once(2);
      const whole = read([input], verify);
      mustEqual(read(cut(input, createRandom(random.word())), verify), whole, "it says the same however the input is cut");
      return whole.stopped === undefined ? undefined : (whole.stopped as { damage?: string }).damage === undefined ? undefined : "damage seen";
    },
  }),
};
