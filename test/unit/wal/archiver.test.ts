import { createHash } from "node:crypto";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createDataKey, type DataKey } from "../../../src/encryption/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { readStoredFile, type PipelineSpec } from "../../../src/pipeline/index.ts";
import { openServerIdentity, openWalInventory } from "../../../src/repository/index.ts";
import type { DurableSink, Storage } from "../../../src/storage/index.ts";
import { runArchiver, type ArchiverDependencies, type ArchiverKeys, type ArchiverResult } from "../../../src/wal/index.ts";
import { collect, sampleBytes } from "../../support/sample-bytes.ts";
import { waitFor } from "../../support/wait-for.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { megabyte } from "./segment.ts";
import { segmentOf } from "./stored-wal.ts";

const repository = eachTestHasARepository();
const dataKey = createDataKey();
/** The keys of a server, of which the first is in use. */
const keysOf = (...all: readonly DataKey[]): ArchiverKeys => ({
  currentId: async () => all[0]?.id,
  current: async () => all[0] ?? Promise.reject(new Error("there is no key")),
  ring: async () => (id) => all.find((key) => key.id === id),
});
const zstd: PipelineSpec = { compression: "zstd", encryption: "none" };
const sealed: PipelineSpec = { compression: "gzip", encryption: "aes-256-gcm" };
const plain: PipelineSpec = { compression: "none", encryption: "none" };
const content = (number: number): Buffer => sampleBytes(megabyte, "text", number);
const file = (name: string): string => `primary/wal/${name}`;
const names = async (): Promise<string[]> => (await repository.storage.list("primary/wal")).map(({ name }) => name);
const inventory = (storage: Storage = repository.storage): ReturnType<typeof openWalInventory> => openWalInventory(storage, "primary", megabyte);

async function raw(...numbers: number[]): Promise<void> {
  await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: "1", segmentSize: megabyte });
  for (const number of numbers) await repository.put(file(segmentOf(1, number)), content(number));
}

interface Run extends Partial<ArchiverDependencies> {
  readonly spec?: PipelineSpec;
  readonly storage?: Storage;
  readonly idleMs?: number;
  readonly keys?: ArchiverKeys;
}

function archive({ spec = zstd, storage = repository.storage, idleMs = 1, keys = keysOf(dataKey), ...deps }: Run = {}): Promise<ArchiverResult> {
  return runArchiver(
    { server: "primary", storage, spec, keys, hash: "sha256", workers: 2, idleMs },
    {
      clock: systemClock,
      logger: silentLogger,
      signal: new AbortController().signal,
      onSegment: () => () => undefined,
      archived: () => undefined,
      ...deps,
    },
  );
}

/** The bytes of a segment as a reader gets them, in whatever form it is. */
async function readSegment(number: number): Promise<Buffer> {
  const opened = await inventory().open(segmentOf(1, number));
  if (opened === undefined) throw new Error(`segment ${number} is gone`);
  const { location, reader } = opened;
  const record = location.record;
  const known = record === undefined ? {} : { chunks: record.chunks, headerSize: record.headerSize, expected: record };
  const pieces: Buffer[] = [];
  const keys = (): typeof dataKey => dataKey;
  await readStoredFile({ source: reader, keys, hash: "sha256", concurrency: 1, ...known }, (piece) => Promise.resolve(void pieces.push(Buffer.from(piece))));
  await reader.close();
  return Buffer.concat(pieces);
}

class Killed extends Error {}

/** A storage that performs so many changes, and then none any more: the process was killed before, or right after, one of them. */
function killedAfter(changes: number, when: "before" | "after"): { storage: Storage; changes: () => number } {
  let made = 0;
  const change = async <T>(step: () => Promise<T>): Promise<T> => {
    made += 1;
    if (made > changes || (made === changes && when === "before")) throw new Killed();
    const result = await step();
    if (made === changes) throw new Killed();
    return result;
  };
  const { storage } = repository;
  return {
    changes: () => made,
    storage: {
      ...storage,
      createFile: async (path): Promise<DurableSink> => {
        const sink = await change(() => storage.createFile(path));
        return {
          temporaryPath: sink.temporaryPath,
          write: (chunk) => change(() => sink.write(chunk)),
          close: () => change(() => sink.close()),
          commit: (options) => change(() => sink.commit(options)),
          abort: () => change(() => sink.abort()),
        };
      },
      appendLine: (path, line) => change(() => storage.appendLine(path, line)),
      removeFile: (path) => change(() => storage.removeFile(path)),
    },
  };
}

