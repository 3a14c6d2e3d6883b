/** Files that did not change: linked to the previous backup's, harmlessly, and never to what cannot be trusted. */
import { appendFile, chmod, lstat, open, readFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { BackupOptions } from "../../../src/backup/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { verifyBackup } from "../../../src/job/verify.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { hideBackup, openVerifications, ownersOf, readBackupChunks, removeHiddenBackup, verifyMetadata, type BackupInfo, type IndexedFile } from "../../../src/repository/index.ts";
import { storageErrors } from "../../../src/storage/index.ts";
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

const bytesByOwner = async (house: House, info: BackupInfo): Promise<Map<string | undefined, number>> => {
  const bytes = new Map<string | undefined, number>();
  for (const { owner, storedSize } of (await filesOf(house, info)).values()) bytes.set(owner, (bytes.get(owner) ?? 0) + storedSize);
  return bytes;
};

/** As a sector that rots: other bytes, and nothing else that anybody could see. */
async function rot(path: string): Promise<void> {
  const { atime, mtime, size } = await lstat(path);
  const file = await open(path, "r+");
  const at = Math.floor(size / 2);
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
  await file.close();
  await utimes(path, atime, mtime);
}

/** The job `verify`, as the daemon runs it. */
function verifyJob(house: House, { label }: BackupInfo): Promise<unknown> {
  const environment = {
    clock: systemClock,
    logger: silentLogger,
    progress: () => undefined,
    server: { name: "primary" },
    serverConfiguration: () => ({ workers: 2 }),
    signal: new AbortController().signal,
    storage: house.storage,
    repository: {},
    secrets: {},
    uses: () => undefined,
  };
  return verifyBackup({ command: "verify", backup: label, all: false, schedule: null }, environment as unknown as JobEnvironment);
}

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
    const owners = await bytesByOwner(house, third);
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

    // A file that goes bad is bad in all that have it, the one that stored it gone or not; what is taken next has bytes of its own.
    const fourth = await take();
    const held = (await filesOf(house, fourth)).get(still);
    if (held === undefined) throw new Error(`${still} is not in the backup`);
    expect(held.owner).toBe(first.label);
    await rot(stored(house, fourth, held));
    await expect(verifyJob(house, fourth)).rejects.toMatchObject({ code: "VERIFY_FOUND_DAMAGE" });
    const said = (await house.catalog.entries()).map(({ label, state, problem }) => [label, state, problem]);
    expect(said).toEqual([
      [third.label, "invalid", expect.stringContaining(`${still}.zstd (changed), the same file as in backup ${fourth.label}`) as string],
      [fourth.label, "invalid", expect.stringContaining(`${still}.zstd (changed)`) as string],
    ]);
    // That outlives the backup in which it was found, and what is said of the other one.
    const verifications = openVerifications(house.storage, "primary");
    const good = { began: 0, ended: Date.now(), outcome: "good", files: 1, bytes: 1, findings: 0, reason: null } as const;
    await removeHiddenBackup(house.storage, await hideBackup(house.storage, "primary", fourth.label));
    await verifications.record(third.label, good, new Set([third.label]));
    await house.catalog.update(third.label, (info) => ({ ...info, valid: true }));
    const fifth = await take();
    expect(fifth.own?.shared).toBeUndefined();
    expect((await together(house, third, fifth)).size).toBe(0);
    await expectListed(house, fifth);
    // A file that cannot be read marks nothing, and is nothing to take over either, until all was read.
    const unreadable: House["storage"] = {
      ...house.storage,
      openFile: (path) => (path.endsWith(`${still}.zstd`) ? Promise.reject(storageErrors.inputOutput("EIO")) : house.storage.openFile(path)),
    };
    const doubted = async (): Promise<boolean> => (await verifications.read()).doubts.has(fifth.label);
    await expect(verifyJob({ ...house, storage: unreadable }, fifth)).rejects.toMatchObject({ code: "VERIFY_INCOMPLETE" });
    expect([(await house.catalog.find("newest")).label, await doubted()]).toEqual([fifth.label, true]);
    expect([await verifyJob(house, fifth), await doubted()]).toMatchObject([{ label: fifth.label }, false]);

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

    // What was found bad is nobody's source, nor is the one before it, which has the same files.
    await house.catalog.update(sealedTwice.label, (info) => ({ ...info, valid: false }));
    const afterBad = await take(sealed);
    expect(afterBad.own?.shared).toBeUndefined();
    expect((await together(house, sealedOnce, afterBad)).size).toBe(0);

    // Nor is what a verification finds, or cannot read, while the backup is taken: before its end nothing of it stays.
    const doubt = () => verifications.doubt(afterBad.label, { since: Date.now(), owners: ownersOf(afterBad) });
    const names = await house.names();
    await cluster.sql("CHECKPOINT");
    const doubtedMeanwhile = house.backup({ ...sealed, link: true }, {
      wal: { ...house.wal, waitUntilDurable: async (range, signal) => (await doubt(), house.wal.waitUntilDurable(range, signal)) },
    });
    await expect(doubtedMeanwhile).rejects.toMatchObject({ code: "BACKUP_SHARES_DAMAGE", retryable: true });
    expect(await house.names()).toEqual(names);
    // Read in full afterwards, it may be linked to again. A word that comes with the last step marks what is there already.
    await verifications.record(afterBad.label, good, new Set([afterBad.label]));
    expect((await verifications.read()).doubts.has(afterBad.label)).toBe(true);
    await verifications.record(afterBad.label, { ...good, began: Date.now() }, new Set([afterBad.label]));
    const lateStorage: BackupOptions["storage"] = {
      ...house.storage,
      async openTree(path) {
        const tree = await house.storage.openTree(path);
        return { ...tree, commit: () => tree.commit().then(doubt) };
      },
    };
    await expect(house.backup({ ...sealed, link: true, storage: lateStorage })).rejects.toMatchObject({ code: "BACKUP_SHARES_DAMAGE" });
    expect((await house.catalog.entries()).at(-1)).toMatchObject({ state: "invalid", info: { own: { shared: [{ owner: afterBad.label }] } } });
    await removeHiddenBackup(house.storage, await hideBackup(house.storage, "primary", (await house.catalog.entries()).at(-1)?.label ?? ""));
    await verifications.record(afterBad.label, { ...good, began: Date.now() }, new Set([afterBad.label]));

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
