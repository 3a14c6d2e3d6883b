import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import {
  createPageVerifier,
  formatBackupLabel,
  formatLsn,
  formatTablespaceMap,
  isRelationFile,
  parseBackupLabel,
  parseControlFile,
  parseLsn,
  parseTablespaceMap,
  pathFromBytes,
  readBackupManifest,
  segmentName,
} from "../../../src/postgres/index.ts";
import type { ManifestFile, ManifestSummary } from "../../../src/postgres/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { run, runOrFail } from "../../support/processes.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";

const base = requires("postgres-15", "pg_basebackup");
const tools = requires("postgres-15", "pg_basebackup", "pg_verifybackup");
const damageTools = requires("postgres-15", "pg_checksums");
const asServer = { unprivileged: true } as const;

async function readManifest(path: string): Promise<{ files: ManifestFile[]; summary: ManifestSummary }> {
  const files: ManifestFile[] = [];
  const handle = await open(path);
  try {
    const source = handle.createReadStream({ highWaterMark: 1000 }) as AsyncIterable<Buffer>;
    const summary = await readBackupManifest(source, (file) => files.push(file));
    return { files, summary };
  } finally {
    await handle.close();
  }
}

base.describe("a base backup of PostgreSQL 15 with tablespaces of unusual names", () => {
  let cluster: Cluster;
  const locations: string[] = [];

  beforeAll(async () => {
    cluster = await createCluster();
    for (const [index, name] of ["plain", " with space ", "back\\slash", "line\nfeed\rreturn", "ä"].entries()) {
      const location = join(cluster.root, `ts-${name}`);
      await mkdir(location);
      giveToUnprivileged(location);
      await cluster.sql(`CREATE TABLESPACE t${index} LOCATION '${location}'`);
      await cluster.sql(`CREATE TABLE t${index} TABLESPACE t${index} AS SELECT generate_series(1, 500)`);
      locations.push(location);
    }
  });
  afterAll(() => cluster.destroy());

  const connection = (): string[] => [
    "-h",
    cluster.socketDir,
    "-p",
    String(cluster.port),
    "-U",
    "postgres",
    "-X",
    "none",
    "-c",
    "fast",
  ];

  base.it("has a backup_label and a tablespace_map that we read and write to the byte", async () => {
    const target = temporaryDirectory({ prefix: "mbb", unprivileged: true });
    await runOrFail(
      tool("pg_basebackup"),
      [...connection(), "-Ft", "-D", join(target.path, "b"), "-l", "our \\ label ä"],
      asServer,
    );
    const tar = join(target.path, "b", "base.tar");
    const extract = async (name: string): Promise<Buffer> =>
      Buffer.from(await runOrFail("tar", ["-xOf", tar, name]), "utf8");
    const label = await extract("backup_label");
    const parsed = parseBackupLabel(label);
    expect(formatBackupLabel(parsed).equals(label)).toBe(true);
    expect(parsed).toMatchObject({ label: "our \\ label ä", method: "streamed", from: "primary", timeline: 1 });
    expect(parsed.startSegment).toBe(segmentName(parsed.timeline, parsed.startLsn, 16 * 1024 * 1024));
    const map = await extract("tablespace_map");
    expect(formatTablespaceMap(parseTablespaceMap(map)).equals(map)).toBe(true);
    const known = await cluster.sql(
      "SELECT oid, pg_tablespace_location(oid) FROM pg_tablespace WHERE oid >= 16384 ORDER BY oid",
    );
    const read = parseTablespaceMap(map).map(({ oid, path }) => [String(oid), path]);
    expect(read.sort(([a], [b]) => Number(a) - Number(b))).toEqual(known);
    expect(known.map(([, path]) => path)).toEqual(locations);
    const { summary } = await readManifest(join(target.path, "b", "backup_manifest"));
    expect(summary.walRanges[0]).toMatchObject({ timeline: 1, start: parsed.startLsn });
    await target.remove();
  });

  tools.it("has a manifest of which we and pg_verifybackup think the same, sound or damaged", async () => {
    const target = temporaryDirectory({ prefix: "mbb", unprivileged: true });
    const data = join(target.path, "b");
    await writeFile(Buffer.concat([Buffer.from(`${cluster.dataDir}/`), Buffer.from("6fff64", "hex")]), "odd");
    const mapping = locations.flatMap((from, index) => [
      "-T",
      `${from.replaceAll("=", "\\=")}=${join(target.path, `t${index}`)}`,
    ]);
    await runOrFail(tool("pg_basebackup"), [...connection(), "-Fp", "-D", data, ...mapping], asServer);
    const manifest = join(data, "backup_manifest");
    const judge = async (): Promise<boolean> =>
      (await run(tool("pg_verifybackup"), ["-n", "-q", data], asServer)).status === 0;
    expect(await judge()).toBe(true);
    const { files, summary } = await readManifest(manifest);
    const onDisk = execFileSync("find", [data, "-type", "f", "-printf", "%P\\0"], { encoding: "latin1" })
      .split("\0")
      .map((name) => pathFromBytes(Buffer.from(name, "latin1")))
      .filter((path) => path !== "" && path !== "backup_manifest");
    const inTablespaces = files.filter((file) => file.path.startsWith("pg_tblspc/"));
    expect(inTablespaces).toHaveLength(locations.length);
    expect(inTablespaces.every((file) => isRelationFile(file.path))).toBe(true);
    expect(
      files
        .map((file) => file.path)
        .filter((path) => !path.startsWith("pg_tblspc/"))
        .sort(),
    ).toEqual(onDisk.sort());
    expect(summary.fileCount).toBe(files.length);

    const sound = await readFile(manifest);
    // Somewhere in the version, a path, a size, a checksum, the WAL range, and the manifest's own checksum.
    const places = ["Version", "PG_VERSION", '"Size": ', '"Checksum": "', "Start-LSN", "Manifest-Checksum"];
    for (const place of places) {
      const damaged = Buffer.from(sound);
      const at = damaged.indexOf(place) + place.length + 6;
      damaged[at] = damaged[at] === 0x31 ? 0x32 : 0x31;
      await writeFile(manifest, damaged);
      expect(await judge(), place).toBe(false);
      await expect(readManifest(manifest), place).rejects.toMatchObject({ code: "BACKUP_MANIFEST_DAMAGED" });
    }
    for (const length of [0, 1, sound.length >> 1, sound.length - 1]) {
      await writeFile(manifest, sound.subarray(0, length));
      expect(await judge()).toBe(false);
      await expect(readManifest(manifest)).rejects.toMatchObject({ code: "BACKUP_MANIFEST_DAMAGED" });
    }
    await target.remove();
  });
});

