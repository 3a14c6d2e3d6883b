/** CRC-32C of parts put together is that of the whole. */
import { expect, test } from "vitest";
import fc from "fast-check";
import { appendCrc32c, crc32c } from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";

test("the check value of the polynomial is right", () => {
  expect(crc32c("123456789")).toBe(0xe3069283);
});

test("appending is the same as measuring both parts together", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (parts) => {
      const whole = parts.reduce((sum, part) => appendCrc32c(sum, crc32c(part), part.length), 0);
      expect(whole).toBe(crc32c(Buffer.concat(parts)));
    }),
    { numRuns: 500 },
  );
});

test("also for parts of a megabyte and of odd lengths", () => {
  const bytes = sampleBytes(3 * 1024 * 1024 + 17, "noise");
  for (const at of [0, 1, 1024 * 1024, 2 * 1024 * 1024, 2 * 1024 * 1024 + 1, bytes.length]) {
    const behind = bytes.subarray(at);
    expect(appendCrc32c(crc32c(bytes.subarray(0, at)), crc32c(behind), behind.length)).toBe(crc32c(bytes));
  }
});
