import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pathFromBytes } from "../../../src/postgres/index.ts";
import type {
  ChunkIndexEntry,
  ChunkIndexHeader,
  ChunkIndexTotals,
  IndexedFile,
} from "../../../src/repository/index.ts";
import {
  createChunkIndexWriter,
  hashStoredFile,
  readChunkIndex,
  repositoryErrors,
} from "../../../src/repository/index.ts";
import type { RandomReader } from "../../../src/storage/index.ts";
import { forcedMemory } from "./forced-memory.ts";
import { eachTestHasARepository, readerOf } from "./test-repository.ts";

const repository = eachTestHasARepository();
const header: ChunkIndexHeader = {
  label: "20261120090138",
  hash: "sha256",
  compression: "zstd",
  encryption: "aes-256-gcm",
};

/** A file whose chunks add up. */
function file(path: string, chunks: IndexedFile["chunks"], facts: Partial<IndexedFile> = {}): IndexedFile {
  const size = chunks.reduce((sum, chunk) => sum + chunk.plain, 0);
  const storedSize = 60 + chunks.reduce((sum, chunk) => sum + chunk.stored, 0);
  const measures = {
    size,
    storedSize,
    headerSize: 60,
    digest: "ab".repeat(32),
    storedDigest: "cd".repeat(32),
    crc32c: 4_000_000_000,
  };
  return { kind: "file", path, mode: 0o600, suffix: ".zstd.aes", ...measures, chunks, ...facts };
}

const chunk = (n: number): IndexedFile["chunks"][number] => ({
  stored: 1000 + n,
  plain: 1024 * 1024,
  crc32c: (n * 2_654_435_761) >>> 0,
});
const some: readonly ChunkIndexEntry[] = [
  { kind: "directory", path: "data/base", mode: 0o700 },
  file("data/base/1/1259", [chunk(1), chunk(2)]),
  file("data/empty", [{ stored: 25, plain: 0, crc32c: 0 }]),
  { kind: "symlink", path: "data/pg_tblspc/16385", target: "/srv/a b\n" },
  file("tblspc_a/PG_15/1", [chunk(3)], { owner: "20261119000000" }),
];

let number = 0;
async function written(entries: readonly ChunkIndexEntry[]): Promise<RandomReader> {
  return repository.written(`index${number++}`, async (sink) => {
    const index = createChunkIndexWriter(sink, header);
    for (const entry of entries) await index.add(entry);
    await index.finish();
  });
}

async function all(
  reader: RandomReader,
): Promise<{ entries: ChunkIndexEntry[]; totals: ChunkIndexTotals; header: ChunkIndexHeader | undefined }> {
  const entries: ChunkIndexEntry[] = [];
  let found: ChunkIndexHeader | undefined;
  const totals = await readChunkIndex(reader, {
    onHeader: (value) => (found = value),
    onEntry: (entry) => void entries.push(entry),
  });
  return { entries, totals, header: found };
}

const changed = (bytes: Buffer): RandomReader => readerOf(bytes, "changed-index");

describe("a chunk index", () => {
  test("gives back header, entries and sums", async () => {
    const found = await all(await written(some));
    expect(found).toEqual({
      header,
      entries: some,
      totals: { entries: 5, files: 3, bytes: 3 * 1024 * 1024, storedBytes: 180 + 25 + 3006 },
    });
  });

  test("of nothing at all is still one", async () => {
    expect((await all(await written([]))).totals).toEqual({ entries: 0, files: 0, bytes: 0, storedBytes: 0 });
  });

  test("says how large it became and what its digest is", async () => {
    const sink = await repository.storage.createFile("index");
    const index = createChunkIndexWriter(sink, header);
    for (const entry of some) await index.add(entry);
    const measures = await index.finish();
    await sink.commit();
    expect(measures).toMatchObject({ entries: 5, size: (await repository.storage.stat("index"))?.size });
    expect(measures.digest).toBe(await hashStoredFile(repository.storage, "index", "sha256"));
  });

  test.each([4095, 4096, 4097, 8192, 20_000])("holds a file of %i chunks on lines of bounded length", async (count) => {
    const large = file(
      "data/large",
      Array.from({ length: count }, (_, n) => chunk(n)),
    );
    const reader = await written([large, ...some]);
    const lines = (await reader.read(0, reader.size)).toString().split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(200_000);
    expect((await all(reader)).entries).toEqual([large, ...some]);
  });

  test("waits for a slow reader", async () => {
    let busy = 0;
    let most = 0;
    await readChunkIndex(await written(some), {
      onEntry: async () => {
        most = Math.max(most, ++busy);
        await new Promise(setImmediate);
        busy -= 1;
      },
    });
    expect(most).toBe(1);
  });

  test("hands on what its reader throws", async () => {
    const reader = await written(some);
    await expect(
      readChunkIndex(reader, { onEntry: () => Promise.reject(new Error("from the reader")) }),
    ).rejects.toThrow("from the reader");
  });

  const path = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => pathFromBytes(bytes));
  const chunks = fc.array(
    fc.record({ stored: fc.nat(), plain: fc.nat(), crc32c: fc.integer({ min: 0, max: 0xffff_ffff }) }),
    { maxLength: 5 },
  );
  const entry: fc.Arbitrary<ChunkIndexEntry> = fc.oneof(
    fc.tuple(path, chunks).map(([name, list]) => file(name, list)),
    fc.record({ kind: fc.constant("directory" as const), path, mode: fc.constantFrom(0o700, 0o750) }),
    fc.record({ kind: fc.constant("symlink" as const), path, target: path }),
  );

  test("gives back any names and figures", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 20 }), async (entries) => {
        expect((await all(await written(entries))).entries).toEqual(entries);
      }),
      { numRuns: 40 },
    );
  });
});

