import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/common/index.ts";
import { lsn, pathFromBytes } from "../../../src/postgres/index.ts";
import type { BackupInfo, Catalog, ChunkIndexEntry, IndexedFile } from "../../../src/repository/index.ts";
import {
  createChunkIndexWriter,
  descendantsOf,
  formatBackupInfo,
  hideBackup,
  openCatalog,
  openChunkLookup,
  readBackupChunks,
  removeHiddenBackup,
  repositoryErrors,
  verifyMetadata,
} from "../../../src/repository/index.ts";
import type { StoredTree } from "../../../src/storage/index.ts";
import { storageErrors } from "../../../src/storage/index.ts";
import { requires } from "../../support/requires.ts";
import { sample, sampleOwn } from "./sample-backup.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const foreignInfo = readFileSync(join(import.meta.dirname, "../../fixtures/repository/pgmoneta-0.22-backup.info"));

function catalog(): Catalog {
  return openCatalog(repository.storage, "primary");
}

function pathOf(relative: string): string {
  return join(repository.storage.root, "primary/backup", relative);
}

async function fill(tree: StoredTree, path: string, content: string | Uint8Array): Promise<void> {
  const sink = await tree.createFile(path);
  await sink.write(Buffer.from(content));
  await sink.close();
}

/** A backup as the backup job leaves it, with whatever facts. */
async function store({ entries = [], ...facts }: Partial<BackupInfo> & { label: string; entries?: readonly ChunkIndexEntry[] }): Promise<BackupInfo> {
  const tree = await repository.storage.openTree(`primary/backup/${facts.label}`);
  const chunks = await tree.createFile("backup.chunks");
  const index = createChunkIndexWriter(chunks, {
    label: facts.label,
    hash: "sha256",
    compression: "none",
    encryption: "none",
  });
  await index.add({ kind: "directory", path: "data/base", mode: 0o700 });
  for (const entry of entries) await index.add(entry);
  const { digest } = await index.finish();
  await fill(tree, "backup.manifest", "");
  await fill(tree, "backup.sha256", "");
  const empty = createHash("sha256").digest("hex");
  const digests = { "backup.manifest": empty, "backup.sha256": empty, "backup.chunks": digest };
  const info = sample(facts, { ...sampleOwn, digests, ...facts.own });
  await fill(tree, "backup.info", formatBackupInfo(info));
  await fill(tree, "data/base/1", "relation");
  await tree.commit();
  return info;
}

function storeForeign(label: string, change: (text: string) => string = (text) => text): void {
  mkdirSync(join(pathOf(label), "data"), { recursive: true });
  const info = change(foreignInfo.toString().replace("LABEL=20261120090138", `LABEL=${label}`));
  writeFileSync(join(pathOf(label), "backup.info"), info);
  const digest = createHash("sha512").update(info).digest("hex");
  writeFileSync(
    join(pathOf(label), "backup.sha512"),
    `${digest} *./backup.info\n${"0".repeat(128)} *./data/PG_VERSION.zstd\n`,
  );
}

function at(time: number): Clock {
  return { now: () => time, monotonic: () => time, sleep: () => Promise.resolve() };
}

