/** Writes pgmoneta's form of LZ4: blocks of 4 KiB, each with what came before it as its dictionary. */
import { compress } from "lz4-napi";

const block = 4096;
const history = 64 * 1024;

export async function linkedLz4(plain: Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < plain.length; at += block) {
    const dictionary = plain.subarray(Math.max(0, at - history), at);
    const part = plain.subarray(at, at + block);
    // The library puts the plain size in front.
    const packed = (await (dictionary.length === 0 ? compress(part) : compress(part, dictionary))).subarray(4);
    const word = Buffer.alloc(4);
    word.writeInt32LE(packed.length);
    pieces.push(word, packed);
  }
  return Buffer.concat(pieces);
}
