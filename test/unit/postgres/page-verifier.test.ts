import { randomFillSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checksumPage, createPageVerifier, lsn, parseLsn } from "../../../src/postgres/index.ts";
import { checksumOf } from "../../../src/postgres/page-checksum.ts";
import { plainMemory, vectorMemory, type PageMemory } from "../../../src/postgres/page-memory.ts";
import type { PageReport } from "../../../src/postgres/index.ts";
import { checksumAsDescribed } from "./page-checksum-reference.ts";

const blockSize = 8192;
const relationSegmentBlocks = 131072;
const start = parseLsn("0/5000000");

/** A page with a header, a valid checksum for `block`, and content that depends on `fill`. */
function page(block: number, options: { lsn?: bigint; fill?: number; upper?: number } = {}): Buffer {
  const bytes = Buffer.alloc(blockSize, options.fill ?? 0xab);
  bytes.writeUInt32LE(Number((options.lsn ?? 0x4000000n) >> 32n), 0);
  bytes.writeUInt32LE(Number((options.lsn ?? 0x4000000n) & 0xffff_ffffn), 4);
  bytes.writeUInt16LE(options.upper ?? 8000, 14);
  bytes.writeUInt16LE(checksumAsDescribed(bytes, block), 8);
  return bytes;
}

function damaged(bytes: Buffer, at = 4000): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x01;
  return copy;
}

function verify(
  content: Uint8Array,
  options: { path?: string; cuts?: readonly number[]; shift?: number } = {},
): PageReport {
  const path = options.path ?? "base/5/16384";
  const verifier = createPageVerifier({ path, startLsn: start, blockSize, relationSegmentBlocks });
  if (verifier === null) throw new Error(`${path} is taken for something else`);
  // Somewhere in a larger buffer, as pieces of a stream lie, at any alignment.
  const shift = options.shift ?? 0;
  const buffer = Buffer.alloc(content.length + shift);
  buffer.set(content, shift);
  let from = 0;
  for (const cut of [...(options.cuts ?? []), content.length].sort((a, b) => a - b)) {
    const piece = buffer.subarray(shift + from, shift + cut);
    verifier.update(piece);
    from = cut;
  }
  return verifier.finish();
}

describe("the checksum of a page", () => {
  it("is the one that the description yields, whatever the content, block and alignment", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1024, maxLength: 1024 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.integer({ min: 0, max: 3 }),
        (content, block, shift) => {
          const buffer = new Uint8Array(content.length + shift);
          buffer.set(content, shift);
          expect(checksumPage(buffer.subarray(shift), block)).toBe(checksumAsDescribed(content, block));
        },
      ),
    );
  });

  it("ignores the checksum that the page carries, and nothing else", () => {
    const sound = page(7);
    const expected = checksumPage(sound, 7);
    for (let at = 0; at < blockSize; at += at < 64 ? 1 : 127) {
      const other = checksumPage(damaged(sound, at), 7);
      if (at === 8 || at === 9) expect(other).toBe(expected);
      else expect(other, `byte ${at}`).not.toBe(expected);
    }
    expect(checksumPage(sound, 8)).not.toBe(expected);
  });

  it.each<[string, () => PageMemory | undefined]>([
    ["by vectors", vectorMemory],
    ["without them", plainMemory],
  ])("is the same %s, for pages of every size", (_how, open) => {
    const memory = open();
    if (memory === undefined) throw new Error("this processor has no vectors");
    for (let size = 1024; size <= 32_768; size *= 2) {
      randomFillSync(memory.bytes);
      for (const block of [0, 1, 0xffff_ffff]) {
        const from = block === 0 ? 0 : memory.bytes.length - size * (block === 1 ? 1 : 3);
        memory.words[from / 4 + 2]! &= 0xffff_0000;
        const expected = checksumAsDescribed(memory.bytes.subarray(from, from + size), block);
        expect(checksumOf(memory.fold(from, size), block)).toBe(expected);
      }
    }
  });

  it.each([0, 127, 512, 1000, 8191, 65536])("is refused for a page of %i bytes", (length) => {
    expect(() => checksumPage(new Uint8Array(length), 0)).toThrow(
      expect.objectContaining({ code: "BLOCK_SIZE_INVALID" }),
    );
  });
});

