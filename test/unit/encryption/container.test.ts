/** The header of encrypted files and the rules of sealing and opening. What every cipher must do is in conformance. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import {
  CONTAINER_HEADER_LENGTH,
  createDataKey,
  createOpener,
  createSealer,
  encryptionErrors,
  FRAME_LIMIT,
  FRAME_OVERHEAD,
  isContainer,
  readFrameWord,
} from "../../../src/encryption/index.ts";

const key = createDataKey();
const keys = (id: string): typeof key | undefined => (id === key.id ? key : undefined);
const code = (error: { spec: { code: string } }): unknown => expect.objectContaining({ code: error.spec.code });

describe("the header", () => {
  const header = createSealer("aes-192-gcm", key).header();

  test("is laid out as doc/FORMATS.md says", () => {
    expect(header.length).toBe(60);
    expect(header.subarray(0, 8).toString("latin1")).toBe("MONETA\0E");
    expect([...header.subarray(8, 12)]).toEqual([1, 2, 0, 0]);
    expect(header.subarray(12, 28).toString("hex")).toBe(key.id);
    expect(isContainer(header)).toBe(true);
    expect(isContainer(Buffer.from("MONETA"))).toBe(false);
  });

  test("has a salt of its own in every file", () => {
    const other = createSealer("aes-192-gcm", key).header();
    expect(other.subarray(28).equals(header.subarray(28))).toBe(false);
    expect(other.subarray(0, 28).equals(header.subarray(0, 28))).toBe(true);
  });

  test("with another magic, version, algorithm or reserved byte is refused", () => {
    for (const [offset, value] of [
      [0, 0x6d],
      [7, 0x65],
      [8, 2],
      [8, 0],
      [9, 0],
      [9, 4],
      [10, 1],
      [11, 1],
    ] as const) {
      const changed = Buffer.from(header);
      changed[offset] = value;
      expect(() => createOpener(changed, keys), `byte ${offset}`).toThrow(code(encryptionErrors.malformed));
    }
    for (let length = 0; length < CONTAINER_HEADER_LENGTH; length++) {
      expect(() => createOpener(header.subarray(0, length), keys)).toThrow(code(encryptionErrors.malformed));
    }
  });

  test("names the data key, and an unknown one is told by its id", () => {
    expect(createOpener(header, keys).keyId).toBe(key.id);
    expect(() => createOpener(header, () => undefined)).toThrow(key.id);
    expect(() => createOpener(header, () => undefined)).toThrow(code(encryptionErrors.keyUnknown));
  });
});

describe("frames", () => {
  test("begin with their length, the last one with its top bit set", () => {
    const sealer = createSealer("aes-256-gcm", key);
    expect(readFrameWord(sealer.seal(Buffer.from("abc"), false))).toEqual({ length: 23, last: false });
    expect(readFrameWord(sealer.seal(Buffer.alloc(0), true))).toEqual({ length: FRAME_OVERHEAD, last: true });
  });

  test("of impossible length are refused before anything is read", () => {
    for (const word of [0, 15, FRAME_LIMIT, 0x7fffffff, 0x80000000, 0xffffffff]) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(word, 0);
      expect(() => readFrameWord(bytes)).toThrow(code(encryptionErrors.malformed));
    }
    expect(() => readFrameWord(Buffer.alloc(3))).toThrow(code(encryptionErrors.malformed));
  });

  test("cannot follow the last one", () => {
    const sealer = createSealer("aes-256-gcm", key);
    sealer.seal(Buffer.from("end"), true);
    expect(() => sealer.seal(Buffer.from("more"), true)).toThrow(code(encryptionErrors.misused));
  });

  test("never share a nonce under one key: equal chunks seal differently, within a file and between files", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 20 }), (count) => {
        const seen = new Set<string>();
        for (let file = 0; file < 2; file++) {
          const sealer = createSealer("aes-128-gcm", key);
          for (let number = 0; number < count; number++) seen.add(sealer.seal(Buffer.alloc(32), false).toString("hex"));
        }
        expect(seen.size).toBe(2 * count);
      }),
      { numRuns: 10 },
    );
  });
});
