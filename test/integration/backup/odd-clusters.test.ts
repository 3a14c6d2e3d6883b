/** Clusters that are not like others: tablespaces everywhere, damaged pages, a role with few rights. */
import { existsSync, mkdirSync } from "node:fs";
import { open, readFile, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createLogger, type LogRecord } from "../../../src/log/index.ts";
import { readBackupChunks, type IndexedSymlink } from "../../../src/repository/index.ts";
import { createCluster, type Cluster, type ClusterOptions } from "../../support/postgres-cluster.ts";
import { requires, testOnMajors } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { connectTo, expectVerified, extract, openHouse, type House } from "./house.ts";

let cluster: Cluster | undefined;
let house: House | undefined;

afterEach(async () => {
  await house?.close();
  await cluster?.destroy();
  cluster = house = undefined;
});

async function start(options: ClusterOptions = {}): Promise<{ cluster: Cluster; house: House }> {
  cluster = await createCluster(options);
  house = await openHouse(cluster);
  return { cluster, house };
}

/** A directory in which the server may make a tablespace. */
function location(name: string): string {
  const path = join(temporaryDirectory({ prefix: "mts", unprivileged: true }).path, name);
  mkdirSync(path);
  giveToUnprivileged(path);
  return path;
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

describe("tablespaces", () => {
  requires("postgres-15", "pg_verifybackup", "zstd").it("twenty, one empty, with odd names and places, are stored by name and linked by number", async () => {
    const { cluster, house } = await start();
    const names = ["plain", "with space", "UPPER", "upper", 'quo"te', "per%cent", "slash/ed", "ümläut 🐘", "16400", "-dash", ...Array.from({ length: 10 }, (_, n) => `t${n}`)];
    const places = new Map<string, string>();
    for (const name of names) {
      const place = location(name === "with space" ? "a place with spaces" : "place");
      places.set(name, place);
      await cluster.sql(`CREATE TABLESPACE ${quoted(name)} LOCATION '${place}'`);
      if (name !== "t9") await cluster.sql(`CREATE TABLE ${quoted(`in ${name}`)} TABLESPACE ${quoted(name)} AS SELECT g, md5(g::text) FROM generate_series(1, 500) g`);
    }
    for (const spec of [{ compression: "none", encryption: "none" }, { compression: "zstd", encryption: "none" }] as const) {
      const { info, warnings } = await house.backup({ spec });
      expect(warnings).toEqual([]);
      const plain = await extract(house, info);
      await expectVerified(plain);
      if (spec.compression === "none") await expectVerified(house.path(info.label));
      expect(info.tablespaces).toHaveLength(names.length);
      const links = new Map<string, IndexedSymlink>();
      await readBackupChunks(house.storage, "primary", info, { onEntry: (entry) => void (entry.kind === "symlink" && links.set(entry.path, entry)) });
      for (const [oid = "", name = ""] of await cluster.sql("SELECT oid, spcname FROM pg_tablespace WHERE oid > 16383")) {
        const tablespace = info.tablespaces.find((one) => one.oid === Number(oid));
        expect(tablespace).toMatchObject({ name, location: places.get(name) });
        const link = join(house.path(info.label), "data/pg_tblspc", oid);
        expect(await readlink(link)).toBe(`../../${tablespace?.directory ?? ""}`);
        expect((await readdir(link)).every((entry) => entry.startsWith("PG_15_"))).toBe(true);
        expect(links.get(`data/pg_tblspc/${oid}`)).toMatchObject({ target: places.get(name) });
      }
      const map = await readFile(join(house.path(info.label), "data/tablespace_map"), "utf8");
      expect(map.trim().split("\n")).toHaveLength(names.length);
    }
  });

  testOnMajors([13, 14, 18], "PostgreSQL %s sends each in an archive of its own", async (major) => {
    const { cluster, house } = await start({ major });
    await cluster.sql(`CREATE TABLESPACE "a b" LOCATION '${location("x")}'`);
    await cluster.sql('CREATE TABLE t TABLESPACE "a b" AS SELECT g, md5(g::text) FROM generate_series(1, 1000) g');
    const { info, warnings } = await house.backup();
    expect(warnings).toEqual([]);
    const relation = await cluster.value("SELECT pg_relation_filepath('t')");
    expect(existsSync(join(house.path(info.label), "data", relation))).toBe(true);
  });

  testOnMajors([17], "PostgreSQL %s backs up those in the data directory too", async (major) => {
    const { cluster, house } = await start({ major });
    const session = await cluster.connect();
    await session.query("SET allow_in_place_tablespaces = on");
    await session.query("CREATE TABLESPACE inside LOCATION ''");
    await session.query("CREATE TABLE t TABLESPACE inside AS SELECT g, md5(g::text) FROM generate_series(1, 1000) g");
    const { info, warnings } = await house.backup();
    expect(warnings).toEqual([]);
    const [tablespace] = info.tablespaces;
    expect(tablespace).toMatchObject({ name: "inside", location: expect.stringMatching(/^pg_tblspc\/\d+$/) as string });
    const relation = await cluster.value("SELECT pg_relation_filepath('t')");
    const inside = relation.split("/").slice(2).join("/");
    expect((await stat(join(house.path(info.label), tablespace?.directory ?? "", inside))).size).toBe(Number(await cluster.value("SELECT pg_relation_size('t')")));
  });
});

describe("damaged pages on the server", () => {
  /** Changes bytes in the middle of pages of a table's file while the server does not look. */
  async function damage(of: Cluster, table: string, blocks: readonly number[]): Promise<string> {
    const path = await of.value(`SELECT pg_relation_filepath('${table}')`);
    await of.stop();
    const file = await open(join(of.dataDir, path), "r+");
    for (const block of blocks) await file.write(Buffer.from("damaged"), 0, 7, block * 8192 + 5000);
    await file.close();
    await of.start();
    return path;
  }

  requires("postgres-15", "pg_verifybackup").it("are named with file and block; the backup is kept as it is, and flagged", async () => {
    const { cluster, house } = await start();
    await cluster.sql("CREATE TABLE good AS SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g; CREATE TABLE bad AS TABLE good");
    const path = await damage(cluster, "bad", [3, 7, 8]);
    await house.streaming();
    const lines: LogRecord[] = [];
    const { info, warnings } = await house.backup({}, { logger: createLogger([], "info", (line) => lines.push(line)) });
    expect(info).toMatchObject({ valid: true, own: { pageChecksums: "bad", badPages: 3, damagedFiles: [path] } });
    expect(warnings.filter((text) => !text.startsWith("the server says"))).toEqual([expect.stringContaining(`damaged pages (${path})`)]);
    expect(lines.find(({ level }) => level === "error")?.message).toBe(`"${path}" has 3 damaged pages on the server: blocks 3, 7, 8`);
    await expectVerified(house.path(info.label));
    const [listed] = await house.catalog.list();
    expect(listed?.own).toMatchObject({ pageChecksums: "bad", badPages: 3, damagedFiles: [path] });
  });

  it("are flagged as well where the tail of a large relation or a tablespace has them", async () => {
    const { cluster, house } = await start();
    await cluster.sql(`CREATE TABLESPACE far LOCATION '${location("x")}'`);
    await cluster.sql("CREATE TABLE bad TABLESPACE far AS SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g");
    const path = await damage(cluster, "bad", [1]);
    await house.streaming();
    const { info } = await house.backup({ spec: { compression: "lz4", encryption: "none" } });
    expect(info.own).toMatchObject({ pageChecksums: "bad", badPages: 1, damagedFiles: [path] });
  });

  it("cannot be known of a cluster without checksums, which is not called good", async () => {
    const { house } = await start({ checksums: false });
    const { info } = await house.backup();
    expect(info.own).toMatchObject({ pageChecksums: "off", badPages: 0 });
  });
});

describe("a role with the documented rights only", () => {
  it("takes a backup without a warning", async () => {
    const { cluster, house } = await start();
    await cluster.sql("CREATE ROLE moneta LOGIN REPLICATION; GRANT pg_read_all_settings TO moneta");
    const { info, warnings } = await house.backup({ connect: { ...connectTo(cluster), user: "moneta" } });
    expect(warnings).toEqual([]);
    expect(info.valid).toBe(true);
  });

  it("and without an SQL connection takes it all the same, is told what that costs, and calls tablespaces by number", async () => {
    cluster = await createCluster({ hba: ["local postgres moneta reject"] });
    house = await openHouse(cluster);
    await cluster.sql("CREATE ROLE moneta LOGIN REPLICATION");
    await cluster.sql(`CREATE TABLESPACE far LOCATION '${location("x")}'`);
    const { info, warnings } = await house.backup({ connect: { ...connectTo(cluster), user: "moneta" } });
    expect(warnings).toEqual([expect.stringContaining("no SQL connection"), expect.stringContaining('GRANT pg_read_all_settings TO "moneta"')]);
    expect(info.tablespaces.map(({ directory, oid }) => directory === `tblspc_${oid}`)).toEqual([true]);
  });
});
