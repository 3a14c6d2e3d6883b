/** Files put together out of a chain of backups, against the rules of pg_combinebackup written down once more. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { combineFile, readLayerHeader, type ReadLayer } from "../../../src/repository/combine-file.ts";
import type { FileLayer, IndexedFile } from "../../../src/repository/index.ts";
import { sample } from "./sample-backup.ts";

const blockSize = 1024;

/** What one backup has of a file: blocks by number, in ascending order; of the last one all that there are. */
interface Layer {
  readonly truncation: number;
  readonly blocks: ReadonlyMap<number, number>;
}

const block = (fill: number): Buffer => Buffer.alloc(blockSize, fill);

function bytesOf({ truncation, blocks }: Layer): Buffer {
  const bare = 12 + blocks.size * 4;
  const header = Buffer.alloc(blocks.size === 0 ? bare : Math.ceil(bare / blockSize) * blockSize);
  [0xd3ae1f0d, blocks.size, truncation, ...blocks.keys()].forEach((word, at) => header.writeUInt32LE(word, at * 4));
  return Buffer.concat([header, ...[...blocks.values()].map(block)]);
}

function chainOf(incremental: readonly Layer[], whole: Buffer): { readonly layers: FileLayer[]; readonly read: ReadLayer } {
  const contents = [...incremental.map(bytesOf), whole];
  const layers = contents.map((content, age): FileLayer => {
    const path = age < incremental.length ? "data/base/1/INCREMENTAL.1259" : "data/base/1/1259";
    return { info: sample({ label: `2026112009013${age}` }), file: { kind: "file", path, size: content.length } as IndexedFile };
  });
  const read: ReadLayer = async (layer, onPiece) => {
    const content = contents[layers.indexOf(layer)] ?? Buffer.alloc(0);
    // In pieces that keep to no border.
    for (let at = 0; at < content.length; at += 700) await onPiece(Buffer.from(content.subarray(at, at + 700)));
  };
  return { layers, read };
}

/** reconstruct.c: the newest source of each block; older ones only below the truncation of the newest; else zeros. */
function reconstructed([newest, ...older]: readonly Layer[], whole: Buffer): Buffer {
  if (newest === undefined) return whole;
  const length = Math.max(newest.truncation, ...[...newest.blocks.keys()].map((number) => number + 1));
  const blocks = Array.from({ length }, (_, number): Buffer => {
    const own = newest.blocks.get(number);
    if (own !== undefined) return block(own);
    if (number >= newest.truncation) return Buffer.alloc(blockSize);
    for (const { blocks: some } of older) {
      const found = some.get(number);
      if (found !== undefined) return block(found);
    }
    const rest = whole.subarray(number * blockSize, (number + 1) * blockSize);
    return rest.length === blockSize ? rest : Buffer.alloc(blockSize);
  });
  return Buffer.concat(blocks);
}

async function combined(incremental: readonly Layer[], whole: Buffer): Promise<Buffer> {
  const { layers, read } = chainOf(incremental, whole);
  const [first] = layers;
  if (first === undefined) throw new Error("no layers");
  const { fileBlocks } = await readLayerHeader(first, blockSize, read);
  const pieces: Buffer[] = [];
  let next = 0;
  await combineFile({ blockSize, layers }, fileBlocks * blockSize, read, async (piece, offset) => {
    expect(offset).toBe(next);
    next += piece.length;
    pieces.push(piece);
  });
  return Buffer.concat(pieces);
}

describe("a file out of a chain of backups", () => {
  test("is what pg_combinebackup makes of it", async () => {
    const layer = fc
      .record({ truncation: fc.nat(300), numbers: fc.uniqueArray(fc.nat(320), { maxLength: 40 }), fill: fc.integer({ min: 1, max: 255 }) })
      .map(({ truncation, numbers, fill }): Layer => ({ truncation, blocks: new Map([...numbers].sort((a, b) => a - b).map((number) => [number, fill])) }));
    await fc.assert(
      fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 5 }), fc.nat(260), async (incremental, blocks) => {
        const whole = Buffer.concat(Array.from({ length: blocks }, (_, number) => block(number % 251)));
        expect((await combined(incremental, whole)).equals(reconstructed(incremental, whole))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("of which nothing changed is the old one, to the length that it had", async () => {
    const whole = Buffer.concat([block(1), block(2), block(3)]);
    const same: Layer = { truncation: 3, blocks: new Map() };
    expect((await combined([same, same], whole)).equals(whole)).toBe(true);
    expect((await combined([{ ...same, truncation: 1 }], whole)).equals(block(1))).toBe(true);
    expect(await combined([{ ...same, truncation: 0 }], whole)).toHaveLength(0);
  });

  test("is not given as whole when one of its parts turns out to be damaged at its end, or is no such part", async () => {
    const { layers, read } = chainOf([{ truncation: 2, blocks: new Map([[1, 9]]) }], Buffer.concat([block(1), block(2), block(3)]));
    let ended = 0;
    const failing: ReadLayer = async (layer, onPiece) => {
      try {
        await read(layer, onPiece);
        if (layer === layers[1]) throw new Error("its digest is another one");
      } finally {
        ended += 1;
      }
    };
    await expect(combineFile({ blockSize, layers }, 2 * blockSize, failing, async () => undefined)).rejects.toThrow("its digest is another one");
    expect(ended).toBe(2);
    const full = layers.map((layer) => ({ ...layer, file: { ...layer.file, path: "data/base/1/INCREMENTAL.1259" } }));
    const wrong: ReadLayer = (layer, onPiece) => read(layers[full.indexOf(layer)] ?? layer, onPiece);
    await expect(combineFile({ blockSize, layers: full }, 2 * blockSize, wrong, async () => undefined)).rejects.toMatchObject({ code: "INCREMENTAL_FILE_DAMAGED" });
    // Whoever takes it wants no more: everything under way has ended.
    ended = 0;
    await expect(combineFile({ blockSize, layers }, 2 * blockSize, failing, () => Promise.reject(new Error("the disk is full")))).rejects.toThrow("the disk is full");
    expect(ended).toBe(2);
  });
});