describe("the catalog", () => {
  test("of a server that was never backed up is empty", async () => {
    expect(await catalog().entries()).toEqual([]);
    await expect(catalog().find("newest")).rejects.toSatisfy(repositoryErrors.backupNotFound.is);
    expect(await catalog().leftovers()).toEqual([]);
  });

  test("lists in the order of the WAL and finds oldest, newest, latest and labels", async () => {
    await store({ label: "20270101000000", startLsn: lsn(100) });
    await store({ label: "20260101000000", startLsn: lsn(200) });
    expect((await catalog().list()).map(({ label }) => label)).toEqual(["20270101000000", "20260101000000"]);
    expect((await catalog().find("oldest")).label).toBe("20270101000000");
    expect((await catalog().find("newest")).label).toBe("20260101000000");
    expect((await catalog().find("latest")).label).toBe("20260101000000");
    expect(await catalog().find("20270101000000")).toMatchObject({ label: "20270101000000", valid: true });
  });

  test("calls none valid that lacks its index or its manifest, and reads in a damaged one what it rests on", async () => {
    for (const [label, name] of [["20260101000000", "backup.chunks"], ["20260101000001", "backup.manifest"]] as const) {
      await store({ label });
      rmSync(pathOf(`${label}/${name}`));
      expect((await catalog().entries()).find((entry) => entry.label === label)).toMatchObject({ state: "invalid", problem: `its ${name} is missing` });
      expect(await catalog().find(label)).toMatchObject({ valid: false });
    }
    const { label } = await store({ label: "20260101000002", parent: "20260101000001", type: "incremental" });
    writeFileSync(pathOf(`${label}/backup.info`), readFileSync(pathOf(`${label}/backup.info`)).subarray(0, -70));
    expect((await catalog().entries()).at(-1)).toMatchObject({ label, state: "damaged", statedParent: "20260101000001" });
  });

  test("does not know what is not there, whatever it is called", async () => {
    await store({ label: "20260101000000" });
    for (const which of ["20260101000001", "", "..", "oldest ", "../../etc", "2026010100000"]) {
      await expect(catalog().find(which), which).rejects.toSatisfy(repositoryErrors.backupNotFound.is);
    }
  });

  test("never offers a backup that is not valid as the oldest or newest", async () => {
    await store({ label: "20260101000000", startLsn: lsn(100), valid: false });
    await store({ label: "20260101000001", startLsn: lsn(200) });
    await store({ label: "20260101000002", startLsn: lsn(300) });
    rmSync(pathOf("20260101000002/backup.sha256"));
    expect((await catalog().find("oldest")).label).toBe("20260101000001");
    expect((await catalog().find("newest")).label).toBe("20260101000001");
    expect(await catalog().find("20260101000002")).toMatchObject({ valid: false });
    expect((await catalog().entries()).map(({ label, state }) => [label, state])).toEqual([
      ["20260101000000", "invalid"],
      ["20260101000001", "valid"],
      ["20260101000002", "invalid"],
    ]);
    expect((await catalog().entries())[2]?.problem).toMatch(/backup\.sha256/);
  });

  test.each(["", "backup.info", "backup.sha256"])("does not list a backup that goes out of view before its %s is looked at", async (file) => {
    const [staying, going] = ["20260101000000", "20260101000001"];
    for (const label of [staying, going]) await store({ label });
    const path = `primary/backup/${going}${file === "" ? "" : `/${file}`}`;
    const { storage } = repository;
    const watched = {
      ...storage,
      async stat(looked: string) {
        if (looked === path) await hideBackup(storage, "primary", going).catch(() => undefined);
        return storage.stat(looked);
      },
    };
    const entries = await openCatalog(watched, "primary").entries();
    expect(entries.map(({ label, state }) => [label, state])).toEqual([[staying, "valid"]]);
  });

  test("lists damaged backups as damaged, and the others stay usable", async () => {
    await store({ label: "20260101000000" });
    await store({ label: "20260101000001" });
    await store({ label: "20260101000002" });
    await store({ label: "20260101000003" });
    writeFileSync(
      pathOf("20260101000001/backup.info"),
      readFileSync(pathOf("20260101000001/backup.info"), "utf8").replace("KEEP=0", "KEEP=1"),
    );
    writeFileSync(pathOf("20260101000002/backup.info"), "");
    rmSync(pathOf("20260101000003/backup.info"));
    const entries = await catalog().entries();
    expect(entries.map(({ label, state }) => [label, state])).toEqual([
      ["20260101000000", "valid"],
      ["20260101000001", "damaged"],
      ["20260101000002", "damaged"],
      ["20260101000003", "damaged"],
    ]);
    expect(entries[1]?.problem).toMatch(/20260101000001\/backup\.info.*does not match its digest/);
    expect((await catalog().list()).map(({ label }) => label)).toEqual(["20260101000000"]);
    expect((await catalog().find("newest")).label).toBe("20260101000000");
    await expect(catalog().find("20260101000001")).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
    await expect(catalog().find("20260101000003")).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
  });

  test("does not take the info of one backup for that of another", async () => {
    await store({ label: "20260101000000" });
    await store({ label: "20260101000001" });
    writeFileSync(pathOf("20260101000001/backup.info"), readFileSync(pathOf("20260101000000/backup.info")));
    expect((await catalog().entries()).map(({ state }) => state)).toEqual(["valid", "damaged"]);
  });

  requires("not-root").test("fails when the disk does, and does not call that damage", async () => {
    await store({ label: "20260101000000" });
    chmodSync(pathOf("20260101000000/backup.info"), 0);
    await expect(catalog().entries()).rejects.toSatisfy(storageErrors.denied.is);
  });

  test("knows backups of pgmoneta", async () => {
    storeForeign("20250101000000");
    storeForeign("20250102000000", (text) => text.replace("STATUS=1", "STATUS=0"));
    await store({ label: "20260101000000" });
    expect((await catalog().entries()).map(({ label, state }) => [label, state])).toEqual([
      ["20250101000000", "valid"],
      ["20250102000000", "invalid"],
      ["20260101000000", "valid"],
    ]);
    rmSync(pathOf("20250101000000/backup.sha512"));
    expect((await catalog().find("20250101000000")).valid).toBe(false);
  });
});

