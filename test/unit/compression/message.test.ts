/** Management messages: pgmoneta's forms, and limits against peers that are not trusted. */
import { execFileSync } from "node:child_process";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  compressionErrors,
  compressMessage,
  decompressMessage,
  type MessageCompression,
} from "../../../src/compression/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";

const codes: readonly MessageCompression[] = [0, 1, 2, 3, 4];
const text = Buffer.from(JSON.stringify({ Header: { Command: 5 }, Response: sampleBytes(4000).toString("latin1") }));

describe.each(codes)("compression %i", (code) => {
  test("gives back messages of any size", async () => {
    for (const plain of [
      Buffer.alloc(0),
      Buffer.from("{}"),
      text,
      sampleBytes(300_000, "noise"),
      Buffer.alloc(1_000_000),
    ]) {
      const message = await compressMessage(code, plain);
      expect(Buffer.compare(await decompressMessage(code, message, 1_000_000), plain)).toBe(0);
    }
  });

  test("accepts a message of exactly the limit and refuses one byte more", async () => {
    const message = await compressMessage(code, Buffer.alloc(100_000));
    expect((await decompressMessage(code, message, 100_000)).length).toBe(100_000);
    await expect(decompressMessage(code, message, 99_999)).rejects.toSatisfy(compressionErrors.messageTooLarge.is);
  });

  test("refuses cut, extended and foreign messages", async () => {
    if (code === 0) return;
    const message = await compressMessage(code, text);
    const bad = [
      message.subarray(0, -1),
      message.subarray(0, 3),
      Buffer.alloc(0),
      Buffer.concat([message, Buffer.from("xyz")]),
      Buffer.from("garbage garbage"),
    ];
    for (const each of bad) {
      const refused = (error: unknown): boolean =>
        compressionErrors.damaged.is(error) || compressionErrors.messageTooLarge.is(error);
      await expect(decompressMessage(code, each, 1_000_000), each.subarray(0, 8).toString("hex")).rejects.toSatisfy(
        refused,
      );
    }
  });
});

describe("the forms on the wire", () => {
  test("1 is a gzip member", async () => {
    expect(gunzipSync(await compressMessage(1, text)).equals(text)).toBe(true);
    expect((await decompressMessage(1, gzipSync(text), 1_000_000)).equals(text)).toBe(true);
  });

  test("2 is a zstd frame with its content size, which pgmoneta insists on", async () => {
    const message = await compressMessage(2, text);
    expect((message[4] ?? 0) >> 6).not.toBe(0);
  });

  test("3 is the size, big-endian, and one raw block", async () => {
    const message = await compressMessage(3, text);
    expect(message.readUInt32BE(0)).toBe(text.length);
  });

  test("3 with a huge stated size is refused before anything is allocated", async () => {
    const message = await compressMessage(3, text);
    message.writeUInt32BE(0xffffffff, 0);
    await expect(decompressMessage(3, message, 1_000_000)).rejects.toSatisfy(compressionErrors.messageTooLarge.is);
  });

  test("4 is a bzip2 stream of level 9", async () => {
    const message = await compressMessage(4, text);
    expect(message.subarray(0, 4).toString("latin1")).toBe("BZh9");
  });

  test("a zstd frame without content size is refused", async () => {
    const anonymous = execFileSync(process.execPath, [
      "-e",
      "require('@mongodb-js/zstd/bindings').compress(Buffer.from('{}'), 3).then((frame) => process.stdout.write(frame))",
    ]);
    await expect(decompressMessage(2, anonymous, 1_000_000)).rejects.toSatisfy(compressionErrors.damaged.is);
  });
});
