/** What we store, the public tools read; what they write, legal as it may be, we read. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import {
  chunkSizeOf,
  type CompressionMethod,
  compressionErrors,
  createDecoder,
  levelRanges,
  openCompressor,
} from "../../src/compression/index.ts";
import { createPipeline, readStoredFile, suffixOf } from "../../src/pipeline/index.ts";
import { requires } from "../support/requires.ts";
import { inPieces, sampleBytes } from "../support/sample-bytes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const LARGEST_OUTPUT = 512 * 1024 * 1024;
const tools: Readonly<Record<Exclude<CompressionMethod, "none">, string>> = {
  gzip: "gzip",
  zstd: "zstd",
  lz4: "lz4",
  bzip2: "bzip2",
};
const methods = Object.keys(tools) as (keyof typeof tools)[];

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function store(plain: Buffer, method: CompressionMethod, level?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const sink = {
    write: async (chunk: Uint8Array) => void pieces.push(Buffer.from(chunk)),
    close: async () => undefined,
    abort: async () => undefined,
  };
  const pipeline = await createPipeline({
    spec: { compression: method, level, encryption: "none" },
    hash: "sha256",
    memoryBytes: 16 << 20,
    concurrency: 3,
  });
  const file = pipeline.openFile(sink);
  for (let offset = 0; offset < plain.length; offset += 100_000)
    await file.write(plain.subarray(offset, offset + 100_000));
  await file.finish();
  await pipeline.close();
  return Buffer.concat(pieces);
}

/** A mebibyte of text and one of noise in turn. */
function mixture(length: number): Buffer {
  const megabyte = 1024 * 1024;
  const [text, noise] = [sampleBytes(megabyte, "text"), sampleBytes(megabyte, "noise")];
  const parts: Buffer[] = [];
  for (let left = length, turn = 0; left > 0; left -= megabyte, turn++)
    parts.push((turn % 2 === 0 ? text : noise).subarray(0, left));
  return Buffer.concat(parts);
}

async function decoded(
  source: AsyncIterable<Uint8Array>,
  method: CompressionMethod,
): Promise<{ size: number; digest: string; largest: number }> {
  const hash = createHash("sha256");
  let size = 0;
  let largest = 0;
  for await (const piece of createDecoder(method).decode(source)) {
    hash.update(piece);
    size += piece.length;
    largest = Math.max(largest, piece.length);
  }
  return { size, digest: hash.digest("hex"), largest };
}

for (const method of methods) {
  const tool = tools[method];
  const { describe, test } = requires(tool);
  const chunk = chunkSizeOf(method);
  const run = (args: readonly string[], input: Buffer): Buffer => {
    // Through files: a tool that writes before it has read everything must not block.
    const { path } = temporaryDirectory();
    writeFileSync(join(path, "in"), input);
    const stdin = openSync(join(path, "in"), "r");
    try {
      return execFileSync(tool, args, { stdio: [stdin, "pipe", "pipe"], maxBuffer: LARGEST_OUTPUT });
    } finally {
      closeSync(stdin);
    }
  };

  describe(`${tool} reads what we store`, () => {
    for (const size of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk + 777]) {
      test(`of ${size} bytes`, async () => {
        const plain = mixture(size);
        const stored = await store(plain, method);
        expect(Buffer.compare(run(["-dc"], stored), plain)).toBe(0);
        run(["-t"], stored);
      });
    }

    test("at every end of the levels", async () => {
      const range = levelRanges[method];
      const plain = mixture(1_500_000);
      for (const level of range === null ? [undefined] : [range.min, range.max]) {
        expect(Buffer.compare(run(["-dc"], await store(plain, method, level)), plain)).toBe(0);
      }
    });

    test("and our files are no larger than its own by more than one per cent", async () => {
      const plain = Buffer.concat(Array.from({ length: 4 }, (_, index) => sampleBytes(1024 * 1024, "text", index + 1)));
      const level = levelRanges[method]?.standard;
      const own = run(level === undefined ? ["-c"] : [`-${level}`, "-c"], plain);
      expect((await store(plain, method)).length).toBeLessThanOrEqual(own.length * 1.01 + 200);
    });
  });

  describe(`we read what ${tool} writes`, () => {
    const forms: Readonly<Record<typeof method, readonly string[][]>> = {
      gzip: [["-c"], ["-1c"], ["-9nc"]],
      bzip2: [["-c"], ["-1c"]],
      zstd: [
        ["-c"],
        ["-1c", "--no-check"],
        ["-19c"],
        ["--fast=3", "-c"],
        ["-c", "--no-content-size"],
        ["-c", "--long=24"],
      ],
      lz4: [
        ["-c"],
        ["-9c"],
        ["-c", "-BD"],
        ["-c", "-B4", "-BD"],
        ["-c", "-B5", "-BX"],
        ["-c", "--no-frame-crc"],
        ["-c", "--content-size"],
        ["-c", "-B7", "-BX", "-BD"],
      ],
    };
    for (const form of forms[method]) {
      test(`as ${form.join(" ")}, alone and several one after another, small and of several megabytes`, async () => {
        const small = sampleBytes(5000, "text", 7);
        const large = mixture(method === "bzip2" ? 3_000_000 : 6_000_000);
        const streams = [run(form, small), run(form, large), run(form, Buffer.alloc(0))];
        const [one = Buffer.alloc(0), two = Buffer.alloc(0), none = Buffer.alloc(0)] = streams;
        for (const [stored, plain] of [
          [one, small],
          [two, large],
          [none, Buffer.alloc(0)],
          [Buffer.concat([one, two, none, one]), Buffer.concat([small, large, small])],
        ] as const) {
          expect(await decoded(inPieces(stored, 65_536), method)).toMatchObject({
            size: plain.length,
            digest: digestOf(plain),
          });
        }
        await expect(decoded(inPieces(two.subarray(0, two.length - 1), 65_536), method)).rejects.toSatisfy(
          compressionErrors.damaged.is,
        );
        await expect(decoded(inPieces(Buffer.concat([two, Buffer.from("more")]), 65_536), method)).rejects.toSatisfy(
          compressionErrors.damaged.is,
        );
      });
    }

    test("a long run of zeros, which unpacks a thousandfold", async () => {
      const plain = Buffer.alloc(40 * 1024 * 1024);
      const stored = run(["-c"], plain);
      const result = await decoded(inPieces(stored, 65_536), method);
      expect(result).toMatchObject({ size: plain.length, digest: digestOf(plain) });
    });
  });
}

