/**
 * Files that archive_command brings, against every form in which the repository may have them already. J07: whoever may push for a
 * server adds to what is stored, and changes and removes nothing of it.
 */
import { createHash } from "node:crypto";
import { appendFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import type { PipelineSpec } from "../../../src/pipeline/index.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { openServerIdentity, openWalInventory, openWalPushes, readSegment } from "../../../src/repository/index.ts";
import type { Storage } from "../../../src/storage/index.ts";
import { pushWal, runArchiver, type ArchiverKeys, type PushedWal } from "../../../src/wal/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { withoutSyncs } from "../../support/without-syncs.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { megabyte } from "./segment.ts";
import { segmentOf } from "./stored-wal.ts";

withoutSyncs();
const repository = eachTestHasARepository();
const key = createDataKey();
const keys: ArchiverKeys = {
  currentId: async () => key.id,
  current: async () => key,
  ring: async () => (id) => (id === key.id ? key : undefined),
};
const zstd: PipelineSpec = { compression: "zstd", encryption: "none" };
const sealed: PipelineSpec = { compression: "gzip", encryption: "aes-256-gcm" };
const plain: PipelineSpec = { compression: "none", encryption: "none" };
const path = (name: string): string => `primary/wal/${name}`;
const name = segmentOf(1, 7);

/** A segment of cluster 42 as PostgreSQL begins it. */
function segment(number = 7, seed = number, system = 42n): Buffer {
  const bytes = Buffer.from(sampleBytes(megabyte, "text", seed));
  bytes.writeUInt16LE(0xd110, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(1, 4);
  bytes.writeBigUInt64LE(BigInt(number * megabyte), 8);
  bytes.writeUInt32LE(0, 16);
  bytes.writeBigUInt64LE(system, 24);
  bytes.writeUInt32LE(megabyte, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

/** In pieces of no particular size, as a pipe gives them. */
async function* piecesOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_537) yield bytes.subarray(at, at + 65_537);
}

function push(file: string, content: Buffer, { spec = zstd, storage = repository.storage }: { spec?: PipelineSpec; storage?: Storage } = {}): Promise<PushedWal> {
  return pushWal(
    {
      server: "primary",
      storage: { ...storage, absolutePath: (of) => repository.storage.absolutePath(of) },
      name: file,
      content: piecesOf(content),
      spec,
      keys,
      hash: "sha256",
      workers: 2,
      memoryBytes: 32 * megabyte,
    },
    { clock: systemClock, logger: silentLogger, signal: new AbortController().signal },
  );
}

const archive = (spec: PipelineSpec) =>
  runArchiver(
    { server: "primary", storage: repository.storage, spec, keys, hash: "sha256", workers: 2, idleMs: 1 },
    { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, onSegment: () => () => undefined, archived: () => undefined },
  );

const inventory = () => openWalInventory(repository.storage, "primary", megabyte);
const names = async (): Promise<string[]> => (await repository.storage.list("primary/wal")).map((entry) => entry.name);
const conflicts = async () => (await openWalPushes(repository.storage, "primary").read()).conflicts.map((conflict) => conflict.name);

/** The segment as a restore reads it. */
async function stored(of = name): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const source = { storage: repository.storage, inventory: inventory(), systemIdentifier: "42", keys: keys.ring };
  await readSegment(source, of, (piece) => void pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces);
}

const otherwise = (bytes: Buffer, at = bytes.length - 5): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
};

