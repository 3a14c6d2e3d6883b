/** Files that did not change: linked to the previous backup's, harmlessly, and never to what cannot be trusted. */
import { appendFile, chmod, lstat, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { BackupOptions } from "../../../src/backup/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import { hideBackup, readBackupChunks, removeHiddenBackup, verifyMetadata, type BackupInfo, type IndexedFile } from "../../../src/repository/index.ts";
import { expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import { requires } from "../../support/requires.ts";
import { expectVerified, extract, openHouse, startExtracted, type House } from "./house.ts";

const needed = requires("postgres-15", "pg_verifybackup", "zstd");
const zstd = { compression: "zstd", encryption: "none" } as const;

async function filesOf(house: House, info: BackupInfo): Promise<Map<string, IndexedFile>> {
  const files = new Map<string, IndexedFile>();
  await readBackupChunks(house.storage, "primary", info, { onEntry: (entry) => void (entry.kind === "file" && files.set(entry.path, entry)) });
  return files;
}

const stored = (house: House, info: BackupInfo, file: IndexedFile): string => join(house.path(info.label), file.path + file.suffix);

/** Paths that both backups have as one file, by what the file system says. */
async function together(house: House, a: BackupInfo, b: BackupInfo): Promise<Set<string>> {
  const found = new Set<string>();
  const before = await filesOf(house, a);
  for (const [path, file] of await filesOf(house, b)) {
    const earlier = before.get(path);
    if (earlier === undefined) continue;
    const [one, other] = [await lstat(stored(house, a, earlier)), await lstat(stored(house, b, file))];
    if (one.ino === other.ino) found.add(path);
  }
  return found;
}

const ownersOf = async (house: House, info: BackupInfo): Promise<Map<string | undefined, number>> => {
  const bytes = new Map<string | undefined, number>();
  for (const { owner, storedSize } of (await filesOf(house, info)).values()) bytes.set(owner, (bytes.get(owner) ?? 0) + storedSize);
  return bytes;
};

/** Every stored byte as the lists say, by public tools. */
const expectListed = (house: House, info: BackupInfo) =>
  runOrFail("sh", ["-c", `cd ${house.path(info.label)} && sha256sum --quiet --strict -c backup.sha256`]);

describe("files that did not change", () => {
  needed.it("are one file with several names, in backups of which each can go without harm to another", async () => {
    const cluster = await createCluster();
    await cluster.sql(`
      CREATE TABLE still AS SELECT g AS id, md5(g::text) AS name, repeat(md5(g::text), 4) AS story FROM generate_series(1, 20000) g;
      CREATE TABLE moving (x int)`);
    // Hint bits and the visibility map are set now, not by the first one who looks.
    await cluster.sql("VACUUM FREEZE");
    const house = await openHouse(cluster);
    const take = async (changes: Partial<BackupOptions> = {}): Promise<BackupInfo> => {
      await cluster.sql("INSERT INTO moving VALUES (1); CHECKPOINT");
      const { info, warnings } = await house.backup({ spec: zstd, link: true, ...changes });
      expect(warnings).toEqual([]);
      return info;
    };
    const pathOf = async (table: string): Promise<string> => `data/${await cluster.value(`SELECT pg_relation_filepath('${table}')`)}`;
    const [still, moving] = [await pathOf("still"), await pathOf("moving")];
    expect(Number(await cluster.value("SELECT pg_relation_size('still')"))).toBeGreaterThan(2 * 1024 * 1024);

    const first = await take();
    expect(first.own?.shared).toBeUndefined();
    const second = await take();
    const third = await take();
    // A file of many chunks and one of a single chunk, an empty one among them; not what changed.
    const shared = await together(house, first, third);
    for (const path of [still, "data/PG_VERSION", "data/base/1/1259_vm"]) expect(shared).toContain(path);
    expect(shared).not.toContain(moving);
    expect(shared).not.toContain("data/global/pg_control");
    expect(shared.size).toBeGreaterThan(800);
    const files = await filesOf(house, third);
    expect(files.get(still)?.owner).toBe(first.label);
    expect(files.get(moving)?.owner).toBeUndefined();
    for (const path of await together(house, second, third)) expect(files.get(path)?.owner).toBeDefined();

    // What is said of the sizes is what the lists and the file system say.
    const owners = await ownersOf(house, third);
    expect(third.own?.shared).toEqual([first, second].flatMap(({ label }) => ({ owner: label, bytes: owners.get(label) ?? 0 })).filter(({ bytes }) => bytes > 0));
    // Most of it are the lists.
    expect(third.storedBytes).toBeLessThan(first.storedBytes / 5);
    const usage = async (): Promise<number> => {
      const inodes = new Map<number, number>();
      for (const info of await house.catalog.list()) {
        for (const file of (await filesOf(house, info)).values()) {
          const { ino, size } = await lstat(stored(house, info, file));
          inodes.set(ino, size);
        }
        for (const name of ["backup.manifest", "backup.chunks", "backup.sha256"]) inodes.set(-inodes.size, (await lstat(join(house.path(info.label), name))).size);
      }
      return [...inodes.values()].reduce((sum, size) => sum + size, 0);
    };
    const accounted = async (): Promise<number> => (await house.catalog.entries()).reduce((sum, { sharing }) => sum + (sharing?.ownBytes ?? 0), 0);
    expect(await accounted()).toBe(await usage());

    // The owner goes first, then one in the middle: what is left is whole each time, and its deletion frees what was said.
    for (const gone of [first, second]) {
      const entry = (await house.catalog.entries()).find(({ label }) => label === gone.label);
      const before = await usage();
      await removeHiddenBackup(house.storage, await hideBackup(house.storage, "primary", gone.label));
      expect(before - (await usage())).toBe(entry?.sharing?.freedBytes);
      expect(await accounted()).toBe(await usage());
      for (const info of await house.catalog.list()) {
        await verifyMetadata(house.storage, "primary", info);
        await expectListed(house, info);
      }
    }
    const plain = await extract(house, third);
    await expectVerified(plain);
    await house.stopReceiver();
    const restored = await startExtracted(house, plain);
    await expectSameContents(await logicalDigest(cluster), restored);
    await restored.destroy();
    await house.startReceiver();

    // Another form, another key, or nobody who wants it: everything is stored anew, and nothing is said to be shared.
    const key = createDataKey();
    const sealed = { spec: { compression: "zstd", encryption: "aes-256-gcm" }, dataKey: key } as const;
    for (const changes of [{ link: false }, { spec: { compression: "lz4", encryption: "none" } as const }, sealed, { ...sealed, dataKey: createDataKey() }]) {
      const newest = (await house.catalog.find("newest"));
      const taken = await take(changes);
      expect(taken.own?.shared).toBeUndefined();
      expect((await together(house, newest, taken)).size).toBe(0);
    }
    // The same key again is the key of the newest backup only after one more.
    const sealedOnce = await take(sealed);
    const sealedTwice = await take(sealed);
    expect((await together(house, sealedOnce, sealedTwice)).has(still)).toBe(true);
    await expectVerified(await extract(house, sealedTwice, key));

    // What was found bad is nobody's source: the next backup goes back to the one before it.
    await house.catalog.update(sealedTwice.label, (info) => ({ ...info, valid: false }));
    const afterBad = await take(sealed);
    expect((await filesOf(house, afterBad)).get(moving)?.owner).toBeUndefined();
    expect((await filesOf(house, afterBad)).get(still)?.owner).toBe(sealedOnce.label);

    // A file that somebody wrote to, cut or opened up since is not linked, and the operator hears of it.
    const all = await filesOf(house, afterBad);
    const touched = ["data/PG_VERSION", "data/base/1/1259_vm", still, "data/base/1/1255"].map((path) => {
      const file = all.get(path);
      if (file === undefined) throw new Error(`${path} is not in the backup`);
      return { path, stored: stored(house, afterBad, file) };
    });
    const bytes = await Promise.all(touched.map((file) => readFile(file.stored)));
    const [written, longer, opened, later] = touched.map((file) => file.stored) as [string, string, string, string];
    await utimes(written, new Date(), new Date(Date.now() + 1000));
    await appendFile(longer, "x");
    await utimes(longer, new Date(0), new Date(0));
    await chmod(opened, 0o644);
    await utimes(later, new Date(), new Date((afterBad.own?.endTime ?? 0) + 1));
    await cluster.sql("INSERT INTO moving VALUES (1); CHECKPOINT");
    const { info: careful, warnings } = await house.backup({ ...sealed, link: true });
    expect(warnings).toEqual([expect.stringMatching(/^4 files that did not change were stored again instead of linked to backup \d+: ".*" (has|was) .*\(the first of them\)$/)]);
    const linked = await together(house, afterBad, careful);
    for (const { path } of touched) expect(linked).not.toContain(path);
    expect(linked.size).toBeGreaterThan(800);
    await expectListed(house, careful);
    // Each is a file of its own: nothing that is wrong with the old one is wrong with the new one.
    expect(bytes.map(({ length }) => length)).toEqual(touched.map(({ path }) => all.get(path)?.storedSize));
    await expectVerified(await extract(house, careful, key));

    // An index that was changed is believed by nobody.
    await appendFile(join(house.path(careful.label), "backup.chunks"), "\n");
    await cluster.sql("CHECKPOINT");
    const alone = await house.backup({ ...sealed, link: true });
    expect(alone.info.own?.shared).toBeUndefined();
    await house.close();
    await cluster.destroy();
  });
});
