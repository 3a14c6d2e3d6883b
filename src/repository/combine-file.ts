/**
 * A relation file out of an incremental backup and those before it, as pg_combinebackup puts it together (reconstruct.c): each
 * block from the newest backup that has it, and zeros where none has. All files are read side by side from first byte to last,
 * so that nothing is staged and each is checked as a whole.
 */
import { createByteReader, type ByteReader } from "../compression/index.ts";
import {
  INCREMENTAL_START_LENGTH,
  incrementalHeaderLength,
  parseIncrementalHeader,
  pathOfIncremental,
  type IncrementalHeader,
} from "../postgres/index.ts";
import type { CombinedFile, FileLayer } from "./chunk-index.ts";
import { piecesOf, type GivePieces } from "./pieces.ts";

/** Gives the plain bytes of a layer in order, checked as a whole by the time it resolves. */
export type ReadLayer = (layer: FileLayer, onPiece: (piece: Buffer) => Promise<void>) => Promise<void>;

/** Blocks that go on together. */
const blocksAtOnce = 128;

/** Reads the header of an incremental file and no more of it. Throws INCREMENTAL_FILE_DAMAGED, and what reading throws. */
export async function readLayerHeader(layer: FileLayer, blockSize: number, read: ReadLayer): Promise<IncrementalHeader> {
  const bytes = createByteReader(piecesOf(readerOf(layer, read)));
  try {
    return await headerFrom(bytes, layer, blockSize);
  } finally {
    await bytes.close();
  }
}

/** Gives the file whole, in order. Throws INCREMENTAL_FILE_DAMAGED, and what reading throws. */
export async function combineFile(
  { blockSize, layers }: CombinedFile,
  size: number,
  read: ReadLayer,
  onChunk: (piece: Buffer, offset: number) => Promise<void>,
): Promise<void> {
  const sources: BlockSource[] = [];
  try {
    for (const layer of layers) sources.push(await openLayer(layer, blockSize, read));
    const blocks = size / blockSize;
    const reach = sources[0]?.truncationBlocks ?? 0;
    for (let from = 0; from < blocks; from += blocksAtOnce) {
      const count = Math.min(blocksAtOnce, blocks - from);
      const piece = Buffer.alloc(count * blockSize);
      for (let at = 0; at < count; at += 1) {
        const block = await newestOf(sources, from + at, reach);
        block?.copy(piece, at * blockSize);
      }
      await onChunk(piece, from * blockSize);
    }
    // Only at its end it is known of a file that it is the one that was stored.
    for (const source of sources) await source.finish();
  } finally {
    for (const source of sources) await source.close();
  }
}

/** The block with this number, and nothing of the older ones that it replaces. */
async function newestOf(sources: readonly BlockSource[], number: number, reach: number): Promise<Buffer | undefined> {
  let newest: Buffer | undefined;
  for (const [age, source] of sources.entries()) {
    if (source.next() !== number) continue;
    const block = await source.take();
    if (age === 0 || number < reach) newest ??= block;
  }
  return newest;
}

interface BlockSource {
  readonly truncationBlocks: number;
  /** Number of the block that comes next; undefined behind the last one. */
  next(): number | undefined;
  take(): Promise<Buffer>;
  /** Reads on to the end of the file. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

const readerOf = (layer: FileLayer, read: ReadLayer): GivePieces => (give) => read(layer, give);

async function openLayer(layer: FileLayer, blockSize: number, read: ReadLayer): Promise<BlockSource> {
  const { file } = layer;
  const bytes = createByteReader(piecesOf(readerOf(layer, read)));
  const isWhole = pathOfIncremental(file.path) === undefined;
  let header: IncrementalHeader | undefined;
  try {
    header = isWhole ? undefined : await headerFrom(bytes, layer, blockSize);
  } catch (error) {
    await bytes.close();
    throw error;
  }
  const wholeBlocks = Math.floor(file.size / blockSize);
  let taken = 0;
  return {
    truncationBlocks: header?.truncationBlocks ?? wholeBlocks,
    next: () => (header === undefined ? (taken < wholeBlocks ? taken : undefined) : header.blocks[taken]),
    async take() {
      taken += 1;
      await bytes.fill(blockSize);
      return bytes.take(blockSize);
    },
    async finish() {
      while (await bytes.fill(1)) bytes.take(bytes.available);
    },
    close: () => bytes.close(),
  };
}

async function headerFrom(bytes: ByteReader, { file }: FileLayer, blockSize: number): Promise<IncrementalHeader> {
  await bytes.fill(INCREMENTAL_START_LENGTH);
  const start = Buffer.from(Array.from({ length: Math.min(INCREMENTAL_START_LENGTH, bytes.available) }, (_, at) => bytes.byteAt(at)));
  const length = incrementalHeaderLength(start, file.size, blockSize, file.path);
  await bytes.fill(length);
  return parseIncrementalHeader(bytes.take(length), file.path);
}