describe("a segment that is pushed", () => {
  it.each<[string, PipelineSpec, string]>([
    ["compressed", zstd, ".zstd"],
    ["compressed and encrypted", sealed, ".gz.aes"],
    ["as it is", plain, ""],
  ])("is stored %s, recorded, and only once; another content is refused and noted until the right one comes", async (_what, spec, suffix) => {
    expect(await push(name, segment(), { spec })).toBe("stored");
    expect(await names()).toEqual([name + suffix]);
    expect(await openServerIdentity(repository.storage, "primary").read()).toEqual({ systemIdentifier: "42", segmentSize: megabyte });
    const record = await inventory().lookup(name);
    expect(record?.plainDigest).toBe(createHash("sha256").update(segment()).digest("hex"));
    expect(await inventory().unarchived()).toEqual([]);
    const before = await repository.storage.readFile(path(name + suffix), 2 * megabyte);

    expect(await push(name, segment(), { spec })).toBe("same");
    await expect(push(name, otherwise(segment()), { spec })).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await names()).toEqual([name + suffix]);
    expect((await repository.storage.readFile(path(name + suffix), 2 * megabyte)).equals(before)).toBe(true);
    expect(await conflicts()).toEqual([name]);
    expect(await push(name, segment(), { spec })).toBe("same");
    expect(await conflicts()).toEqual([]);
    expect((await stored()).equals(segment())).toBe(true);
    expect(await openWalPushes(repository.storage, "primary").read()).toMatchObject({ segments: 1, recent: [name] });
  });

  it.each([zstd, plain])("that was received, and not archived yet, is the same one, or refused (%o)", async (spec) => {
    await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: "42", segmentSize: megabyte });
    await repository.put(path(name), segment());
    await expect(push(name, otherwise(segment()), { spec })).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await names()).toEqual([name]);
    expect(await push(name, segment(), { spec })).toBe("same");
    expect(await names()).toEqual([name + (spec === plain ? "" : ".zstd")]);
    expect(await inventory().unarchived()).toEqual([]);
    await archive(spec);
    expect((await stored()).equals(segment())).toBe(true);
  });

  it("that is being received must go on from what is there", async () => {
    await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: "42", segmentSize: megabyte });
    await repository.put(path(`${name}.partial`), segment().subarray(0, 500_000));
    await expect(push(name, otherwise(segment(), 499_999))).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await names()).toEqual([`${name}.partial`]);
    // Behind what was received nothing is known.
    expect(await push(name, otherwise(segment(), 500_000))).toBe("stored");
    expect(await names()).toEqual([`${name}.partial`, `${name}.zstd`]);
    // What the receiver completes afterwards is compared by the archiver.
    await repository.put(path(name), segment());
    await expect(archive(zstd)).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
  });

  it("that the receiver completes afterwards stays one copy", async () => {
    await push(name, segment(), { spec: sealed });
    await repository.put(path(name), segment());
    await archive(sealed);
    expect(await names()).toEqual([`${name}.gz.aes`]);
    expect((await stored()).equals(segment())).toBe(true);
  });

  it("makes a damaged stored one good", async () => {
    await push(name, segment());
    await appendFile(repository.storage.absolutePath(path(`${name}.zstd`)), "x");
    await push(name, segment());
    expect((await stored()).equals(segment())).toBe(true);
    await expect(push(name, otherwise(segment()))).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
  });

  it("takes what it brings out of the gaps", async () => {
    const { gaps } = inventory();
    const reason = "it was removed";
    const gap = { timeline: timelineId(1), from: lsn(7 * megabyte + 100), to: lsn(9 * megabyte), detectedAt: 0, reason };
    await gaps.add(gap);
    await gaps.add({ ...gap, timeline: timelineId(2) });
    await push(segmentOf(1, 8), segment(8));
    expect(await gaps.list()).toEqual([{ ...gap, to: lsn(8 * megabyte) }, { ...gap, timeline: timelineId(2) }]);
    await push(name, segment());
    expect(await gaps.list()).toEqual([{ ...gap, timeline: timelineId(2) }]);
  });

  it("is refused, with nothing left of it, when it is not what its name says", async () => {
    const refusals: [string, Buffer, string][] = [
      [name, segment().subarray(0, megabyte - 1), "WAL_PUSH_REFUSED"],
      [name, Buffer.concat([segment(), Buffer.alloc(1)]), "WAL_PUSH_REFUSED"],
      [name, Buffer.alloc(0), "WAL_PUSH_REFUSED"],
      [name, Buffer.alloc(megabyte, 1), "WAL_PUSH_REFUSED"],
      [name, segment(8), "WAL_PUSH_REFUSED"],
      ["postgresql.conf", segment(), "WAL_PUSH_REFUSED"],
      ["../000000010000000000000007", segment(), "WAL_PUSH_REFUSED"],
    ];
    for (const [file, content, code] of refusals) await expect(push(file, content), file).rejects.toMatchObject({ code });
    expect(await names()).toEqual([]);
    await push(name, segment());
    await expect(push(segmentOf(1, 8), segment(8, 8, 43n))).rejects.toMatchObject({ code: "WAL_OTHER_CLUSTER" });
    expect(await names()).toEqual([`${name}.zstd`]);
    expect(await conflicts()).toEqual([]);
  });

  it.each<[string, PipelineSpec]>([["compressed and encrypted", sealed], ["as it is", plain]])(
    "can be cut off between any two steps, and pushed again, %s",
    async (_what, spec) => {
      class Killed extends Error {}
      for (let changes = 1, done = false; !done; changes += 1) {
        await repository.storage.removeTree("primary");
        let made = 0;
        const change = async <T>(step: () => Promise<T>): Promise<T> => {
          made += 1;
          if (made >= changes) throw new Killed();
          return step();
        };
        const real = repository.storage;
        const storage: Storage = {
          ...real,
          createFile: (file) =>
            change(async () => {
              const sink = await real.createFile(file);
              return { ...sink, commit: (options) => change(() => sink.commit(options)), abort: async () => undefined };
            }),
          replaceFile: (file, content) => change(() => real.replaceFile(file, content)),
          renewFile: (file, content) => change(() => real.renewFile(file, content)),
          appendLine: (file, line) => change(() => real.appendLine(file, line)),
          removeFile: (file) => change(() => real.removeFile(file)),
        };
        done = await push(name, segment(), { spec, storage }).then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof Killed) && !(error instanceof Error && error.cause instanceof Killed)) throw error;
            return false;
          },
        );
        await push(name, segment(), { spec });
        expect((await stored()).equals(segment()), `${changes}`).toBe(true);
        expect((await names()).filter((entry) => !entry.startsWith(".tmp_"))).toEqual([name + (spec === plain ? "" : ".gz.aes")]);
        expect(await inventory().unarchived()).toEqual([]);
      }
    },
  );

  it("with bad intentions leaves every byte that is stored where it is (J07)", async () => {
    await push(name, segment(), { spec: sealed });
    await push(segmentOf(1, 8), segment(8), { spec: zstd });
    const past = Buffer.from("1\t0/700000\tno recovery target specified\n");
    await push("00000002.history", past);
    const note = `${name}.00000028.backup`;
    await push(note, Buffer.from("LABEL: a backup\n"));
    await repository.put("primary/backup/20261120090136/backup.info", Buffer.from("STATUS=1\n"));
    await repository.put("primary/backup/20261120090136/data/PG_VERSION", Buffer.from("15\n"));
    const root = repository.storage.absolutePath("primary");
    const everything = async (): Promise<Map<string, string>> => {
      const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
      // Beside the notes of the repository, which say what was refused.
      const kept = files.filter((file) => /\/backup\/|\/wal\/[0-9A-F]{8}/.test(file));
      return new Map(await Promise.all(kept.map(async (file) => [file, createHash("sha256").update(await readFile(file)).digest("hex")] as const)));
    };
    const before = await everything();
    expect(before.size).toBe(6);
    const contents = [otherwise(segment()), segment(7, 7, 43n), Buffer.alloc(megabyte), Buffer.alloc(0), otherwise(segment(8)), Buffer.from("1\t0/500000\tanother past\n"), past.subarray(0, 5)];
    const targets = [
      ...[name, `${name}.gz.aes`, `${name}.partial`, segmentOf(1, 8), `${segmentOf(1, 8)}.zstd`, "00000002.history", note, `../wal/${name}`, `./${name}`, `${name}/`, `${name}\0.history`],
      ...["../backup/20261120090136/backup.info", "../backup/20261120090136", "wal_index.json", "../wal_index.json", "/etc/passwd", "..", "", "-", "*"],
    ];
    for (const target of targets) {
      for (const content of contents) {
        const code: unknown = await push(target, content, { spec: sealed }).then((outcome) => outcome, (error: { code?: unknown }) => error.code);
        // A partial segment is a file of its own, beside the whole one.
        if (!target.endsWith(".partial")) expect([target, code]).toEqual([target, expect.stringMatching(/^(WAL|TIMELINE)_/) as string]);
      }
    }
    const after = await everything();
    expect([...before].filter(([file, digest]) => after.get(file) !== digest)).toEqual([]);
    expect([...after.keys()].filter((file) => !before.has(file) && !file.includes(".partial"))).toEqual([]);
    expect((await stored()).equals(segment())).toBe(true);
    expect((await stored(segmentOf(1, 8))).equals(segment(8))).toBe(true);
  });

  it("at the same moment by several, and received and archived meanwhile, ends as one copy", async () => {
    await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: "42", segmentSize: megabyte });
    const numbers = [7, 8, 9];
    for (const number of numbers) await repository.put(path(segmentOf(1, number)), segment(number));
    await Promise.all([archive(sealed), ...numbers.flatMap((number) => [1, 2].map(() => push(segmentOf(1, number), segment(number), { spec: sealed })))]);
    expect((await names()).filter((entry) => !entry.startsWith(".tmp_"))).toEqual(numbers.map((number) => `${segmentOf(1, number)}.gz.aes`));
    for (const number of numbers) {
      expect((await stored(segmentOf(1, number))).equals(segment(number))).toBe(true);
      expect((await inventory().find(segmentOf(1, number)))?.record).toBeDefined();
    }
  });
});

