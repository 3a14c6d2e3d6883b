/** WAL pages and records, as the search for a recovery target reads them. */
import { createWalRecordReader, lsn } from "../../../src/postgres/index.ts";
import { walOf, walPageSize, type MadeUpRecord } from "../../support/wal-bytes.ts";
import { cut } from "../engine/mutate.ts";
import { createRandom, type Random } from "../engine/random.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";

const segmentSize = 1024 * 1024;
const start = lsn(0x3000000);

type Piece = MadeUpRecord;

/** Records laid out over pages, behind an odd number of them a page of zeros. */
function pagesOf(records: readonly Piece[], major: 15 | 18): Buffer {
  const { bytes } = walOf(records, { start, segmentSize, major });
  return Buffer.concat([bytes, Buffer.alloc(records.length % 2 === 0 ? 0 : walPageSize)]);
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
      pagesOf([commit, heap(100), abort, restorePoint], 15),
      pagesOf([heap(20_000), commit, prepared, heap(3), commit], 18),
      pagesOf([commit, switchSegment], 15),
    ],
    words: [Buffer.from([255, 8]), Buffer.from([254, 0, 1, 0, 0]), Buffer.from([253, 0, 0]), Buffer.from([0x10, 0xd1])],
    generate: (random) => pagesOf(anyRecords(random), random.once(2) ? 15 : 18),
    run(input, random) {
      const verify = random.once(2);
      const whole = read([input], verify);
      mustEqual(read(cut(input, createRandom(random.word())), verify), whole, "it says the same however the input is cut");
      return whole.stopped === undefined ? undefined : (whole.stopped as { damage?: string }).damage === undefined ? undefined : "damage seen";
    },
  }),
};
