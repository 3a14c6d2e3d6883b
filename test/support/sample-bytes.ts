/** Bytes for tests of codecs: repeatable, and shaped like what a cluster holds. */

/** A repeatable source of numbers below 2^32 (xorshift32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** `noise` compresses not at all, `text` to about a third, `zeros` to nothing. */
export type SampleKind = "noise" | "text" | "zeros";

/** `length` bytes that are the same for the same seed. */
export function sampleBytes(length: number, kind: SampleKind = "text", seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  if (kind === "zeros") return bytes;
  const next = seededNumbers(seed);
  if (kind === "noise") {
    for (let index = 0; index < length; index++) bytes[index] = next() >>> 24;
    return bytes;
  }
  for (let index = 0; index < length;) {
    const number = next();
    // Half of the words were seen shortly before, as keys and dates are in a table.
    const back = 8 + (number % 2000);
    if ((number & 0x10000) !== 0 && index > back) {
      bytes.copyWithin(index, index - back, index - back + 8);
      index += 8;
    } else {
      bytes.write(`${number.toString(36)} `, index, "latin1");
      index += 8;
    }
  }
  return bytes;
}

/** Pieces of `size` bytes as an asynchronous source. */
export async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

/** Everything that a source yields. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
