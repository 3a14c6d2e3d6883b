import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { CHUNK_SIZE, openCompressor } from "../../../src/compression/index.ts";

test("a frame stays as it is until it is given back, whatever is compressed meanwhile", async () => {
  const compressor = await openCompressor("lz4");
  try {
    const chunks = Array.from({ length: 24 }, (_, number) =>
      number % 3 === 0 ? randomBytes(CHUNK_SIZE) : Buffer.alloc(CHUNK_SIZE - number * 40_000, `chunk ${number}`),
    );
    const kept: { frame: Uint8Array; plain: Buffer }[] = [];
    await Promise.all(
      chunks.map(async (plain, number) => {
        const frame = await compressor.compress(plain);
        if (number % 2 === 0) kept.push({ frame, plain });
        else compressor.recycle?.(frame);
      }),
    );
    // These take the memory of the frames that were given back.
    await Promise.all(chunks.map((plain) => compressor.compress(plain)));
    for (const { frame, plain } of kept) {
      expect(plain.equals(await compressor.decompress(frame, plain.length))).toBe(true);
    }
  } finally {
    await compressor.close();
  }
});

test("memory of frames that were given back is used again", async () => {
  const compressor = await openCompressor("lz4");
  try {
    const plain = randomBytes(CHUNK_SIZE);
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 200; round += 1) compressor.recycle?.(await compressor.compress(plain));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * CHUNK_SIZE);
  } finally {
    await compressor.close();
  }
});
