/** Files that pgmoneta encrypted, read through the pipeline: every cipher, every compression, every kind of damage. */
import { beforeAll, describe, expect, test } from "vitest";
import {
  deriveMasterKey,
  sealMessage,
  type Cipher,
  type KeyRing,
  type MasterKey,
} from "../../../src/encryption/index.ts";
import { openCompressor, type CompressionMethod } from "../../../src/compression/index.ts";
import { readStoredFile, type RandomReader } from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";

let master: MasterKey;
const ring = (key: MasterKey | undefined): KeyRing => Object.assign(() => undefined, { master: key });
beforeAll(async () => {
  master = await deriveMasterKey("a long pass phrase", Buffer.alloc(16, 1));
});

const readerOf = (bytes: Buffer, name: string): RandomReader => ({
  size: bytes.length,
  name,
  read: async (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)),
  close: async () => undefined,
});

async function read(bytes: Buffer, name: string, keys: KeyRing, messageMode?: Cipher): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await readStoredFile(
    { source: readerOf(bytes, name), keys, hash: "sha256", concurrency: 2, messageMode },
    async (piece) => {
      pieces.push(piece);
    },
  );
  return Buffer.concat(pieces);
}

describe("a file that pgmoneta encrypted", () => {
  const plain = sampleBytes(3 * 1024 * 1024 + 17, "text", 5);

  test.each<[Cipher, CompressionMethod, string]>([
    ["aes-256-gcm", "none", "f.aes"],
    ["aes-192-gcm", "zstd", "f.zstd.aes"],
    ["aes-128-gcm", "gzip", "f.gz.aes"],
  ])("is read with %s over %s, whether or not the cipher is known", async (mode, method, name) => {
    const compressor = await openCompressor(method);
    const packed = Buffer.from(await compressor.compress(plain));
    await compressor.close();
    const sealed = sealMessage(master, mode, packed);
    expect((await read(sealed, name, ring(master))).equals(plain)).toBe(true);
    expect((await read(sealed, name, ring(master), mode)).equals(plain)).toBe(true);
  });

  test("of no bytes is read, and one shorter than its own overhead is refused", async () => {
    const empty = sealMessage(master, "aes-256-gcm", Buffer.alloc(0));
    expect(await read(empty, "f.aes", ring(master))).toHaveLength(0);
    for (const length of [0, 15, 16, 28, 43]) {
      for (const mode of [undefined, "aes-256-gcm"] as const) {
        await expect(read(empty.subarray(0, length), "f.aes", ring(master), mode)).rejects.toMatchObject({
          code: "STORED_FILE_DAMAGED",
        });
      }
    }
  });

  test("is refused with another key, with another cipher, cut and changed", async () => {
    const sealed = sealMessage(master, "aes-256-gcm", plain);
    const other = await deriveMasterKey("another pass phrase", Buffer.alloc(16, 1));
    await expect(read(sealed, "f.aes", ring(other))).rejects.toMatchObject({ code: "STORED_FILE_DAMAGED" });
    await expect(read(sealed, "f.aes", ring(undefined))).rejects.toMatchObject({ code: "ENCRYPTION_KEY_UNKNOWN" });
    await expect(read(sealed, "f.aes", ring(master), "aes-128-gcm")).rejects.toMatchObject({
      code: "STORED_FILE_DAMAGED",
    });
    for (const at of [0, 20, 100, sealed.length - 1]) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(read(changed, "f.aes", ring(master), "aes-256-gcm")).rejects.toMatchObject({
        code: "STORED_FILE_DAMAGED",
      });
    }
    await expect(read(sealed.subarray(0, -1), "f.aes", ring(master), "aes-256-gcm")).rejects.toMatchObject({
      code: "STORED_FILE_DAMAGED",
    });
  });
});
