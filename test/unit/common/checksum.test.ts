import * as native from "@node-rs/crc32";
import { expect, test } from "vitest";
import { crc32, crc32c, crc32cOfRange } from "../../../src/common/index.ts";

const bytes = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * 197 + (index >> 3)) & 0xff));

test("CRC-32C has the value of RFC 3720 for 32 bytes of zeros, ones and counting", () => {
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index)))).toBe(0x46dd794e);
});

test("CRC-32C is the same on both sides of the size from which the native library is used, from any offset", () => {
  for (const length of [0, 1, 2, 1022, 1023, 1024, 1025, 2900]) {
    for (const start of [0, 1, 7]) {
      const piece = bytes.subarray(start, start + length);
      expect(crc32cOfRange(bytes, start, start + length)).toBe(native.crc32c(piece));
      expect(crc32(piece)).toBe(native.crc32(piece));
    }
  }
});

test("CRC-32C of two pieces is that of the whole, wherever it is split", () => {
  const whole = native.crc32c(bytes);
  for (let at = 0; at <= bytes.length; at += 1) expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(whole);
});

test("CRC-32C of a text is that of its UTF-8", () => {
  for (const text of ["", "a", "ä€😀", "x".repeat(2000)]) expect(crc32c(text)).toBe(native.crc32c(Buffer.from(text)));
});