describe("labels of the catalog", () => {
  test("are greater than every backup and every leftover", async () => {
    const noon = Date.UTC(2026, 10, 20, 12, 0, 0);
    expect(await catalog().nextLabel(at(noon))).toBe("20261120120000");
    await store({ label: "20261120120000" });
    expect(await catalog().nextLabel(at(noon))).toBe("20261120120001");
    await repository.storage.openTree("primary/backup/20261120120005");
    expect(await catalog().nextLabel(at(noon))).toBe("20261120120006");
    mkdirSync(pathOf(".del_20261120120010~2"), { recursive: true });
    expect(await catalog().nextLabel(at(noon))).toBe("20261120120011");
    mkdirSync(pathOf("not-a-label"));
    expect(await catalog().nextLabel(at(noon))).toBe("20261120120011");
    expect(await catalog().nextLabel(at(noon + 60_000))).toBe("20261120120100");
  });
});

describe("changing a backup", () => {
  test("keeps everything but what was changed, in one step", async () => {
    const before = await store({ label: "20260101000000", comments: "a|b", unknown: [["FUTURE", "x"]] });
    const after = await catalog().setKeep("20260101000000", true);
    expect(after).toEqual({ ...before, keep: true });
    expect(await catalog().find("20260101000000")).toEqual({ ...before, keep: true });
    await catalog().setKeep("20260101000000", false);
    expect(await catalog().find("20260101000000")).toEqual(before);
  });

  test("never makes an invalid backup valid by the way", async () => {
    await store({ label: "20260101000000" });
    rmSync(pathOf("20260101000000/backup.sha256"));
    await catalog().setKeep("20260101000000", true);
    expect(await catalog().find("20260101000000")).toMatchObject({ keep: true, valid: false });
  });

  test("refuses one that is damaged or absent", async () => {
    await store({ label: "20260101000000" });
    writeFileSync(pathOf("20260101000000/backup.info"), "LABEL=20260101000000\n");
    await expect(catalog().setKeep("20260101000000", true)).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
    await expect(catalog().setKeep("20260101000001", true)).rejects.toSatisfy(repositoryErrors.backupNotFound.is);
  });

  test("of pgmoneta keeps its form, and its list of digests agrees", async () => {
    storeForeign("20250101000000");
    await catalog().setKeep("20250101000000", true);
    const info = readFileSync(pathOf("20250101000000/backup.info"), "utf8");
    expect(info).toBe(
      foreignInfo.toString().trimEnd().replace("KEEP=0", "KEEP=1").replace("20261120090138", "20250101000000") + "\n",
    );
    const list = readFileSync(pathOf("20250101000000/backup.sha512"), "utf8").split("\n");
    expect(list[0]).toBe(`${createHash("sha512").update(info).digest("hex")} *./backup.info`);
    expect(list[1]).toBe(`${"0".repeat(128)} *./data/PG_VERSION.zstd`);
  });
});

describe("leftovers", () => {
  test("are named and removed, and nothing else is", async () => {
    await store({ label: "20260101000000" });
    const tree = await repository.storage.openTree("primary/backup/20260101000001");
    await fill(tree, "data/base/1", "half");
    await store({ label: "20260101000002" });
    await hideBackup(repository.storage, "primary", "20260101000002");
    await repository.put("primary/wal/000000010000000000000001.zstd", "x");
    await repository.put("primary/wal/000000010000000000000002.partial", "x");
    for (const file of [
      "wal/.tmp_000000010000000000000001.zstd.12ab",
      "wal_gaps.json.tmp",
      "keys/current.tmp",
      "backup/20260101000000/backup.info.tmp",
    ]) {
      await repository.put(`primary/${file}`, "x");
    }
    const found = await catalog().leftovers();
    expect(found.map(({ path, what }) => [path, what])).toEqual([
      ["primary/backup/.del_20260101000002", "half-deleted backup"],
      ["primary/backup/.tmp_20260101000001", "unfinished backup"],
      ["primary/backup/20260101000000/backup.info.tmp", "unfinished file"],
      ["primary/wal_gaps.json.tmp", "unfinished file"],
      ["primary/wal/.tmp_000000010000000000000001.zstd.12ab", "unfinished file"],
      ["primary/keys/current.tmp", "unfinished file"],
    ]);
    expect(found[0]?.label).toBe("20260101000002");
    expect(await catalog().removeLeftovers()).toEqual(found);
    expect(await catalog().leftovers()).toEqual([]);
    expect((await catalog().list()).map(({ label }) => label)).toEqual(["20260101000000"]);
    expect((await repository.storage.list("primary/wal")).length).toBe(2);
  });
});