describe("a kill", () => {
  it.each<[string, PipelineSpec]>([
    ["compressed", zstd],
    ["compressed and encrypted", sealed],
    ["stored as they are", plain],
  ])("between any two steps loses nothing, and the next run ends the work, for segments that are %s", async (_what, spec) => {
    let steps = 0;
    for (let changes = 1; ; changes++) {
      const endings: boolean[] = [];
      for (const when of ["before", "after"] as const) {
        await repository.storage.removeTree("primary");
        await raw(7);
        const { storage } = killedAfter(changes, when);
        endings.push(await archive({ spec, storage }).then(() => true, () => false));
        expect((await readSegment(7)).equals(content(7)), `${changes} ${when}`).toBe(true);
        await archive({ spec });
        expect((await readSegment(7)).equals(content(7))).toBe(true);
        const { form, record, suffix } = (await inventory().find(segmentOf(1, 7))) ?? {};
        expect([form, record?.suffix]).toEqual(["archived", suffix]);
        expect((await names()).filter((name) => !name.startsWith(".tmp_"))).toEqual([segmentOf(1, 7) + (suffix ?? "")]);
        expect(await inventory().unarchived()).toEqual([]);
      }
      steps = changes;
      if (endings.every((ended) => ended)) break;
    }
    expect(steps).toBeGreaterThan(spec === plain ? 1 : 4);
  });

  it("of a run whose configuration was another one is made good as well", async () => {
    for (const [first, second, expected] of [[zstd, sealed, ".zstd"], [zstd, plain, ".zstd"], [sealed, zstd, ".gz.aes"]] as const) {
      await repository.storage.removeTree("primary");
      await raw(7);
      await archive({ spec: first });
      // Killed right before the raw segment went.
      await repository.put(file(segmentOf(1, 7)), content(7));
      await archive({ spec: second });
      expect(await names()).toEqual([segmentOf(1, 7) + expected]);
      expect((await readSegment(7)).equals(content(7))).toBe(true);
    }
  });

  it("between making visible and recording leaves a file that is replaced by the one that is recorded", async () => {
    await raw(7);
    await archive({ spec: sealed });
    await repository.storage.removeTree("primary/wal_index");
    await repository.put(file(segmentOf(1, 7)), content(7));
    await archive({ spec: zstd });
    expect(await names()).toEqual([`${segmentOf(1, 7)}.zstd`]);
    expect((await readSegment(7)).equals(content(7))).toBe(true);
  });
});