damageTools.describe("pg_checksums and pg_controldata of PostgreSQL 15", () => {
  let cluster: Cluster;
  const blockSize = 8192;

  beforeAll(async () => {
    cluster = await createCluster();
    await cluster.sql("CREATE TABLE t AS SELECT i, repeat('x', 500) AS filler FROM generate_series(1, 3000) AS i");
    await cluster.sql("CHECKPOINT");
  });
  afterAll(() => cluster.destroy());

  damageTools.it("agree with us on pg_control of a stopped server", async () => {
    await cluster.stop();
    const file = parseControlFile(await readFile(join(cluster.dataDir, "global/pg_control")));
    const env = { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] };
    const text = await runOrFail(tool("pg_controldata"), [cluster.dataDir], { ...asServer, env });
    const said = new Map(
      text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
    );
    expect(said.get("Database cluster state")).toBe("shut down");
    expect(file.state).toBe("shut-down");
    expect(said.get("Database system identifier")).toBe(file.systemIdentifier);
    expect(said.get("Latest checkpoint location")).toBe(formatLsn(file.checkpointLsn));
    expect(said.get("Latest checkpoint's NextXID")).toBe(`0:${file.nextXid}`);
    expect(Date.parse(`${said.get("Time of latest checkpoint") ?? ""} UTC`)).toBe(file.checkpointTime);
    expect(Date.parse(`${said.get("pg_control last modified") ?? ""} UTC`)).toBe(file.modifiedTime);
  });

  /** What we find in a file of the data directory: numbers of bad blocks and their checksums. */
  async function verify(path: string) {
    const options = { path, startLsn: parseLsn("FFFFFFFF/FFFFFFFF"), blockSize, relationSegmentBlocks: 131072 };
    const verifier = createPageVerifier(options);
    if (verifier === null) throw new Error(`${path} is taken for something else`);
    verifier.update(await readFile(join(cluster.dataDir, path)));
    return verifier.finish();
  }

  async function damage(path: string, block: number): Promise<void> {
    const handle = await open(join(cluster.dataDir, path), "r+");
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, block * blockSize + 3000);
    byte[0] = (byte[0] ?? 0) ^ 0x10;
    await handle.write(byte, 0, 1, block * blockSize + 3000);
    await handle.close();
  }

  damageTools.it("name the same damaged pages as we do, also in later files of a relation", async () => {
    await cluster.start();
    const first = await cluster.value("SELECT pg_relation_filepath('t')");
    await cluster.stop();
    // A second and a third file of the relation: --enable writes the checksums of the blocks that they stand for.
    for (const suffix of [".1", ".2"]) {
      await copyFile(join(cluster.dataDir, first), join(cluster.dataDir, first + suffix));
      await chmod(join(cluster.dataDir, first + suffix), 0o600);
      giveToUnprivileged(join(cluster.dataDir, first + suffix));
    }
    const checksums = (...args: string[]) => run(tool("pg_checksums"), [...args, "-D", cluster.dataDir], asServer);
    expect((await verify(`${first}.1`)).badCount).toBeGreaterThan(100);
    expect((await checksums("--check")).status).toBe(1);
    for (const action of ["--disable", "--enable", "--check"]) expect((await checksums(action)).status, action).toBe(0);
    const wanted = new Map([
      [first, [0, 7]],
      [`${first}.1`, [3]],
      [`${first}.2`, []],
    ]);
    for (const [path, blocks] of wanted) {
      expect((await verify(path)).badCount, path).toBe(0);
      for (const block of blocks) await damage(path, block);
    }
    const judged = await checksums("--check");
    expect(judged.status).toBe(1);
    const pattern =
      /checksum verification failed in file "([^"]+)", block (\d+): calculated checksum ([0-9A-F]+) but block contains ([0-9A-F]+)/g;
    const theirs = [...judged.stderr.matchAll(pattern)].map(([, path, block, expected, found]) => ({
      path: (path ?? "").slice(cluster.dataDir.length + 1),
      block: Number(block),
      expected: Number.parseInt(expected ?? "", 16),
      found: Number.parseInt(found ?? "", 16),
    }));
    const ours = [];
    for (const path of wanted.keys()) ours.push(...(await verify(path)).bad.map((bad) => ({ path, ...bad })));
    const order = (a: { path: string; block: number }, b: typeof a) =>
      a.path.localeCompare(b.path) || a.block - b.block;
    expect(ours).toHaveLength(3);
    expect(ours.sort(order)).toEqual(theirs.sort(order));
  });
});