describe("deleting", () => {
  test("hides the backup at once and removes it afterwards", async () => {
    await store({ label: "20260101000000" });
    const hidden = await hideBackup(repository.storage, "primary", "20260101000000");
    expect(await catalog().entries()).toEqual([]);
    await expect(hideBackup(repository.storage, "primary", "20260101000000")).rejects.toSatisfy(
      repositoryErrors.backupNotFound.is,
    );
    expect((await removeHiddenBackup(repository.storage, hidden)).files).toBe(5);
    expect(await repository.storage.list("primary/backup")).toEqual([]);
    expect(await removeHiddenBackup(repository.storage, hidden)).toEqual({ files: 0, directories: 0 });
  });

  test("knows who continues a backup", () => {
    const full = sample({ label: "20260101000000" });
    const first = sample({ label: "20260101000001", parent: full.label, type: "incremental" });
    const second = sample({ label: "20260101000002", parent: first.label, type: "incremental" });
    const other = sample({ label: "20260101000003" });
    expect(descendantsOf(full.label, [second, other, first, full])).toEqual([first.label, second.label]);
    expect(descendantsOf(second.label, [full, first, second])).toEqual([]);
  });
});

describe("the metadata of a backup", () => {
  test("is checked against backup.info", async () => {
    const info = await store({ label: "20260101000000" });
    await verifyMetadata(repository.storage, "primary", info);
    writeFileSync(pathOf("20260101000000/backup.manifest"), "x");
    await expect(verifyMetadata(repository.storage, "primary", info)).rejects.toThrow(/backup\.manifest/);
    await verifyMetadata(repository.storage, "primary", info, ["backup.chunks"]);
    rmSync(pathOf("20260101000000/backup.manifest"));
    await expect(verifyMetadata(repository.storage, "primary", info)).rejects.toThrow(/missing/);
  });

  test("gives the chunk index only when it is the right one, before any entry", async () => {
    const info = await store({ label: "20260101000000" });
    const other = await store({ label: "20260101000001" });
    const entries: string[] = [];
    const read = (which: BackupInfo): Promise<unknown> =>
      readBackupChunks(repository.storage, "primary", which, { onEntry: ({ path }) => void entries.push(path) });
    await read(info);
    expect(entries.splice(0)).toEqual(["data/base"]);
    writeFileSync(pathOf("20260101000000/backup.chunks"), readFileSync(pathOf("20260101000001/backup.chunks")));
    await expect(read(info)).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
    // Even with a digest that agrees it is the one of another backup.
    await expect(read({ ...info, own: other.own })).rejects.toThrow(/20260101000001/);
    await expect(read({ ...info, own: undefined })).rejects.toThrow(/no chunk index/);
    expect(entries).toEqual([]);
  });
});

describe("the files of a backup, looked up by path", () => {
  const file = (path: string, size: number, chunks: number): IndexedFile => ({
    kind: "file",
    path,
    mode: 0o600,
    size: size * chunks,
    suffix: "",
    digest: "ab".repeat(32),
    crc32c: 1,
    storedSize: size * chunks,
    storedDigest: "ab".repeat(32),
    headerSize: 0,
    chunks: Array.from({ length: chunks }, () => ({ stored: size, plain: size, crc32c: 7 })),
  });

  test("are found with their sizes, however many lines they take, and nothing else is", async () => {
    const odd = pathFromBytes(Buffer.from([0x64, 0xff, 0x0a, 0x22, 0x5c, 0xc3, 0xa9]));
    const files = [file("data/base/1/1", 8192, 1), file("data/huge", 1024, 9000), file(odd, 3, 2), file("data/empty", 0, 1)];
    const many = Array.from({ length: 5000 }, (_, n) => file(`data/base/5/${n}`, n, 1));
    const info = await store({ label: "20261120090138", entries: [...files, ...many] });
    // The number of files that backup.info states is only a hint.
    const lookup = await openChunkLookup(repository.storage, "primary", info);
    for (const one of [...files, ...many]) expect(await lookup.find(one.path, one.size)).toEqual(one);
    expect(lookup.find("data/base/1/1", 8191)).toBeUndefined();
    let found = 0;
    for (let n = 0; n < 5000; n += 1) if (lookup.find(`data/base/6/${n}`, n) !== undefined) found += 1;
    // A fingerprint of 32 bits meets another one once in a million here; what it leads to is not the file.
    expect(found).toBeLessThan(3);
    await lookup.close();
  });

  test("are not when the index is not the one that was written", async () => {
    const info = await store({ label: "20261120090138" });
    writeFileSync(pathOf("20261120090138/backup.chunks"), "changed");
    await expect(openChunkLookup(repository.storage, "primary", info)).rejects.toSatisfy(repositoryErrors.backupDamaged.is);
  });
});