describe("damage", () => {
  /** Changes one byte of every file that is written, after it was written. */
  const damaging = (): Storage => ({
    ...repository.storage,
    createFile: async (path) => {
      const sink = await repository.storage.createFile(path);
      const close = async (): Promise<void> => {
        await sink.close();
        const target = repository.storage.absolutePath(sink.temporaryPath);
        const bytes = await readFile(target);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
        await writeFile(target, bytes);
      };
      return { ...sink, close };
    },
  });

  it.each<[string, PipelineSpec]>([["compressed", zstd], ["encrypted", sealed]])("of what was written is found before anything goes: %s", async (_what, spec) => {
    await raw(7);
    await expect(archive({ spec, storage: damaging() })).rejects.toMatchObject({ code: "WAL_READ_BACK_FAILED" });
    expect(await names()).toEqual([segmentOf(1, 7)]);
    expect((await readSegment(7)).equals(content(7))).toBe(true);
    await archive({ spec });
    expect((await readSegment(7)).equals(content(7))).toBe(true);
  });

  it("of the recorded form is made good from the raw one", async () => {
    await raw(7);
    await archive();
    await repository.put(file(segmentOf(1, 7)), content(7));
    await appendFile(repository.storage.absolutePath(file(`${segmentOf(1, 7)}.zstd`)), "x");
    await archive();
    expect(await names()).toEqual([`${segmentOf(1, 7)}.zstd`]);
    expect((await readSegment(7)).equals(content(7))).toBe(true);
  });

  it("of a line of the index does not keep later segments from being archived", async () => {
    await raw(7, 8);
    await archive();
    const index = repository.storage.absolutePath("primary/wal_index/0000000100000000.jsonl");
    await writeFile(index, (await readFile(index, "utf8")).replace('"plainSize":1048576', '"plainSize":1048577'));
    await raw(9);
    await archive();
    expect(await names()).toEqual([7, 8, 9].map((number) => `${segmentOf(1, number)}.zstd`));
    expect((await readSegment(9)).equals(content(9))).toBe(true);
  });

  it.each([true, false])("a segment received with other content than a stored form is never archived over it (recorded: %s)", async (recorded) => {
    await raw(7);
    await archive();
    if (!recorded) await repository.storage.removeTree("primary/wal_index");
    const before = await readFile(repository.storage.absolutePath(file(`${segmentOf(1, 7)}.zstd`)));
    await repository.put(file(segmentOf(1, 7)), content(99));
    await expect(archive()).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await names()).toEqual([segmentOf(1, 7), `${segmentOf(1, 7)}.zstd`]);
    expect((await readFile(repository.storage.absolutePath(file(`${segmentOf(1, 7)}.zstd`)))).equals(before)).toBe(true);
  });
});

