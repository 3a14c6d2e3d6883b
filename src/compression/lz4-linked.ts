/**
 * pgmoneta's `.lz4` files (0.22), which are no LZ4 frames: a run of [length as int32 of the machine, little-endian][LZ4
 * block], each block continuing the dictionary of those before it, with neither a header, nor an end, nor a checksum.
 * Block format: lz4_Block_format.md of the LZ4 project.
 */
import type { ByteReader } from "./byte-reader.ts";
import { compressionErrors } from "./errors.ts";

/** How far back a match may refer. */
const HISTORY = 64 * 1024;
/** Plain bytes of a block: pgmoneta writes 4 KiB; more than this no version did. */
const LARGEST_PLAIN = 64 * 1024;
/** LZ4_COMPRESSBOUND of that. */
const LARGEST_BLOCK = LARGEST_PLAIN + Math.floor(LARGEST_PLAIN / 255) + 16;
const WORK = 512 * 1024;
const LENGTH_WORD = 4;
const SHORTEST_MATCH = 4;

const damaged = (why: string) => compressionErrors.damaged(`LZ4 blocks: ${why}`);

/** A length in a token goes on in further bytes while they are 255. */
function readLength(block: Buffer, at: number, nibble: number): { readonly length: number; readonly next: number } {
  let length = nibble;
  let next = at;
  if (nibble === 15) {
    for (let byte = 255; byte === 255; next += 1) {
      if (next >= block.length) throw damaged("a block ends within a length");
      byte = block[next] ?? 0;
      length += byte;
    }
  }
  return { length, next };
}

/** Decodes one block behind what `work` holds up to `from`; gives where its bytes end. */
function decodeBlock(block: Buffer, work: Buffer, from: number): number {
  const limit = from + LARGEST_PLAIN;
  let out = from;
  for (let at = 0; ;) {
    if (at >= block.length) throw damaged("a block ends before its last literals");
    const token = block[at] ?? 0;
    const literals = readLength(block, at + 1, token >> 4);
    at = literals.next + literals.length;
    if (at > block.length || out + literals.length > limit) throw damaged("a block holds more than it can");
    block.copy(work, out, literals.next, at);
    out += literals.length;
    if (at === block.length) return out;
    if (at + 2 > block.length) throw damaged("a block ends within a match");
    const distance = block.readUInt16LE(at);
    const match = readLength(block, at + 2, token & 15);
    const length = match.length + SHORTEST_MATCH;
    at = match.next;
    if (distance === 0 || distance > out) throw damaged("a match refers to what was before the beginning");
    if (out + length > limit) throw damaged("a block holds more than it can");
    if (distance >= length) work.copyWithin(out, out - distance, out - distance + length);
    else for (let index = 0; index < length; index++) work[out + index] = work[out + index - distance] ?? 0;
    out += length;
  }
}

/** True when a stream that begins so can be in this form: its first word is the length of a block. */
export function beginsLinkedBlocks(firstWord: number): boolean {
  return firstWord > 0 && firstWord <= LARGEST_BLOCK;
}

/** Plain pieces of the blocks at the reader's position. @throws COMPRESSED_DATA_DAMAGED */
export async function* decodeLinkedBlocks(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const work = Buffer.alloc(WORK);
  let begin = 0;
  let end = 0;
  while (await reader.fill(1)) {
    if (!(await reader.fill(LENGTH_WORD))) throw damaged("the data ends within the length of a block");
    const length = reader.take(LENGTH_WORD).readInt32LE(0);
    if (length <= 0 || length > LARGEST_BLOCK) throw damaged(`a block of ${length} bytes`);
    if (!(await reader.fill(length))) throw damaged("the data ends within a block");
    end = decodeBlock(reader.take(length), work, end);
    if (end + LARGEST_PLAIN <= WORK) continue;
    yield Buffer.from(work.subarray(begin, end));
    const kept = Math.min(HISTORY, end);
    work.copyWithin(0, end - kept, end);
    begin = kept;
    end = kept;
  }
  if (end > begin) yield Buffer.from(work.subarray(begin, end));
}
