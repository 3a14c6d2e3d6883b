/** The `.lz4` files of pgmoneta 0.22: a file that liblz4 1.9.4 wrote by its calls, every cut, every changed length. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createDecoder } from "../../../src/compression/index.ts";
import { linkedLz4 } from "../../support/linked-lz4.ts";
import { collect, inPieces, sampleBytes } from "../../support/sample-bytes.ts";

const recorded = readFileSync(join(import.meta.dirname, "../../fixtures/compression/pgmoneta-linked.lz4"));
const decode = (bytes: Buffer, size = 1000): Promise<Buffer> =>
  collect(createDecoder("lz4").decode(inPieces(bytes, size)));

describe("pgmoneta's LZ4 blocks", () => {
  test("are read as liblz4 wrote them: 64355 bytes of text, noise and zeros", async () => {
    for (const size of [1, 997, recorded.length]) {
      const plain = await decode(recorded, size);
      expect(createHash("sha256").update(plain).digest("hex")).toBe(
        "f82553539e5a7702808b6badab65e84b1539b808f6ab5b5b7808107fb734583d",
      );
    }
  });

  test("may refer to what lies 64 KiB back, also over the border of the decoder's own memory", async () => {
    const block = sampleBytes(60_000, "noise", 3);
    const plain = Buffer.concat([block, block, block, sampleBytes(900_000, "text", 4), block, block]);
    const stored = await linkedLz4(plain);
    expect(stored.length).toBeLessThan(plain.length - 4 * 60_000);
    expect((await decode(stored, 65_536)).equals(plain)).toBe(true);
  });

  test("are refused when they are cut within a block", async () => {
    for (let length = 1; length < 2000; length += 7) {
      // Between two blocks nothing can be seen: there a digest has to tell.
      const outcome = await decode(recorded.subarray(0, length)).then(
        (plain) => plain.length % 4096,
        (error: unknown) => error,
      );
      if (outcome !== 0) expect(outcome).toMatchObject({ code: "COMPRESSED_DATA_DAMAGED" });
    }
  });

  test("are refused when a match leads out of what was decoded, and when a length is none", async () => {
    const block = (bytes: number[]): Buffer => {
      const word = Buffer.alloc(4);
      word.writeInt32LE(bytes.length);
      return Buffer.concat([word, Buffer.from(bytes)]);
    };
    // One literal, then four bytes from two before it.
    await expect(decode(block([0x10, 0x61, 0x02, 0x00, 0x10, 0x62]))).rejects.toMatchObject({
      code: "COMPRESSED_DATA_DAMAGED",
    });
    await expect(decode(block([0x10, 0x61, 0x00, 0x00, 0x10, 0x62]))).rejects.toMatchObject({
      code: "COMPRESSED_DATA_DAMAGED",
    });
    // One literal, four times the same by a match that overlaps itself, one more.
    expect((await decode(block([0x10, 0x61, 0x01, 0x00, 0x10, 0x62]))).toString()).toBe("aaaaab");
    await expect(decode(Buffer.concat([block([0x10, 0x61]), Buffer.from([255, 255, 255, 255])]))).rejects.toMatchObject(
      {
        code: "COMPRESSED_DATA_DAMAGED",
      },
    );
    await expect(decode(block([0xf0, 0xff, 0xff]))).rejects.toMatchObject({ code: "COMPRESSED_DATA_DAMAGED" });
  });
});