/** One frame larger than what is decoded at once, and a frame behind it. */
for (const [method, args] of [
  ["zstd", ["-1", "-c"]],
  ["zstd", ["-1", "-c", "--no-content-size", "--no-check"]],
  ["lz4", ["-c"]],
  ["lz4", ["-c", "-BD", "-B6"]],
  ["gzip", ["-1c"]],
] as const) {
  requires(tools[method]).test(
    `a single ${method} stream of 100 MB (${args.join(" ")}) is read in bounded memory, and its damage is noticed`,
    async () => {
      const { path } = temporaryDirectory();
      const name = join(path, "large");
      const part = mixture(6 * 1024 * 1024);
      const hash = createHash("sha256");
      const plainFile = openSync(name, "w");
      for (let written = 0; written < 16; written++) {
        writeSync(plainFile, part);
        hash.update(part);
      }
      closeSync(plainFile);
      const stored = `${name}.stored`;
      const [input, output] = [openSync(name, "r"), openSync(stored, "w")];
      execFileSync(tools[method], args, { stdio: [input, output, "pipe"] });
      closeSync(input);
      closeSync(output);
      const size = 16 * part.length;
      const before = process.memoryUsage.rss();
      let most = before;
      const watched = async function* (): AsyncGenerator<Buffer> {
        const file = await open(stored, "r");
        try {
          for await (const piece of file.createReadStream({ highWaterMark: 256 * 1024 })) {
            most = Math.max(most, process.memoryUsage.rss());
            yield piece as Buffer;
          }
        } finally {
          await file.close();
        }
      };
      const result = await decoded(watched(), method);
      expect(result.size).toBe(size);
      expect(result.digest).toBe(hash.digest("hex"));
      expect(result.largest).toBeLessThanOrEqual(4 * 1024 * 1024);
      // The whole file in memory would show; so would its frames.
      expect(most - before).toBeLessThan(size);
      const bytes = readFileSync(stored);
      await expect(decoded(inPieces(bytes.subarray(0, bytes.length - 1000), 1 << 20), method)).rejects.toSatisfy(
        compressionErrors.damaged.is,
      );
      await expect(decoded(inPieces(Buffer.concat([bytes, Buffer.from("x")]), 1 << 20), method)).rejects.toSatisfy(
        compressionErrors.damaged.is,
      );
      if (args.includes("--no-check" as never)) return;
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
      await expect(decoded(inPieces(bytes, 1 << 20), method)).rejects.toSatisfy(compressionErrors.damaged.is);
    },
  );
}

requires("zstd").test("a backup's file can be checked and unpacked by hand: name, suffix, tool", async () => {
  const { path } = temporaryDirectory();
  const plain = mixture(2_500_000);
  const name = join(path, `1259${suffixOf({ compression: "zstd", encryption: "none" })}`);
  writeFileSync(name, await store(plain, "zstd"));
  expect(Buffer.compare(execFileSync("zstd", ["-dc", name], { maxBuffer: LARGEST_OUTPUT }), plain)).toBe(0);
  const bytes = readFileSync(name);
  const source = {
    size: bytes.length,
    name,
    read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    close: async () => undefined,
  };
  const { plainDigest } = await readStoredFile({ source, hash: "sha256", concurrency: 2 }, async () => undefined);
  expect(plainDigest).toBe(digestOf(plain));
});

requires("zstd").test("a compressor reads one frame of the public tool as one of its own", async () => {
  const plain = sampleBytes(100_000);
  const { path } = temporaryDirectory();
  writeFileSync(join(path, "f"), plain);
  const frame = execFileSync("zstd", ["-c", join(path, "f")]);
  expect(Buffer.compare(await (await openCompressor("zstd")).decompress(frame, plain.length), plain)).toBe(0);
});
