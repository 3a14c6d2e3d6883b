/**
 * Bytes of a source on demand: a walker asks for as many as it needs to decide, and takes what it has decided
 * on. Holds no more than was asked for plus one piece.
 */

export interface ByteReader {
  /** Bytes at hand. */
  readonly available: number;
  /** Tries to have `count` bytes at hand; false when the source ends before. */
  fill(count: number): Promise<boolean>;
  /** The byte at this offset of those at hand. */
  readonly byteAt: (offset: number) => number;
  /** The next `count` bytes, which must be at hand; one copy when they lie in several pieces. */
  take(count: number): Buffer;
  /** Lets the source go before its end. */
  close(): Promise<void>;
}

/** @param source pieces that nobody changes after they were handed over */
export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = source[Symbol.asyncIterator]();
  const pieces: Buffer[] = [];
  let available = 0;
  let ended = false;
  /** The piece that was looked into last and where it begins: whoever walks on finds the next byte at once. */
  let lookedAt = 0;
  let beginsAt = 0;

  return {
    get available() {
      return available;
    },
    async fill(count) {
      while (available < count && !ended) {
        const next = await iterator.next();
        if (next.done === true) ended = true;
        else if (next.value.length > 0) {
          const { buffer, byteOffset, byteLength } = next.value;
          pieces.push(Buffer.from(buffer, byteOffset, byteLength));
          available += byteLength;
        }
      }
      return available >= count;
    },
    byteAt(offset) {
      if (offset < beginsAt) {
        lookedAt = 0;
        beginsAt = 0;
      }
      for (let piece = pieces[lookedAt]; piece !== undefined; piece = pieces[lookedAt]) {
        if (offset - beginsAt < piece.length) return piece[offset - beginsAt] ?? 0;
        if (lookedAt === pieces.length - 1) return 0;
        beginsAt += piece.length;
        lookedAt += 1;
      }
      return 0;
    },
    take(count) {
      lookedAt = 0;
      beginsAt = 0;
      const taken: Buffer[] = [];
      let missing = count;
      while (missing > 0) {
        const first = pieces[0];
        if (first === undefined) break;
        if (first.length > missing) {
          taken.push(first.subarray(0, missing));
          pieces[0] = first.subarray(missing);
          missing = 0;
        } else {
          taken.push(first);
          pieces.shift();
          missing -= first.length;
        }
      }
      available -= count - missing;
      return taken.length === 1 && taken[0] !== undefined ? taken[0] : Buffer.concat(taken);
    },
    async close() {
      ended = true;
      await iterator.return?.();
    },
  };
}
