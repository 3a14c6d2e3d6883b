import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatLsn,
  higherLsn,
  lowerLsn,
  lsn,
  lsnParts,
  lsnPlus,
  parseLsn,
  postgresErrors,
} from "../../../src/postgres/index.ts";

const anyLsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });

describe("WAL positions", () => {
  it("are written as PostgreSQL writes them", () => {
    expect(formatLsn(lsn(0))).toBe("0/0");
    expect(formatLsn(lsn(0x16_b374_d848n))).toBe("16/B374D848");
    expect(formatLsn(lsn(0x1_0000_000an))).toBe("1/A");
    expect(formatLsn(lsn(0xffff_ffff_ffff_ffffn))).toBe("FFFFFFFF/FFFFFFFF");
  });

  it("are read back as they were written, whatever the value", () => {
    fc.assert(fc.property(anyLsn, (value) => parseLsn(formatLsn(lsn(value))) === value));
  });

  it("are read with leading zeros and in lower case", () => {
    expect(parseLsn("00000016/b374d848")).toBe(0x16_b374_d848n);
  });

  it.each([
    "",
    "0",
    "/",
    "0/",
    "/0",
    "0/0/0",
    "0/0 ",
    " 0/0",
    "G/0",
    "0/123456789",
    "123456789/0",
    "-1/0",
    "0x1/0",
    "0/0\n",
  ])("refuse the text %j", (text) => {
    expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: "LSN_INVALID" }));
  });

  it.each([-1, -1n, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1, 1n << 64n])("refuse the number %s", (value) => {
    expect(() => lsn(value)).toThrow(expect.objectContaining({ code: "LSN_INVALID" }));
  });

  it("fall into two halves of 32 bits", () => {
    fc.assert(
      fc.property(anyLsn, (value) => {
        const { high, low } = lsnParts(lsn(value));
        return BigInt(high) * 0x1_0000_0000n + BigInt(low) === value && low <= 0xffff_ffff;
      }),
    );
  });

  it("move by bytes and do not wrap around", () => {
    expect(lsnPlus(lsn(10), 5)).toBe(15n);
    expect(lsnPlus(lsn(10), -10n)).toBe(0n);
    expect(() => lsnPlus(lsn(10), -11)).toThrow(expect.objectContaining({ code: postgresErrors.lsnInvalid.spec.code }));
  });

  it("compare", () => {
    expect(lowerLsn(lsn(1), lsn(2))).toBe(1n);
    expect(higherLsn(lsn(1), lsn(2))).toBe(2n);
  });
});
