import { describe, expect, it } from "vitest";
import { parseWalPageHeader, walPageHeaderSize } from "../../../src/postgres/index.ts";

function header(info: number): Buffer {
  const page = Buffer.alloc(8192);
  page.writeUInt16LE(0xd110, 0);
  page.writeUInt16LE(info, 2);
  page.writeUInt32LE(3, 4);
  page.writeBigUInt64LE(0x16_b300_0000n, 8);
  page.writeUInt32LE(117, 16);
  page.writeBigUInt64LE(7710185899889174685n, 24);
  page.writeUInt32LE(16 * 1024 * 1024, 32);
  page.writeUInt32LE(8192, 36);
  return page;
}

describe("headers of WAL pages", () => {
  it("on the first page of a segment say whose WAL it is", () => {
    expect(parseWalPageHeader(header(0x0003))).toEqual({
      magic: 0xd110,
      info: 3,
      continuesRecord: true,
      timeline: 3,
      pageAddress: 0x16_b300_0000n,
      remainingLength: 117,
      headerLength: 40,
      systemIdentifier: "7710185899889174685",
      segmentSize: 16 * 1024 * 1024,
      blockSize: 8192,
    });
  });

  it("on other pages are shorter", () => {
    const parsed = parseWalPageHeader(header(0).subarray(0, 24));
    expect(parsed).toMatchObject({ continuesRecord: false, headerLength: 24 });
    expect(parsed.systemIdentifier).toBeUndefined();
  });

  it("are refused when cut off, at every byte", () => {
    for (let length = 0; length < walPageHeaderSize; length += 1) {
      expect(() => parseWalPageHeader(header(2).subarray(0, length))).toThrow(
        expect.objectContaining({ code: "WAL_PAGE_DAMAGED" }),
      );
    }
  });

  it("are refused with an unknown magic number or flag, such as a page of zeros", () => {
    for (const page of [Buffer.alloc(8192), header(0x10), header(0x8000)]) {
      expect(() => parseWalPageHeader(page)).toThrow(expect.objectContaining({ code: "WAL_PAGE_DAMAGED" }));
    }
  });
});
