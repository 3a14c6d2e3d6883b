/** backup.manifest and backup.sha256: names of any bytes survive, public tools agree, damage is named. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pathFromBytes, pathToBytes } from "../../../src/postgres/index.ts";
import type { ListWriter, ManifestLine } from "../../../src/repository/index.ts";
import {
  createDigestListWriter,
  createManifestWriter,
  hashStoredFile,
  readDigestList,
  readManifest,
  repositoryErrors,
} from "../../../src/repository/index.ts";
import type { RandomReader } from "../../../src/storage/index.ts";
import { requires } from "../../support/requires.ts";
import { eachTestHasARepository, readerOf } from "./test-repository.ts";

const repository = eachTestHasARepository();
const fixtures = join(import.meta.dirname, "../../fixtures/repository");

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const digests = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("hex"));
/** Bytes that make trouble come often; PostgreSQL's paths hold anything but a zero byte. */
const paths = fc
  .array(
    fc.oneof(
      fc.constantFrom(0x2c, 0x22, 0x0a, 0x0d, 0x5c, 0x20, 0x2a, 0xff, 0xc3, 0x41),
      fc.integer({ min: 1, max: 255 }),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((bytes) => pathFromBytes(Buffer.from(bytes)))
  .filter((path) => !path.startsWith("./") && !path.startsWith("/"));
const lists = fc.array(fc.record({ path: paths, digest: digests }), { maxLength: 30 });

interface Form {
  readonly name: string;
  readonly write: (sink: Parameters<typeof createManifestWriter>[0]) => ListWriter;
  readonly read: (reader: RandomReader) => AsyncIterable<ManifestLine>;
}
const forms: readonly Form[] = [
  { name: "backup.manifest", write: (sink) => createManifestWriter(sink, "sha256"), read: readManifest },
  { name: "backup.sha256", write: (sink) => createDigestListWriter(sink, "sha256"), read: readDigestList },
];

describe.each(forms)("$name", ({ write, read }) => {
  let number = 0;
  async function written(lines: readonly ManifestLine[]): Promise<RandomReader> {
    return repository.written(`list${number++}`, async (sink) => {
      const list = write(sink);
      for (const { path, digest } of lines) await list.add(path, digest);
      await list.finish();
    });
  }

  test("gives back every path and digest, in order, whatever bytes they have", async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (lines) => {
        expect(await all(read(await written(lines)))).toEqual(lines);
      }),
      { numRuns: 60 },
    );
  });

  test("gives back lists longer than any buffer", async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => ({
      path: `base/16384/${n}${n % 9 === 0 ? ',"\n' : ""}`,
      digest: n.toString(16).padStart(64, "0"),
    }));
    const found = await all(read(await written(lines)));
    expect(found.length).toBe(lines.length);
    expect(found).toEqual(lines);
  });

  test("says how large it became and what its digest is", async () => {
    const sink = await repository.storage.createFile("list");
    const list = write(sink);
    await list.add("a,b", "0".repeat(64));
    const measures = await list.finish();
    await sink.commit();
    expect(measures.size).toBe((await repository.storage.stat("list"))?.size);
    expect(measures.digest).toBe(await hashStoredFile(repository.storage, "list", "sha256"));
  });

  test("cut in the middle of a line is refused by name", async () => {
    const reader = await written([
      { path: "base/1/1", digest: "1".repeat(64) },
      { path: "base/1/2", digest: "2".repeat(64) },
    ]);
    const whole = await reader.read(0, reader.size);
    const first = whole.indexOf("\n") + 1;
    for (let length = first + 1; length < whole.length; length++) {
      const cut = readerOf(whole.subarray(0, length), "cut");
      await expect(all(read(cut)), String(length)).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
      await expect(all(read(cut))).rejects.toThrow(/cut/);
    }
  });

  test("with a line that is none is refused with its number", async () => {
    const good = await written([{ path: "a", digest: "1".repeat(64) }]);
    const line = (await good.read(0, good.size)).toString();
    for (const bad of ["", "no digest at all", ",", "x,zz"]) {
      await repository.put("bad", `${line}${bad}\n${line}`);
      const reader = await repository.storage.openFile("bad");
      await expect(all(read(reader)), JSON.stringify(bad)).rejects.toThrow(/(line|record) 2/);
      await reader.close();
    }
  });

  test("with a line that never ends is refused before it fills the memory", async () => {
    await repository.put("endless", `"${"x".repeat(3_000_000)}`);
    const reader = await repository.storage.openFile("endless");
    await expect(all(read(reader))).rejects.toThrow(/too long/);
    await reader.close();
  });
});

test("pgmoneta's manifest is read", async () => {
  await repository.put("m", readFileSync(join(fixtures, "pgmoneta-0.22-backup.manifest")));
  const reader = await repository.storage.openFile("m");
  const lines = await all(readManifest(reader));
  await reader.close();
  expect(lines.map(({ path }) => path).slice(0, 3)).toEqual(["backup_label", "PG_VERSION", "global/1261"]);
  expect(lines.every(({ digest }) => digest.length === 128)).toBe(true);
});

test("pgmoneta's list of digests is read", async () => {
  await repository.put("l", readFileSync(join(fixtures, "pgmoneta-0.22-backup.sha512")));
  const reader = await repository.storage.openFile("l");
  const lines = await all(readDigestList(reader));
  await reader.close();
  expect(lines.map(({ path }) => path).slice(0, 3)).toEqual([
    "backup.info",
    "backup.manifest",
    "data/postgresql.conf.zstd",
  ]);
});

test("an ordinary manifest line is pgmoneta's to the letter", async () => {
  const reader = await repository.written("m", async (sink) => {
    const list = createManifestWriter(sink, "sha512");
    await list.add("global/1261", "ab".repeat(64));
    await list.finish();
  });
  expect((await reader.read(0, 1000)).toString()).toBe(`global/1261,${"ab".repeat(64)}\n`);
});

requires("sha256sum", "sha512sum").test(
  "sha256sum and sha512sum check the list, names with line breaks and backslashes included",
  async () => {
    const names = [
      "data/plain",
      "data/with space",
      "data/new\nline",
      "data/back\\slash",
      "data/re\rturn",
      "data/end\r",
      "data/*star",
      "data/\\n",
      "data/é",
    ];
    const bytes = [...names.map((name) => Buffer.from(name)), Buffer.from([0x64, 0x61, 0x74, 0x61, 0x2f, 0xff, 0xfe])];
    for (const hash of ["sha256", "sha512"] as const) {
      const root = join(repository.storage.root, hash);
      mkdirSync(join(root, "data"), { recursive: true });
      const reader = await repository.written(`${hash}/backup.${hash}`, async (sink) => {
        const list = createDigestListWriter(sink, hash);
        for (const name of bytes) {
          writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), name);
          await list.add(pathFromBytes(name), createHash(hash).update(name).digest("hex"));
        }
        await list.finish();
      });
      const check = (): string =>
        execFileSync(`${hash}sum`, ["--strict", "-c", `backup.${hash}`], {
          cwd: root,
          encoding: "latin1",
          stdio: ["ignore", "pipe", "pipe"],
        });
      expect(
        check()
          .trim()
          .split("\n")
          .filter((line) => line.endsWith(": OK")).length,
      ).toBe(bytes.length);
      expect((await all(readDigestList(reader))).map(({ path }) => pathToBytes(path))).toEqual(bytes);
      writeFileSync(join(root, "data/new\nline"), "changed");
      expect(check).toThrow(/1 computed checksum did NOT match/);
    }
  },
);
