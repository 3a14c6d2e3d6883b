/** What every cipher must do in the encrypted file: give back what was sealed, in its place, or refuse. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  type Cipher,
  createDataKey,
  createOpener,
  createSealer,
  encryptionErrors,
  encryptionModes,
  readFrameWord,
} from "../../src/encryption/index.ts";
import { sampleBytes } from "../support/sample-bytes.ts";

const ciphers = encryptionModes.filter((mode): mode is Cipher => mode !== "none");
const key = createDataKey();
const keys = (id: string): typeof key | undefined => (id === key.id ? key : undefined);

function sealAll(mode: Cipher, chunks: readonly Uint8Array[]): { header: Buffer; frames: Buffer[] } {
  const sealer = createSealer(mode, key);
  return {
    header: sealer.header(),
    frames: chunks.map((chunk, index) => sealer.seal(chunk, index === chunks.length - 1)),
  };
}

const refusal = (error: unknown): boolean =>
  encryptionErrors.notAuthentic.is(error) || encryptionErrors.malformed.is(error);

function refused(open: () => unknown): boolean {
  try {
    open();
    return false;
  } catch (error) {
    expect(error).toSatisfy(refusal);
    return true;
  }
}

describe.each(ciphers)("%s", (mode) => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 6 });

  test("opens what it sealed, in any order of reading", () => {
    fc.assert(
      fc.property(chunks, fc.nat(), (plains, from) => {
        const { header, frames } = sealAll(mode, plains);
        const opener = createOpener(header, keys);
        expect(opener.mode).toBe(mode);
        for (let step = 0; step < plains.length; step++) {
          const number = (from + step) % plains.length;
          const frame = frames[number] ?? Buffer.alloc(0);
          expect(readFrameWord(frame)).toEqual({ length: frame.length, last: number === plains.length - 1 });
          expect(
            Buffer.compare(opener.open(frame, number, number === plains.length - 1), plains[number] ?? Buffer.alloc(0)),
          ).toBe(0);
        }
      }),
    );
  });

  test("opens chunks of a megabyte", () => {
    const plain = sampleBytes(1024 * 1024, "noise");
    const { header, frames } = sealAll(mode, [plain]);
    expect(
      createOpener(header, keys)
        .open(frames[0] ?? Buffer.alloc(0), 0, true)
        .equals(plain),
    ).toBe(true);
  });

  test("refuses every changed bit of a frame", () => {
    const { header, frames } = sealAll(mode, [Buffer.from("first"), Buffer.from("second and last")]);
    const opener = createOpener(header, keys);
    for (const [number, frame] of frames.entries()) {
      for (let bit = 0; bit < frame.length * 8; bit++) {
        const changed = Buffer.from(frame);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(
          refused(() => opener.open(changed, number, number === 1)),
          `bit ${bit}`,
        ).toBe(true);
        // Also when the reader believes the changed word.
        expect(
          refused(() => opener.open(changed, number, ((changed[0] ?? 0) & 0x80) !== 0)),
          `bit ${bit}`,
        ).toBe(true);
      }
    }
  });

  test("refuses every changed bit of the header", () => {
    const { header, frames } = sealAll(mode, [Buffer.from("only")]);
    for (let bit = 0; bit < header.length * 8; bit++) {
      const changed = Buffer.from(header);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // The key is found whatever the id says: the header itself must be vouched for.
      expect(
        refused(() => createOpener(changed, () => key).open(frames[0] ?? Buffer.alloc(0), 0, true)),
        `bit ${bit}`,
      ).toBe(true);
    }
  });

  test("refuses cut and extended frames", () => {
    const { header, frames } = sealAll(mode, [Buffer.from("some content")]);
    const frame = frames[0] ?? Buffer.alloc(0);
    const opener = createOpener(header, keys);
    for (let length = 0; length < frame.length; length++)
      expect(refused(() => opener.open(frame.subarray(0, length), 0, true))).toBe(true);
    expect(refused(() => opener.open(Buffer.concat([frame, Buffer.of(0)]), 0, true))).toBe(true);
  });

  test("refuses a frame at another place, of another file, or as the last when it is not", () => {
    const same = [Buffer.from("same"), Buffer.from("same"), Buffer.from("same")];
    const one = sealAll(mode, same);
    const two = sealAll(mode, same);
    const opener = createOpener(one.header, keys);
    for (const [from, frame] of one.frames.entries()) {
      for (let to = 0; to < 4; to++) {
        for (const last of [true, false]) {
          const right = from === to && last === (from === 2);
          if (right) expect(opener.open(frame, to, last).toString()).toBe("same");
          else
            expect(
              refused(() => opener.open(frame, to, last)),
              `${from} at ${to}, ${last}`,
            ).toBe(true);
        }
      }
    }
    for (const [number, frame] of two.frames.entries())
      expect(refused(() => opener.open(frame, number, number === 2))).toBe(true);
  });

  test("refuses a file sealed with another data key", () => {
    const { header, frames } = sealAll(mode, [Buffer.from("only")]);
    const other = { ...createDataKey(), id: key.id };
    expect(refused(() => createOpener(header, () => other).open(frames[0] ?? Buffer.alloc(0), 0, true))).toBe(true);
  });
});