describe("a damaged chunk index", () => {
  test("cut anywhere is refused by name", async () => {
    const reader = await written(some);
    const bytes = await reader.read(0, reader.size);
    for (let length = 0; length < bytes.length; length += length < 200 ? 1 : 13) {
      const cut = changed(bytes.subarray(0, length));
      await expect(all(cut), String(length)).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
    }
    const lines = bytes.toString().split("\n");
    for (let count = 0; count < lines.length - 1; count++) {
      const cut = changed(
        Buffer.from(
          lines
            .slice(0, count)
            .map((line) => `${line}\n`)
            .join(""),
        ),
      );
      await expect(all(cut), `${count} lines`).rejects.toThrow(/changed-index/);
    }
  });

  test("with any byte changed is refused", async () => {
    const reader = await written(some.slice(0, 3));
    const bytes = await reader.read(0, reader.size);
    for (let at = 0; at < bytes.length; at += 3) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x04;
      const outcome: unknown = await all(changed(damaged)).catch((error: unknown) => error);
      const known = repositoryErrors.backupDamaged.is(outcome) || repositoryErrors.formatUnsupported.is(outcome);
      expect(known, `byte ${at}: ${damaged.toString("latin1", at - 10, at + 10)}`).toBe(true);
    }
  });

  test("with lines lost, doubled or swapped is refused", async () => {
    const reader = await written(some);
    const lines = (await reader.read(0, reader.size)).toString().trimEnd().split("\n");
    const without = lines.filter((_, at) => at !== 2);
    const doubled = [...lines.slice(0, 2), ...lines.slice(1)];
    const swapped = [lines[0], lines[2], lines[1], ...lines.slice(3)];
    const longer = [...lines, lines[1]];
    for (const wrong of [without, doubled, swapped, longer]) {
      await expect(all(changed(Buffer.from(`${wrong.join("\n")}\n`)))).rejects.toSatisfy(
        repositoryErrors.backupDamaged.is,
      );
    }
  });

  test("whose chunks do not add up is refused, naming the file", async () => {
    for (const facts of [{ size: 1 }, { storedSize: 1 }, { headerSize: 0 }]) {
      await expect(all(await written([file("data/wrong", [chunk(1)], facts)]))).rejects.toThrow(/data\/wrong.*add up/);
    }
  });

  test("with a line that never ends is refused before it fills the memory", async () => {
    const reader = changed(Buffer.concat([Buffer.from('{"format":"'), Buffer.alloc(3_000_000, 0x78)]));
    await expect(all(reader)).rejects.toThrow(/too long/);
  });

  test("of a later version is refused as that", async () => {
    const reader = await written(some);
    const later = (await reader.read(0, reader.size)).toString().replace('"version":1', '"version":2');
    await expect(all(changed(Buffer.from(later)))).rejects.toSatisfy(repositoryErrors.formatUnsupported.is);
  });
});

test("memory stays flat over a hundred thousand entries", async () => {
  const digest = "ab".repeat(32);
  const reader = await repository.written("large", async (sink) => {
    const index = createChunkIndexWriter(sink, header);
    for (let n = 0; n < 100_000; n++) {
      const wait = index.add(file(`data/base/16384/${n}`, [{ stored: 4096, plain: 8192, crc32c: n }], { digest }));
      if (wait !== undefined) await wait;
    }
    await index.finish();
  });
  let files = 0;
  const before = forcedMemory();
  let growth = 0;
  await readChunkIndex(reader, {
    onEntry: () => {
      if (++files % 20_000 === 0) growth = Math.max(growth, forcedMemory() - before);
    },
  });
  expect(files).toBe(100_000);
  // The file has more than 30 MB: what is held of it is a few blocks.
  expect(reader.size).toBeGreaterThan(30_000_000);
  expect(growth).toBeLessThan(8_000_000);
});