describe("the archiver", () => {
  it("archives the others when one segment cannot be, and says which", async () => {
    await raw(7, 9);
    await repository.put(file(segmentOf(1, 8)), "too short");
    const done: string[] = [];
    await expect(archive({ archived: (segment) => done.push(segment) })).rejects.toMatchObject({
      code: "WAL_SEGMENT_MALFORMED",
      message: expect.stringContaining(segmentOf(1, 8)) as string,
    });
    expect(done).toEqual([7, 9].map((number) => segmentOf(1, number)));
    expect(await names()).toEqual([`${segmentOf(1, 7)}.zstd`, segmentOf(1, 8), `${segmentOf(1, 9)}.zstd`]);
  });

  it("encrypts what comes after a rotation of the data key with the new one, and reads what it left before", async () => {
    const rotated = createDataKey();
    let all: readonly DataKey[] = [dataKey];
    const keys: ArchiverKeys = {
      currentId: () => keysOf(...all).currentId(),
      current: () => keysOf(...all).current(),
      ring: () => keysOf(...all).ring(),
    };
    await raw(7, 8);
    await archive({
      spec: sealed,
      keys,
      archived: () => {
        all = [rotated, dataKey];
      },
    });
    const used = await Promise.all(
      [7, 8].map(async (number) => (await readFile(repository.storage.absolutePath(file(`${segmentOf(1, number)}.gz.aes`)))).toString("hex", 12, 28)),
    );
    expect(used).toEqual([dataKey.id, rotated.id]);
    // A form that the key so far sealed is compared, and kept as it is.
    const before = await readFile(repository.storage.absolutePath(file(`${segmentOf(1, 7)}.gz.aes`)));
    await repository.put(file(segmentOf(1, 7)), content(7));
    await archive({ spec: sealed, keys });
    expect((await readFile(repository.storage.absolutePath(file(`${segmentOf(1, 7)}.gz.aes`)))).equals(before)).toBe(true);
    await repository.storage.removeTree("primary/wal_index");
    await repository.put(file(segmentOf(1, 7)), content(99));
    await expect(archive({ spec: sealed, keys })).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
  });

  it("stops at once where no segment could be archived", async () => {
    await raw(7, 8);
    let attempts = 0;
    const storage: Storage = {
      ...repository.storage,
      createFile: () => {
        attempts += 1;
        return Promise.reject(new Killed());
      },
    };
    await expect(archive({ storage })).rejects.toThrow(Killed);
    expect(attempts).toBe(1);
    expect(await names()).toEqual([segmentOf(1, 7), segmentOf(1, 8)]);
  });

  it("does not hurt who has the raw segment open", async () => {
    await raw(7);
    const opened = await inventory().open(segmentOf(1, 7));
    await archive();
    expect(await names()).toEqual([`${segmentOf(1, 7)}.zstd`]);
    expect((await opened?.reader.read(0, megabyte))?.equals(content(7))).toBe(true);
    await opened?.reader.close();
  });

  it("gives the segment under way up when it is cancelled, and keeps it raw", async () => {
    await raw(7, 8);
    const controller = new AbortController();
    const storage: Storage = {
      ...repository.storage,
      createFile: (path) => {
        if (path.includes(segmentOf(1, 8))) controller.abort();
        return repository.storage.createFile(path);
      },
    };
    await expect(archive({ storage, signal: controller.signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(await names()).toEqual([segmentOf(1, 8), `${segmentOf(1, 7)}.zstd`].sort());
  });

  it("says when nothing is left that it could not archive, so that an earlier trouble is over, and not before", async () => {
    await raw(7, 8);
    await repository.put(file(segmentOf(1, 7)), content(7).subarray(1));
    const said: string[] = [];
    const run = (): Promise<ArchiverResult> => archive({ archived: () => said.push("archived"), caughtUp: () => said.push("caught up") });
    await expect(run()).rejects.toMatchObject({ code: "WAL_SEGMENT_MALFORMED" });
    expect(said).toEqual(["archived"]);
    await repository.put(file(segmentOf(1, 7)), content(7));
    await run();
    expect(said).toEqual(["archived", "archived", "caught up"]);
  });

  it("works on when a segment is announced, and ends when none is for a while", async () => {
    await raw(7);
    let announce = (): void => undefined;
    let ended = false;
    const done: string[] = [];
    const run = archive({
      idleMs: 2_000,
      archived: (segment) => done.push(segment),
      onSegment: (listener) => {
        announce = listener;
        return () => void (announce = () => undefined);
      },
    }).then((result) => {
      ended = true;
      return result;
    });
    for (const number of [8, 9]) {
      await waitFor("the segment before is archived", () => done.length === number - 7);
      expect(ended).toBe(false);
      await raw(number);
      announce();
    }
    await waitFor("all are archived", () => done.length === 3);
    expect(await run).toMatchObject({ segments: 3 });
  });

  it("does not call it success when there are segments and nothing says which cluster they belong to", async () => {
    await repository.put(file(segmentOf(1, 3)), content(3));
    await expect(archive()).rejects.toMatchObject({ code: "SERVER_IDENTITY_DAMAGED" });
    const own = content(3);
    for (const [at, value] of [[0, 0x0002d110], [4, 1], [8, 3 * megabyte], [12, 0], [24, 42], [28, 0], [32, megabyte]] as const) own.writeUInt32LE(value, at);
    await repository.put(file(segmentOf(1, 3)), own);
    expect((await archive()).segments).toBe(1);
  });

  it("has nothing to do for a server that never was there", async () => {
    expect(await archive()).toEqual({ segments: 0, storedBytes: 0 });
  });

  it("records what the stored file is, for whoever reads or verifies it", async () => {
    await raw(7);
    await archive({ spec: sealed });
    const record = await inventory().lookup(segmentOf(1, 7));
    const stored = await repository.storage.openFile(file(`${segmentOf(1, 7)}.gz.aes`));
    const digest = createHash("sha256").update(await collect(readAll(stored))).digest("hex");
    await stored.close();
    expect(record).toMatchObject({ suffix: ".gz.aes", hash: "sha256", plainSize: megabyte, storedDigest: digest, storedSize: stored.size });
    expect(record?.plainDigest).toBe(createHash("sha256").update(content(7)).digest("hex"));
  });
});

async function* readAll(reader: { size: number; read(offset: number, length: number): Promise<Buffer> }): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < reader.size; offset += 65_536) yield await reader.read(offset, 65_536);
}
