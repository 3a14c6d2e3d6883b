import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createFileSum } from "../../../src/backup/manifest-check.ts";
import { checksumPage, lsn } from "../../../src/postgres/index.ts";
import { crc32c } from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { closing, directory, file, header, symlink } from "../tar/tar-archive.ts";
import { openArchiveHouse, type ArchiveHouse, type ArchiveHouseOptions } from "./archive-house.ts";

let house: ArchiveHouse;
const open = async (options?: ArchiveHouseOptions): Promise<ArchiveHouse> => (house = await openArchiveHouse(options));
afterEach(() => house.close());

const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;
const label = Buffer.from("START WAL LOCATION: …\n");
const body = sampleBytes(20_000);
const away = [{ oid: 16400, name: "fast disk", location: "/mnt/fast" }];

describe("an archive", () => {
  it("becomes files, directories and links of the tree, empty ones and their modes included", async () => {
    await open({ tablespaces: away });
    const archive = Buffer.concat([
      file("backup_label", label),
      directory("base"),
      directory("base/5"),
      file("base/5/1259", body, 0o640),
      file("base/5/empty", Buffer.alloc(0)),
      directory("pg_notify"),
      symlink("pg_tblspc/16400", "/mnt/fast"),
      file("pg_wal/archive_status", Buffer.from("x")),
      closing,
    ]);
    const reader = house.reader();
    for (let at = 0; at < archive.length; at += 700) reader.write(archive.subarray(at, at + 700));
    reader.finish();
    const second = house.reader(16400);
    second.write(Buffer.concat([directory("PG_15_202209061"), file("PG_15_202209061/5/2619", body)]));
    second.finish();
    const entries = await house.commit();

    expect(entries.map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([
      "directory data/base",
      "directory data/base/5",
      "directory data/pg_notify",
      "directory tblspc_fast%20disk/PG_15_202209061",
      "file data/backup_label",
      "file data/base/5/1259",
      "file data/base/5/empty",
      "file data/pg_wal/archive_status",
      "file tblspc_fast%20disk/PG_15_202209061/5/2619",
      "symlink data/pg_tblspc/16400",
    ]);
    expect(entries.find(({ path }) => path === "data/base/5/1259")).toMatchObject({ mode: 0o640, size: body.length, suffix: "" });
    expect(entries.find(({ kind }) => kind === "symlink")).toMatchObject({ target: "/mnt/fast" });
    const tree = house.storage.absolutePath("b");
    expect(await readFile(join(tree, "data/base/5/1259"))).toEqual(body);
    expect(await readFile(join(tree, "data/base/5/empty"))).toHaveLength(0);
    expect(await readdir(join(tree, "data/pg_notify"))).toEqual([]);
    expect(await readlink(join(tree, "data/pg_tblspc/16400"))).toBe("../../tblspc_fast%20disk");
    expect(await readFile(join(tree, "data/pg_tblspc/16400/PG_15_202209061/5/2619"))).toEqual(body);
    expect(house.received()).toBe(archive.length + 512 + 512 + 20_480);
    expect(house.empty).toEqual([]);
  });

  it("is summed up under the names of the server's manifest, and measured as pgmoneta does", async () => {
    await open({ tablespaces: away });
    const reader = house.reader();
    reader.write(Buffer.concat([file("base/1", body), file("pg_wal/x", body), file("one", Buffer.from("1")), closing]));
    reader.finish();
    const second = house.reader(16400);
    second.write(file("base/1", body));
    second.finish();
    await house.commit();
    const crc = crc32c(body);
    const expected = createFileSum();
    for (const path of ["base/1", "pg_wal/x", "pg_tblspc/16400/base/1"]) expected.add({ path, size: body.length, crc32c: crc });
    expected.add({ path: "one", size: 1, crc32c: crc32c(Buffer.from("1")) });
    expect(house.found.equals(expected)).toBe(true);
    expect(house.sizes).toEqual({ files: 4, biggestFile: body.length, restoredBytes: 2 * 20_480 + 4096 });
  });

  it("keeps labels readable where everything else is compressed, and what must be read", async () => {
    await open({ spec: { compression: "gzip", encryption: "none" } });
    const control = sampleBytes(8192);
    const reader = house.reader();
    reader.write(Buffer.concat([file("backup_label", label), file("tablespace_map", label), file("global/pg_control", control), file("base/backup_label", label)]));
    reader.finish();
    const entries = await house.commit();
    const suffixes = new Map(entries.map((entry) => [entry.path, entry.kind === "file" ? entry.suffix : undefined]));
    expect(Object.fromEntries(suffixes)).toEqual({
      "data/backup_label": "",
      "data/tablespace_map": "",
      "data/global/pg_control": ".gz",
      "data/base/backup_label": ".gz",
    });
    expect(house.kept.content("backup_label")).toEqual(label);
    expect(house.kept.content("global/pg_control")).toEqual(control);
  });

  it("keeps names of any bytes", async () => {
    await open();
    const name = Buffer.concat([Buffer.from("base/"), Buffer.from([0xff, 0xfe, 0x0a, 0x22, 0x5c, 0x20])]);
    const reader = house.reader();
    reader.write(file(name, body));
    reader.finish();
    await house.commit();
    const names = await readdir(house.storage.absolutePath("b/data/base"), { encoding: "buffer" });
    expect(names).toEqual([name.subarray(5)]);
  });

  it("has the links of its tablespaces whether or not the server sends them, and none to those in the data directory", async () => {
    await open({ tablespaces: [...away, { oid: 16500, name: "inside", location: "pg_tblspc/16500" }] });
    const reader = house.reader();
    reader.write(Buffer.concat([directory("pg_tblspc"), directory("pg_tblspc/16500")]));
    reader.finish();
    expect((await house.commit()).map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([
      "directory data/pg_tblspc",
      "directory data/pg_tblspc/16500",
      "symlink data/pg_tblspc/16400",
    ]);
    expect(await readlink(house.storage.absolutePath("b/data/pg_tblspc/16400"))).toBe("../../tblspc_fast%20disk");
  });

  it("without an entry is reported: a dangling tablespace must not vanish silently", async () => {
    await open({ tablespaces: away });
    house.reader(16400).finish();
    expect(house.empty).toEqual([16400]);
    expect(() => house.reader().finish()).toThrow(code("BACKUP_MISMATCH"));
  });
});

describe("page checksums in the stream", () => {
  const page = (block: number, position: number): Buffer => {
    const bytes = sampleBytes(8192, "noise", block + 1);
    bytes.writeUInt32LE(0, 0);
    bytes.writeUInt32LE(position, 4);
    bytes.writeUInt16LE(8192, 14);
    bytes.writeUInt16LE(checksumPage(bytes, block), 8);
    return bytes;
  };

  it("name damaged files and count damaged pages, in relations only, and not in pages that WAL will replace", async () => {
    const startLsn = lsn(0x2000028);
    await open({ pages: { blockSize: 8192, relationSegmentBlocks: 131_072, startLsn }, tablespaces: away });
    const good = page(0, 0x1000000);
    const bad = page(1, 0x1000000);
    bad.writeUInt8(bad.readUInt8(5000) ^ 1, 5000);
    const changing = page(2, 0x2000028);
    changing.writeUInt8(changing.readUInt8(5000) ^ 1, 5000);
    const relation = Buffer.concat([good, bad, changing, Buffer.alloc(8192)]);
    const reader = house.reader();
    reader.write(Buffer.concat([file("base/5/1259", relation), file("base/5/1260", good), file("base/5/pg_filenode.map", bad)]));
    reader.finish();
    const second = house.reader(16400);
    second.write(file("PG_15_202209061/5/2619", relation));
    second.finish();
    await house.store.settled();
    expect(house.pages.badPages).toBe(2);
    // In the order in which their pages were summed, which is that of threads.
    expect([...house.pages.damagedFiles].sort()).toEqual(["base/5/1259", "pg_tblspc/16400/PG_15_202209061/5/2619"]);
  });
});

describe("a hostile archive is refused", () => {
  it.each<[string, string, Buffer]>([
    ["a name that leads out", "TAR_ENTRY_REFUSED", file("../../evil", body)],
    ["a name that leads out in its middle", "TAR_ENTRY_REFUSED", file("base/../../../evil", body)],
    ["an absolute name", "TAR_ENTRY_REFUSED", file("/tmp/evil", body)],
    ["a device", "TAR_ENTRY_REFUSED", header({ name: "base/null", type: "3" })],
    ["a hard link", "TAR_ENTRY_REFUSED", header({ name: "base/x", type: "1", link: "/etc/passwd" })],
    ["a link where no tablespace is", "BACKUP_MISMATCH", symlink("base/link", "/etc")],
    ["a link to a tablespace that was not named", "BACKUP_MISMATCH", symlink("pg_tblspc/16401", "/etc")],
    ["a file behind the link of a tablespace", "BACKUP_MISMATCH", Buffer.concat([symlink("pg_tblspc/16400", "/mnt/fast"), file("pg_tblspc/16400/evil", body)])],
    ["a directory in the place of such a link", "BACKUP_MISMATCH", directory("pg_tblspc/16400/PG_15")],
    ["a label without end", "BACKUP_MISMATCH", header({ name: "backup_label", size: 1_000_000_000 })],
    ["a control file without end", "BACKUP_MISMATCH", header({ name: "global/pg_control", size: 70_000 })],
    ["a body that is cut off", "TAR_MALFORMED", file("base/1", body).subarray(0, 1024)],
  ])("%s: %s", async (_what, expected, archive) => {
    await open({ tablespaces: away });
    const reader = house.reader();
    expect(() => {
      reader.write(archive);
      reader.finish();
    }).toThrow(code(expected));
    await house.close();
    expect(await readdir(house.outside)).toEqual(["repository"]);
    expect(await house.storage.list("")).toEqual([]);
  });

  it.each<[string, string, Buffer[]]>([
    ["the same file twice", "STORAGE_EXISTS", [file("base/1", body), file("base/1", body)]],
    ["a file that is a directory", "STORAGE_EXISTS", [file("base/1", body), directory("base/1")]],
    ["a file below a file", "STORAGE_PATH_REFUSED", [file("base", body), file("base/1", body)]],
    ["the manifest's place taken", "STORAGE_EXISTS", [file("backup_manifest", body), file("backup_manifest", body)]],
  ])("%s, when it is stored: %s", async (_what, expected, entries) => {
    await open();
    const reader = house.reader();
    // One after the other, so that it is clear which comes second.
    for (const entry of entries) {
      reader.write(entry);
      await house.store.idle();
    }
    await expect(house.store.settled()).rejects.toEqual(code(expected));
    expect(house.store.signal.reason).toEqual(code(expected));
  });

  it("an archive of a tablespace that was not named", async () => {
    await open({ tablespaces: away });
    expect(() => house.reader(4711)).toThrow(code("BACKUP_MISMATCH"));
  });

  it("nothing is taken for a label that did not come", async () => {
    await open();
    expect(() => house.kept.content("backup_label")).toThrow(/sent no "backup_label"/);
  });
});