describe("other files of pg_wal that are pushed", () => {
  const history = Buffer.from("1\t0/700000\tno recovery target specified\n");

  it("a history is stored as it is, once; one with another past is refused and noted", async () => {
    expect(await push("00000002.history", history)).toBe("stored");
    expect(await push("00000002.history", history)).toBe("same");
    await expect(push("00000002.history", Buffer.from("1\t0/800000\tno recovery target specified\n"))).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await conflicts()).toEqual(["00000002.history"]);
    expect(await inventory().histories.content(timelineId(2))).toEqual(history);
    await expect(push("00000003.history", Buffer.from("nonsense"))).rejects.toMatchObject({ code: "WAL_PUSH_REFUSED" });
    expect(await inventory().histories.list()).toEqual([2]);
  });

  it("a note on a backup is kept beside the segments, which it does not disturb", async () => {
    const note = `${name}.00000028.backup`;
    expect(await push(note, Buffer.from("START WAL LOCATION: 0/700028"))).toBe("stored");
    expect(await push(note, Buffer.from("START WAL LOCATION: 0/700028"))).toBe("same");
    await expect(push(note, Buffer.from("START WAL LOCATION: 0/700029"))).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    await push(name, segment());
    expect(await names()).toEqual([note, `${name}.zstd`]);
    expect((await inventory().stretches()).map(({ segments }) => segments)).toEqual([1]);
  });

  it("the unfinished segment of a timeline that was left is stored up to where it can be read", async () => {
    // No record can be read in it: its first page alone counts.
    expect(await push(`${name}.partial`, segment())).toBe("stored");
    expect((await repository.storage.readFile(path(`${name}.partial`), megabyte)).equals(segment().subarray(0, 8192))).toBe(true);
    expect(await push(`${name}.partial`, segment())).toBe("same");
    await expect(push(`${name}.partial`, otherwise(segment(), 100))).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    // What is received of it is less: both are kept.
    await repository.put(path(`${name}.partial`), segment().subarray(0, 4096));
    expect(await push(`${name}.partial`, segment())).toBe("stored");
    expect(await names()).toEqual([`${name}.partial`, `${name}.partial.pushed.zstd`]);
    expect(await push(`${name}.partial`, segment())).toBe("same");
  });

  it.each<[string, PipelineSpec, string]>([
    ["as it is", plain, ""],
    ["sealed", sealed, ".gz.aes"],
  ])("beside less of it that was received is kept %s, refuses other content, and goes when the segment is stored whole", async (_what, spec, suffix) => {
    const kept = `${name}.partial.pushed${suffix}`;
    await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: "42", segmentSize: megabyte });
    await repository.put(path(`${name}.partial`), segment().subarray(0, 4096));
    expect(await push(`${name}.partial`, segment(), { spec })).toBe("stored");
    expect(await names()).toEqual([`${name}.partial`, kept]);
    const bytes = await repository.storage.readFile(path(kept), 2 * megabyte);
    expect(bytes.includes(segment().subarray(5000, 5064))).toBe(suffix === "");
    // The bytes behind what was received are compared too, whatever is configured meanwhile.
    await expect(push(`${name}.partial`, otherwise(segment(), 5000), { spec: zstd })).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await push(`${name}.partial`, segment(), { spec: zstd })).toBe("same");
    expect((await repository.storage.readFile(path(kept), 2 * megabyte)).equals(bytes)).toBe(true);
    await archive(spec);
    expect(await names()).toEqual([`${name}.partial`, kept]);
    await push(name, segment(), { spec });
    await archive(spec);
    expect(await names()).toEqual([name + suffix]);
  });

  it("is kept when it is not the beginning of the whole segment, or cannot be read", async () => {
    await push(name, segment());
    const [other, damaged] = [`${name}.partial.pushed`, `${segmentOf(1, 8)}.partial.pushed.gz.aes`];
    await repository.put(path(other), otherwise(segment(), 5000).subarray(0, 8192));
    await push(segmentOf(1, 8), segment(8));
    await repository.put(path(damaged), "nonsense");
    await archive(zstd);
    expect(await names()).toEqual([other, `${name}.zstd`, damaged, `${segmentOf(1, 8)}.zstd`]);
  });
});

it("while the WAL is put aside for that of another cluster nothing is taken, and nothing made", async () => {
  await repository.put("primary/lineage_change.json", "{}");
  for (const [file, content] of [
    [name, segment()],
    [`${name}.00000028.backup`, Buffer.from("START WAL LOCATION: 0/700028\n")],
    ["00000002.history", Buffer.from("1\t0/700000\tno reason\n")],
  ] as const) {
    await expect(push(file, content), file).rejects.toMatchObject({ code: "LINEAGE_CHANGE_UNFINISHED" });
  }
  expect(await repository.storage.stat("primary/wal")).toBeUndefined();
});
