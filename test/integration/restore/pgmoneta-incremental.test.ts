/** Incremental backups that pgmoneta 0.22 took of PostgreSQL 17: what a chain of them is restored to, what is found wrong with it. */
import { copyFileSync, readdirSync, readFileSync, renameSync, statSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { deriveMasterKey, type KeyRing, type MasterKey } from "../../../src/encryption/index.ts";
import { openCatalog } from "../../../src/repository/index.ts";
import { consistencyHistory, openClusterStream, restore, type RestoreOptions } from "../../../src/restore/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { verify } from "../../../src/verify/index.ts";
import { takeBaseBackup } from "../../support/base-backup.ts";
import { layBackup, layWal, type PgmonetaForm, type TakenBackup } from "../../support/pgmoneta-repository.ts";
import { findPostgres } from "../../support/postgres-binaries.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { dependencies, program, promoted, startOn } from "./rig.ts";

const segmentSize = 1024 * 1024;
const labels = ["20261120090138", "20261120100138", "20261120110138"] as const;
const tables = ["grows", "shrinks", "changes", "later"] as const;
let cluster: Cluster | undefined;
let master: MasterKey;
let received: string;
const taken: TakenBackup[] = [];
/** What each table held when a backup was taken, by label. */
const states = new Map<string, readonly string[]>();
let end: readonly string[];

/** Rows and their content of every table; of one that is not there nothing. */
async function stateOf(server: Cluster): Promise<string[]> {
  const states: string[] = [];
  for (const table of tables) {
    const there = (await server.value(`SELECT to_regclass('${table}') IS NOT NULL`)) === "t";
    states.push(there ? await server.value(`SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t)), '') FROM ${table} t`) : "");
  }
  return states;
}

async function take(source: Cluster, label: string, parent: TakenBackup | undefined): Promise<void> {
  states.set(label, await stateOf(source));
  const { path } = temporaryDirectory({ prefix: "mbase" });
  const backup = await takeBaseBackup(source, path, parent?.data);
  taken.push({
    ...backup,
    label,
    tablespaces: [],
    majorVersion: 17,
    minorVersion: 0,
    segmentSize,
    ...(parent === undefined ? {} : { parent: parent.label }),
  });
}

const { describe, it } = requires("postgres-17", "zstd");

beforeAll(async () => {
  master = await deriveMasterKey("a long pass phrase", Buffer.alloc(16, 1));
  if (findPostgres(17) === undefined) return;
  const source = await createCluster({ major: 17, walSegmentSize: segmentSize, settings: { summarize_wal: true, wal_keep_size: "1GB" } });
  cluster = source;
  await source.sql("CREATE TABLE grows AS SELECT g, md5(g::text) AS v FROM generate_series(1, 3000) g");
  await source.sql("CREATE TABLE shrinks AS SELECT g, md5(g::text) AS v FROM generate_series(1, 20000) g");
  await source.sql("CREATE TABLE changes AS SELECT g, md5(g::text) AS v FROM generate_series(1, 20000) g; CREATE INDEX ON changes (g)");
  await take(source, labels[0], undefined);
  await source.sql("INSERT INTO grows SELECT g, md5(g::text) FROM generate_series(3001, 9000) g");
  await source.sql("UPDATE changes SET v = 'changed' WHERE g % 1000 = 0");
  await source.sql("DELETE FROM shrinks WHERE g > 500");
  // Truncates the file; what is written behind comes back in the second incremental backup.
  await source.sql("VACUUM shrinks");
  await take(source, labels[1], taken[0]);
  await source.sql("CREATE TABLE later AS SELECT g FROM generate_series(1, 5000) g");
  await source.sql("INSERT INTO shrinks SELECT g, 'again' FROM generate_series(30000, 42000) g");
  await source.sql("UPDATE changes SET v = 'changed twice' WHERE g BETWEEN 7000 AND 7100");
  await take(source, labels[2], taken[1]);
  await source.sql("INSERT INTO later SELECT g FROM generate_series(5001, 5100) g");
  end = await stateOf(source);
  await source.sql("SELECT pg_switch_wal()");
  const current = await source.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  received = temporaryDirectory({ prefix: "mwal" }).path;
  const wal = join(source.dataDir, "pg_wal");
  for (const name of readdirSync(wal)) if (/^[0-9A-F]{24}$/.test(name) && name < current) copyFileSync(join(wal, name), join(received, name));
  await source.stop();
});
afterAll(async () => {
  await cluster?.destroy();
});

async function lay(form: Omit<PgmonetaForm, "masterKey">): Promise<string> {
  const root = temporaryDirectory({ prefix: "mpgm" }).path;
  const full = { ...form, masterKey: master };
  let previous: TakenBackup | undefined;
  for (const backup of taken) {
    await layBackup(root, "primary", backup, full, previous);
    previous = backup;
  }
  await layWal(root, "primary", received, full);
  return root;
}

function optionsFor(root: string, more: Partial<RestoreOptions> = {}): RestoreOptions {
  const ring: KeyRing = Object.assign(() => undefined, { master });
  return {
    storage: openLocalStorage(root),
    server: "primary",
    backup: "newest",
    position: null,
    directory: temporaryDirectory({ prefix: "mrest", unprivileged: true }).path,
    copyWal: true,
    workers: 2,
    keys: async () => ring,
    program,
    ...more,
  };
}

async function stateAfter(root: string, more: Partial<RestoreOptions>): Promise<string[]> {
  const { plan } = await restore(optionsFor(root, more), dependencies());
  const copy = await startOn(plan.directory, 17);
  try {
    await promoted(copy);
    return await stateOf(copy);
  } finally {
    await copy.destroy();
  }
}

async function foundIn(root: string, backup: string): Promise<string[]> {
  const { storage, server, keys } = optionsFor(root);
  const options = { storage, server, backup, workers: 2, rateBytes: 0, keys, historyOf: consistencyHistory };
  return (await verify(options, dependencies())).findings.map(({ kind, path }) => `${kind} ${path}`);
}

/** The largest incremental file of a backup, relative to its directory. */
function largestPart(root: string, label: string): string {
  const base = join(root, "primary/backup", label, "data/base");
  const parts = readdirSync(base).flatMap((database) => readdirSync(join(base, database)).map((name) => `${database}/${name}`));
  const sorted = parts.filter((name) => name.includes("/INCREMENTAL.")).sort((a, b) => statSync(join(base, b)).size - statSync(join(base, a)).size);
  return `data/base/${sorted[0] ?? ""}`;
}

describe("a chain of incremental backups that pgmoneta took", () => {
  it("is listed as one, and each of them is restored to what the server held then, and to the end of the WAL", async () => {
    const root = await lay({ compression: "none", encryption: "none" });
    const infos = await openCatalog(openLocalStorage(root), "primary").list();
    expect(infos.map(({ label, type, parent }) => [label, type, parent])).toEqual([
      [labels[0], "full", undefined],
      [labels[1], "incremental", labels[0]],
      [labels[2], "incremental", labels[1]],
    ]);
    // The last one compressed, below.
    expect(await stateAfter(root, { backup: labels[1], position: "immediate" })).toEqual(states.get(labels[1]));
    expect(await stateAfter(root, { backup: "newest" })).toEqual(end);
  });

  it("compressed and encrypted as well, and every byte of it is verified", async () => {
    const root = await lay({ compression: "zstd", encryption: "aes-256-gcm" });
    // With all that it rests on.
    expect(await foundIn(root, labels[2])).toEqual([]);
    expect(await stateAfter(root, { backup: labels[2], position: "immediate" })).toEqual(states.get(labels[2]));
    // As a stream every file has the size that was announced.
    const deps = dependencies();
    const stream = await openClusterStream(optionsFor(root, { backup: labels[1] }), deps);
    const sizes: string[] = [];
    await stream.write(
      {
        directory: async () => undefined,
        link: async () => undefined,
        async file(path, _mode, size, fill) {
          let got = 0;
          await fill(async (piece) => void (got += piece.length));
          if (got !== size) sizes.push(`${path}: ${got} instead of ${size}`);
          expect(path).not.toContain("INCREMENTAL");
        },
      },
      () => undefined,
    );
    expect(sizes).toEqual([]);
  });

  it("is refused, and found faulty, when one of the backups that it rests on is damaged, gone, or another one", async () => {
    const root = await lay({ compression: "none", encryption: "none" });
    const home = join(root, "primary/backup");
    const attempt = (): Promise<unknown> => restore(optionsFor(root, { backup: labels[2], position: "immediate" }), dependencies());
    const name = largestPart(root, labels[1]);
    const part = join(home, labels[1], name);
    const whole = readFileSync(part);
    const changed = Buffer.from(whole);
    changed[changed.length - 100] = (changed[changed.length - 100] ?? 0) ^ 1;
    writeFileSync(part, changed);
    await expect(attempt()).rejects.toMatchObject({ code: "STORED_FILE_DAMAGED" });
    expect(await foundIn(root, labels[2])).toEqual([`changed ../${labels[1]}/${name}`]);
    truncateSync(part, whole.length - 8192);
    await expect(attempt()).rejects.toMatchObject({ code: "STORED_FILE_DAMAGED" });
    unlinkSync(part);
    await expect(attempt()).rejects.toMatchObject({ code: "BACKUP_DAMAGED" });
    expect(await foundIn(root, labels[2])).toEqual([`missing ../${labels[1]}/${name}`]);
    writeFileSync(part, whole);
    renameSync(join(home, labels[0]), join(home, "aside"));
    await expect(attempt()).rejects.toMatchObject({ code: "BACKUP_DAMAGED", message: expect.stringContaining(labels[0]) as string });
    expect(await foundIn(root, labels[1])).toEqual(["changed backup.info"]);
    // Another full backup in its place: it begins elsewhere.
    const other = temporaryDirectory({ prefix: "mpgm" }).path;
    const [full, middle] = taken;
    if (full === undefined || middle === undefined) throw new Error("no backups");
    await layBackup(other, "primary", { ...full, start: middle.start }, { compression: "none", encryption: "none", masterKey: master });
    renameSync(join(other, "primary/backup", labels[0]), join(home, labels[0]));
    await expect(attempt()).rejects.toMatchObject({ code: "BACKUP_DAMAGED", message: expect.stringContaining("was taken from a backup that begins at") as string });
  });
});
