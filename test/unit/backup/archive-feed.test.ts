import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { createArchiveFeed, type ArchiveFeed } from "../../../src/backup/archive-feed.ts";
import { createGate } from "../../../src/common/index.ts";
import { openCompressor } from "../../../src/compression/index.ts";
import type { TarReader } from "../../../src/tar/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { waitFor } from "../../support/wait-for.ts";

let feed: ArchiveFeed | undefined;
afterEach(async () => {
  await feed?.abort();
});

/** A reader that keeps all it gets. */
function collector(): TarReader & { readonly bytes: () => Buffer; finished: boolean } {
  const pieces: Buffer[] = [];
  return {
    write: (piece) => void pieces.push(Buffer.from(piece)),
    finish() {
      this.finished = true;
    },
    finished: false,
    bytes: () => Buffer.concat(pieces),
  };
}

const noLimit = (): undefined => undefined;
const archives = [sampleBytes(3_000_000, "text", 1), Buffer.alloc(0), sampleBytes(100_000, "noise", 2)];

/** Sends an archive in pieces that are overwritten at once, as those of a socket are. */
function send(to: ArchiveFeed, reader: TarReader, bytes: Buffer, size: number): void {
  to.begin(reader);
  const piece = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(piece, 0, at);
    to.write(piece.subarray(0, length));
    piece.fill(0xaa);
  }
  to.end();
}

describe("archives from the server", () => {
  it.each(["gzip", "zstd", "lz4"] as const)("compressed with %s reach their readers whole, one after the other", async (method) => {
    const compressor = await openCompressor(method);
    feed = createArchiveFeed(method, noLimit);
    const readers = archives.map(collector);
    for (const [i, plain] of archives.entries()) {
      const frames: Uint8Array[] = [];
      for (let at = 0; at < Math.max(1, plain.length); at += 1024 * 1024) frames.push(await compressor.compress(plain.subarray(at, at + 1024 * 1024)));
      send(feed, readers[i] as TarReader, Buffer.concat(frames), 30_001);
    }
    await feed.settled();
    for (const [i, plain] of archives.entries()) {
      expect(readers[i]?.bytes().equals(plain)).toBe(true);
      expect(readers[i]?.finished).toBe(true);
    }
    await compressor.close();
  });

  it("as they are go straight to the reader", async () => {
    feed = createArchiveFeed(undefined, noLimit);
    const reader = collector();
    send(feed, reader, archives[0] as Buffer, 4000);
    expect(reader.finished).toBe(true);
    expect(reader.bytes().equals(archives[0] as Buffer)).toBe(true);
    await feed.settled();
  });
});

describe("a compressed archive that is wrong", () => {
  const whole = gzipSync(archives[0] as Buffer);
  it.each<[string, Buffer]>([
    ["cut off", whole.subarray(0, -1)],
    ["empty", Buffer.alloc(0)],
    ["followed by something else", Buffer.concat([whole, Buffer.from("tail")])],
    ["changed in its middle", Buffer.concat([whole.subarray(0, 5000), Buffer.alloc(8, 0x55), whole.subarray(5008)])],
  ])("%s: stops the source with the reason", async (_how, bytes) => {
    feed = createArchiveFeed("gzip", noLimit);
    send(feed, collector(), bytes, 50_000);
    await expect(feed.settled()).rejects.toMatchObject({ code: "COMPRESSED_DATA_DAMAGED" });
    expect(feed.signal.reason).toMatchObject({ code: "COMPRESSED_DATA_DAMAGED" });
    expect(feed.pressure()).toBeUndefined();
  });

  it("what the reader refuses is the reason, and later pieces are not kept", async () => {
    feed = createArchiveFeed("gzip", noLimit);
    const refusing: TarReader = {
      write: () => {
        throw new Error("not a tar archive");
      },
      finish: () => undefined,
    };
    send(feed, refusing, whole, 50_000);
    await expect(feed.settled()).rejects.toThrow("not a tar archive");
    for (let n = 0; n < 100; n += 1) feed.write(Buffer.alloc(100_000));
    expect(feed.pressure()).toBeUndefined();
  });
});

describe("a feed that has too much in hand", () => {
  it("asks the source to wait, and decodes on only when there is room", async () => {
    const gate = createGate();
    let full = true;
    feed = createArchiveFeed("gzip", () => (full ? gate.wait() : undefined));
    const reader = collector();
    const plain = sampleBytes(20_000_000, "noise");
    const packed = gzipSync(plain, { level: 1 });
    feed.begin(reader);
    let waited: Promise<void> | undefined;
    for (let at = 0; at < packed.length; at += 100_000) {
      feed.write(packed.subarray(at, at + 100_000));
      waited ??= feed.pressure();
    }
    feed.end();
    expect(waited).toBeDefined();
    await waitFor("the first piece is decoded", () => reader.bytes().length > 0);
    const before = reader.bytes().length;
    expect(before).toBeLessThan(5_000_000);
    full = false;
    gate.open();
    await waited;
    await feed.settled();
    expect(reader.bytes().equals(plain)).toBe(true);
    expect(feed.pressure()).toBeUndefined();
  });

  it("can be given up in the middle of an archive, with nothing left running", async () => {
    feed = createArchiveFeed("zstd", noLimit);
    const reader = collector();
    feed.begin(reader);
    feed.write(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
    await feed.abort();
    await expect(feed.settled()).rejects.toMatchObject({ code: "ABORTED" });
    expect(reader.finished).toBe(false);
  });
});
