/** XXH32 (xxHash specification 0.1.1), the checksum of LZ4 frames, over pieces of any size. */

const P1 = 0x9e3779b1 | 0;
const P2 = 0x85ebca77 | 0;
const P3 = 0xc2b2ae3d | 0;
const P4 = 0x27d4eb2f | 0;
const P5 = 0x165667b1 | 0;
const STRIPE = 16;

export interface Xxhash32 {
  update(piece: Uint8Array): void;
  /** The checksum of everything so far, as an unsigned number. */
  digest(): number;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function round(accumulator: number, lane: number): number {
  return Math.imul(rotate((accumulator + Math.imul(lane, P2)) | 0, 13), P1);
}

/** A running XXH32 with seed 0. */
export function createXxhash32(): Xxhash32 {
  let a = (P1 + P2) | 0;
  let b = P2;
  let c = 0;
  let d = -P1 | 0;
  let total = 0;
  const rest = new Uint8Array(STRIPE);
  let restLength = 0;
  const restView = new DataView(rest.buffer);

  const stripes = (view: DataView, end: number): void => {
    for (let offset = 0; offset < end; offset += STRIPE) {
      a = round(a, view.getInt32(offset, true));
      b = round(b, view.getInt32(offset + 4, true));
      c = round(c, view.getInt32(offset + 8, true));
      d = round(d, view.getInt32(offset + 12, true));
    }
  };

  return {
    update(piece) {
      total += piece.length;
      let start = 0;
      if (restLength > 0) {
        start = Math.min(STRIPE - restLength, piece.length);
        rest.set(piece.subarray(0, start), restLength);
        restLength += start;
        if (restLength < STRIPE) return;
        stripes(restView, STRIPE);
        restLength = 0;
      }
      const whole = (piece.length - start) & ~(STRIPE - 1);
      stripes(new DataView(piece.buffer, piece.byteOffset + start, whole), whole);
      rest.set(piece.subarray(start + whole), 0);
      restLength = piece.length - start - whole;
    },
    digest() {
      let hash = total >= STRIPE ? (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0 : P5;
      hash = (hash + total) | 0;
      let offset = 0;
      for (; offset + 4 <= restLength; offset += 4) {
        hash = Math.imul(rotate((hash + Math.imul(restView.getInt32(offset, true), P3)) | 0, 17), P4);
      }
      for (; offset < restLength; offset++) {
        hash = Math.imul(rotate((hash + Math.imul(rest[offset] ?? 0, P5)) | 0, 11), P1);
      }
      hash = Math.imul(hash ^ (hash >>> 15), P2);
      hash = Math.imul(hash ^ (hash >>> 13), P3);
      return (hash ^ (hash >>> 16)) >>> 0;
    },
  };
}

/** XXH32 of one piece. */
export function xxhash32(bytes: Uint8Array): number {
  const hash = createXxhash32();
  hash.update(bytes);
  return hash.digest();
}