describe("pages in the stream (F06)", () => {
  it("that are sound are counted", () => {
    const content = Buffer.concat([page(0), page(1, { fill: 0xff }), page(2, { fill: 1 })]);
    expect(verify(content)).toEqual({
      pages: 3,
      checked: 3,
      newPages: 0,
      skipped: 0,
      unclear: 0,
      bad: [],
      badCount: 0,
      tailBytes: 0,
    });
  });

  it("that are bad are named, with both checksums", () => {
    const bad = damaged(page(1));
    const report = verify(Buffer.concat([page(0), bad, page(2)]));
    expect(report).toMatchObject({ pages: 3, checked: 3, badCount: 1 });
    expect(report.bad).toEqual([{ block: 1, expected: checksumAsDescribed(bad, 1), found: bad.readUInt16LE(8) }]);
  });

  it("that stand at another place are bad", () => {
    expect(verify(Buffer.concat([page(1), page(0)])).badCount).toBe(2);
  });

  it("that are new, or changed after the backup began, are passed over", () => {
    const before = damaged(page(2, { lsn: start - 1n }));
    const at = damaged(page(3, { lsn: start }));
    const later = damaged(page(4, { lsn: 0x1_0000_0000n }));
    const report = verify(Buffer.concat([Buffer.alloc(blockSize), page(1), before, at, later]));
    expect(report).toMatchObject({ pages: 5, checked: 2, newPages: 1, skipped: 2, badCount: 1 });
    expect(report.bad[0]?.block).toBe(2);
  });

  it("with a new header and other content are neither good nor bad", () => {
    const torn = Buffer.alloc(blockSize);
    torn[5000] = 1;
    expect(verify(torn)).toMatchObject({ pages: 1, checked: 0, newPages: 0, unclear: 1, badCount: 0 });
  });

  it("of a later file of the relation count from where that file begins", () => {
    const content = Buffer.concat([page(3 * relationSegmentBlocks), page(3 * relationSegmentBlocks + 1)]);
    expect(verify(content, { path: "pg_tblspc/1/PG_15_202209061/5/16384.3" }).badCount).toBe(0);
    expect(verify(content).badCount).toBe(2);
    expect(verify(damaged(content), { path: "base/5/16384.3" }).bad.map((found) => found.block)).toEqual([0]);
  });

  it("are judged the same however the stream is cut and wherever it lies in memory", () => {
    const content = Buffer.concat([
      page(0),
      damaged(page(1)),
      Buffer.alloc(blockSize),
      page(3),
      page(4).subarray(0, 100),
    ]);
    const expected = verify(content);
    expect(expected).toMatchObject({ pages: 4, badCount: 1, newPages: 1, tailBytes: 100 });
    fc.assert(
      fc.property(
        fc.array(fc.nat(content.length), { maxLength: 12 }),
        fc.integer({ min: 0, max: 7 }),
        (cuts, shift) => {
          expect(verify(content, { cuts, shift })).toEqual(expected);
        },
      ),
    );
  });

  it("are judged the same when the stream comes byte by byte", () => {
    const content = Buffer.concat([page(0), damaged(page(1))]);
    const cuts = Array.from({ length: content.length }, (_, at) => at);
    expect(verify(content, { cuts })).toEqual(verify(content));
  });

  it("that are bad are named up to a hundred and counted all", () => {
    const content = Buffer.concat(Array.from({ length: 130 }, (_, block) => damaged(page(block))));
    const report = verify(content);
    expect(report.badCount).toBe(130);
    expect(report.bad.map((found) => found.block)).toEqual(Array.from({ length: 100 }, (_, block) => block));
  });

  it("of zeros, and a tail that is no whole page, are no alarm, and the bad one among them is found", () => {
    const zeros = Buffer.alloc(3 * blockSize);
    expect(verify(zeros)).toMatchObject({ pages: 3, newPages: 3, badCount: 0 });
    for (const tail of [1, 511, 8191]) {
      const content = Buffer.concat([zeros, damaged(page(3)), page(4), page(5).subarray(0, tail)]);
      expect(verify(content)).toMatchObject({ pages: 5, checked: 2, newPages: 3, badCount: 1, tailBytes: tail, bad: [{ block: 3 }] });
    }
    expect(verify(page(0).subarray(0, 100))).toMatchObject({ pages: 0, badCount: 0, tailBytes: 100 });
  });

  it.each([1024, 2048, 4096, 16_384, 32_768])("of a build with blocks of %i bytes are judged by that size: the bad one and no other", (size) => {
    const blocks = [0, 1, 2].map((block) => {
      const bytes = Buffer.alloc(size, block + 1);
      bytes.writeUInt32LE(0, 0);
      bytes.writeUInt32LE(0x4000000, 4);
      bytes.writeUInt16LE(size - 100, 14);
      bytes.writeUInt16LE(checksumAsDescribed(bytes, block), 8);
      return bytes;
    });
    const content = Buffer.concat([...blocks.slice(0, 1), damaged(blocks[1] ?? Buffer.alloc(0), size - 5), ...blocks.slice(2), Buffer.alloc(size)]);
    const verifier = createPageVerifier({ path: "base/1/2", startLsn: start, blockSize: size, relationSegmentBlocks: 10 });
    verifier?.update(content);
    expect(verifier?.finish()).toMatchObject({ pages: 4, checked: 3, newPages: 1, badCount: 1, bad: [{ block: 1 }] });
  });

  it("may have other sizes", () => {
    const small = Buffer.alloc(1024, 3);
    small.writeUInt32LE(0, 0);
    small.writeUInt16LE(checksumAsDescribed(small, 0), 8);
    const verifier = createPageVerifier({
      path: "base/1/2",
      startLsn: start,
      blockSize: 1024,
      relationSegmentBlocks: 10,
    });
    verifier?.update(small);
    expect(verifier?.finish()).toMatchObject({ pages: 1, checked: 1, badCount: 0 });
    expect(() =>
      createPageVerifier({ path: "base/1/2", startLsn: start, blockSize: 1000, relationSegmentBlocks: 10 }),
    ).toThrow(expect.objectContaining({ code: "BLOCK_SIZE_INVALID" }));
  });

  it("are not looked for in files that have none", () => {
    for (const path of ["global/pg_control", "base/5/INCREMENTAL.16384", "pg_wal/x", "base/5/16384.99999"]) {
      expect(createPageVerifier({ path, startLsn: lsn(0), blockSize, relationSegmentBlocks })).toBeNull();
    }
  });
});
