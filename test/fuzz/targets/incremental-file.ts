/** `INCREMENTAL.` files, of backups that pgmoneta took, on their way through a restore: header and blocks. */
import { INCREMENTAL_START_LENGTH, incrementalHeaderLength, parseIncrementalHeader } from "../../../src/postgres/index.ts";
import { mustHold, type FuzzTarget } from "../engine/target.ts";

const blockSize = 8192;

/** As PostgreSQL writes it: magic, count, the block up to which the file was cut, numbers, padding, blocks. */
function incremental(truncation: number, blocks: readonly number[]): Buffer {
  const bare = INCREMENTAL_START_LENGTH + 4 * blocks.length;
  const length = blocks.length === 0 ? bare : Math.ceil(bare / blockSize) * blockSize;
  const bytes = Buffer.alloc(length + blocks.length * blockSize);
  [0xd3ae1f0d, blocks.length, truncation, ...blocks].forEach((word, index) => bytes.writeUInt32LE(word, index * 4));
  return bytes;
}

export const incrementalFileTarget: FuzzTarget = {
  name: "incremental-file",
  open: () => ({
    corpus: [incremental(0, []), incremental(7, [0]), incremental(0xffff_ffff, [1, 5, 131_071])],
    words: [Buffer.from([0x0d, 0x1f, 0xae, 0xd3]), Buffer.from([0xff, 0xff, 0xff, 0xff])],
    generate: (random) => incremental(random.word(), Array.from({ length: random.below(4) }, () => random.below(12)).sort((a, b) => a - b)),
    run(input) {
      const length = incrementalHeaderLength(input.subarray(0, INCREMENTAL_START_LENGTH), input.length, blockSize, "f");
      mustHold(length >= INCREMENTAL_START_LENGTH && length <= input.length, "the header lies within the file");
      const { blocks, fileBlocks, truncationBlocks } = parseIncrementalHeader(input.subarray(0, length), "f");
      mustHold(blocks.every((block, index) => index === 0 || block > (blocks[index - 1] ?? 0)), "blocks ascend");
      mustHold(blocks.every((block) => block < fileBlocks) && truncationBlocks <= fileBlocks, "blocks lie within the whole file");
      return undefined;
    },
  }),
};
