/** Repositories that pgmoneta 0.22 wrote, in all its forms: restored without it, verified, moved, archived, thinned out; and what is refused of them. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { archive, ownAccount } from "../../../src/archive/index.ts";
import { commonErrors } from "../../../src/common/index.ts";
import { deriveMasterKey, type KeyRing, type MasterKey } from "../../../src/encryption/index.ts";
import { deleteBackup } from "../../../src/job/delete.ts";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { verifyBackup } from "../../../src/job/verify.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { openCatalog, openVerifications } from "../../../src/repository/index.ts";
import { consistencyHistory, openClusterStream, restore, type RestoreOptions } from "../../../src/restore/index.ts";
import { nothingInUse, runRetention } from "../../../src/retention/index.ts";
import { openLocalStorage, storageErrors, type LocalStorage } from "../../../src/storage/index.ts";
import { verify, type VerifyDependencies, type VerifyOptions, type VerifyReport } from "../../../src/verify/index.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { layBackup, layWal, type PgmonetaForm, type TakenBackup } from "../../support/pgmoneta-repository.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRestoredRun } from "./pgmoneta-run.ts";
import { dependencies, program } from "./rig.ts";

const segmentSize = 1024 * 1024;
const bin = "/usr/lib/postgresql/15/bin";
let cluster: Cluster;
let master: MasterKey;
let received: string;
let first: TakenBackup;
let second: TakenBackup;

const lsnLine = (data: string, name: string): string =>
  new RegExp(`^${name}: ([0-9A-F/]+)`, "m").exec(readFileSync(join(data, "backup_label"), "utf8"))?.[1] ?? "";

async function take(label: string, oid: number, location: string): Promise<TakenBackup> {
  const { path } = temporaryDirectory({ prefix: "mbase" });
  const { host, port, user } = cluster.connectionOptions;
  const [data, space] = [join(path, "data"), join(path, "space")];
  const args = [
    "-h",
    host,
    "-p",
    String(port),
    "-U",
    user,
    "-D",
    data,
    "-Fp",
    "-X",
    "fetch",
    "-c",
    "fast",
    "--no-sync",
  ];
  execFileSync(join(bin, "pg_basebackup"), [...args, "--manifest-checksums=SHA512", "-T", `${location}=${space}`], {
    stdio: "pipe",
  });
  const manifest = JSON.parse(readFileSync(join(data, "backup_manifest"), "utf8")) as {
    "WAL-Ranges": { "End-LSN": string }[];
  };
  return {
    label,
    data,
    tablespaces: [{ name: "spare", oid, location, directory: space }],
    start: lsnLine(data, "START WAL LOCATION"),
    end: manifest["WAL-Ranges"][0]?.["End-LSN"] ?? "",
    minorVersion: 18,
    segmentSize,
  };
}

beforeAll(async () => {
  if (!existsSync(join(bin, "pg_basebackup"))) return;
  master = await deriveMasterKey("a long pass phrase", Buffer.alloc(16, 1));
  // Small segments: what compresses them takes most of the time.
  cluster = await createCluster({ walSegmentSize: segmentSize });
  const { path: location } = temporaryDirectory({ unprivileged: true });
  await cluster.sql(`CREATE TABLESPACE spare LOCATION '${location}'`);
  await cluster.sql("CREATE TABLE kept TABLESPACE spare AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g");
  const oid = Number(await cluster.value("SELECT oid FROM pg_tablespace WHERE spcname = 'spare'"));
  await cluster.sql("SELECT pg_create_physical_replication_slot('pgmoneta', true)");
  await insertMarkers(cluster, 1, 5);
  first = await take("20261120090138", oid, location);
  await insertMarkers(cluster, 6, 10);
  second = await take("20261120100138", oid, location);
  await insertMarkers(cluster, 11, 12);
  received = temporaryDirectory({ prefix: "mwal" }).path;
  const { host, port, user } = cluster.connectionOptions;
  const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
  const args = [
    "-h",
    host,
    "-p",
    String(port),
    "-U",
    user,
    "-D",
    received,
    "--slot",
    "pgmoneta",
    "--endpos",
    end,
    "-n",
    "--no-sync",
  ];
  execFileSync(join(bin, "pg_receivewal"), args, { stdio: "pipe" });
});
afterAll(async () => {
  await cluster?.destroy();
});

/** A repository with the second backup, or with both, the second one linked to the first. */
async function lay(form: Omit<PgmonetaForm, "masterKey">, both: boolean): Promise<string> {
  const root = temporaryDirectory({ prefix: "mpgm" }).path;
  const full = { ...form, masterKey: master };
  if (both) await layBackup(root, "primary", first, full);
  const links = await layBackup(root, "primary", second, full, both ? first : undefined);
  expect(links > 500).toBe(both);
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

function verifyIn(root: string, backup: string, more: Partial<VerifyOptions> = {}, deps: Partial<VerifyDependencies> = {}): Promise<VerifyReport> {
  const { storage, server, keys } = optionsFor(root);
  return verify({ storage, server, backup, workers: 2, rateBytes: 0, keys, historyOf: consistencyHistory, ...more }, { ...dependencies(), ...deps });
}

/** What a verification found, in short. */
const foundIn = async (root: string, backup: string, more: Partial<VerifyOptions> = {}, deps: Partial<VerifyDependencies> = {}): Promise<string[]> =>
  (await verifyIn(root, backup, more, deps)).findings.map(({ kind, path, harmful }) => `${kind} ${path}${harmful ? "" : " (harmless)"}`);

const { describe, it } = requires("pg_basebackup", "postgres-15", "zstd", "bzip2");

describe("a backup that pgmoneta took", () => {
  for (const [compression, encryption] of [
    ["none", "none"],
    ["zstd", "aes-256-gcm"],
    ["gzip", "aes-128-gcm"],
    ["bzip2", "aes-192-gcm"],
  ] as const) {
    it(`is restored byte for byte, and verified (${compression}, ${encryption})`, async () => {
      const root = await lay({ compression, encryption }, false);
      const { plan } = await restore(optionsFor(root, { position: "immediate" }), dependencies());
      expect(plan.backup.label).toBe(second.label);
      for (const path of ["global/1262", "base/1/1259", "PG_VERSION"]) {
        expect(readFileSync(join(plan.directory, path)).equals(readFileSync(join(second.data, path))), path).toBe(true);
      }
      expect(readdirSync(join(plan.directory, "pg_wal")).length).toBeGreaterThan(0);
      const report = await verifyIn(root, second.label);
      expect(report).toMatchObject({ hash: "sha512", findings: [], findingCount: 0, unread: [], skipped: 0 });
      expect(report.files).toBe(plan.files);
      expect(report.segments).toBeGreaterThan(0);
    });
  }

  it("and its links are read where the repository lies now; PostgreSQL starts on it and replays all WAL (lz4, encrypted)", async () => {
    const before = await lay({ compression: "lz4", encryption: "aes-256-gcm" }, true);
    const root = `${before}-moved`;
    renameSync(before, root);
    try {
      const { plan } = await restore(optionsFor(root), dependencies());
      const copy = await createRestoredRun(plan.directory);
      try {
        expect(await markersIn(copy)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        expect(await copy.value("SELECT count(*) FROM kept")).toBe("5000");
      } finally {
        await copy.destroy();
      }
      const old = await restore(optionsFor(root, { backup: first.label, position: "immediate" }), dependencies());
      const earlier = await createRestoredRun(old.plan.directory);
      try {
        expect(await markersIn(earlier)).toEqual([1, 2, 3, 4, 5]);
      } finally {
        await earlier.destroy();
      }
      for (const label of [first.label, second.label]) expect(await foundIn(root, label)).toEqual([]);
      // With another key everything looks damaged, and nothing is.
      const other = await deriveMasterKey("another pass phrase", Buffer.alloc(16, 1));
      const ring: KeyRing = Object.assign(() => undefined, { master: other });
      await expect(verifyIn(root, second.label, { keys: async () => ring })).rejects.toMatchObject({ code: "ENCRYPTION_KEY_UNKNOWN" });
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  const archiveOptions = (directory: string, compression: "none" | "zstd") => ({
    server: "primary",
    directory,
    spec: { compression, encryption: "none" as const },
    dataKey: undefined,
    memoryBytes: 8 * 1024 * 1024,
    workers: 2,
    owner: ownAccount(),
  });

  it("is archived, and unpacked by tar is what was restored", async () => {
    const root = await lay({ compression: "gzip", encryption: "none" }, false);
    const directory = temporaryDirectory({ prefix: "march" }).path;
    const deps = dependencies();
    const made = await archive(archiveOptions(directory, "none"), {
      ...deps,
      async openCluster() {
        const stream = await openClusterStream(optionsFor(root, { directory }), deps);
        return { ...stream, label: stream.plan.backup.label, endTime: Date.parse(stream.plan.backup.endTime) };
      },
    });
    execFileSync("tar", ["-xf", made.file, "-C", directory]);
    const data = join(directory, `primary-${second.label}`);
    for (const path of ["global/1262", "global/pg_control", "base/1/1259"]) {
      expect(readFileSync(join(data, path)).equals(readFileSync(join(second.data, path))), path).toBe(true);
    }
    expect(readdirSync(join(data, "pg_tblspc", String(second.tablespaces[0]?.oid)))).toHaveLength(1);
  });

  it("is no archive when it is given up in the middle, and leaves nothing", async () => {
    const root = await lay({ compression: "none", encryption: "none" }, false);
    const directory = join(temporaryDirectory({ prefix: "march" }).path, "new", "place");
    const cancelled = new AbortController();
    const deps = dependencies(cancelled.signal);
    const made = archive(archiveOptions(directory, "zstd"), {
      ...deps,
      progress: ({ bytesDone }) => {
        if (bytesDone > 1024 * 1024) cancelled.abort(commonErrors.aborted("an operator cancelled it"));
      },
      async openCluster() {
        const stream = await openClusterStream(optionsFor(root, { directory }), deps);
        return { ...stream, label: stream.plan.backup.label, endTime: 0 };
      },
    });
    await expect(made).rejects.toMatchObject({ code: "ABORTED" });
    expect(existsSync(join(directory, ".."))).toBe(false);
  });

  it("is refused when a file is damaged, missing, or a link leads elsewhere", async () => {
    const root = await lay({ compression: "lz4", encryption: "none" }, true);
    const home = join(root, "primary", "backup");
    const attempt = (backup: string): Promise<unknown> =>
      restore(optionsFor(root, { backup, position: "immediate" }), dependencies());
    const stored = join(home, first.label, "data/base/1/1259.lz4");
    const whole = readFileSync(stored);
    truncateSync(stored, statSync(stored).size - 1);
    // The second backup has a link to it.
    for (const label of [first.label, second.label]) {
      await expect(attempt(label)).rejects.toMatchObject({ code: "STORED_FILE_DAMAGED" });
      expect(await foundIn(root, label)).toEqual(["changed data/base/1/1259.lz4"]);
    }
    unlinkSync(stored);
    for (const label of [first.label, second.label])
      await expect(attempt(label)).rejects.toMatchObject({ code: "BACKUP_DAMAGED" });
    expect(await foundIn(root, first.label)).toEqual(["missing data/base/1/1259"]);
    expect(await foundIn(root, second.label)).toEqual(["missing data/base/1/1259.lz4"]);
    const link = join(home, second.label, "data/base/1/1259.lz4");
    unlinkSync(link);
    symlinkSync("/etc/passwd", link);
    await expect(attempt(second.label)).rejects.toMatchObject({
      code: "BACKUP_DAMAGED",
      message: expect.stringContaining("/etc/passwd") as string,
    });
    expect(await foundIn(root, second.label)).toEqual(["missing data/base/1/1259.lz4"]);
    expect(whole.length).toBeGreaterThan(0);
    expect(await openCatalog(openLocalStorage(root), "primary").list()).toHaveLength(2);
    // All that is wrong is named at once, also what no restore would miss.
    writeFileSync(join(home, first.label, "backup.manifest"), "other\n");
    const { firstSegment } = await openCatalog(openLocalStorage(root), "primary").find(first.label);
    unlinkSync(join(root, "primary", "wal", `${firstSegment}.lz4`));
    expect((await foundIn(root, first.label)).sort()).toEqual(
      ["changed backup.manifest (harmless)", `missing ${firstSegment}`, "missing data/base/1/1259"].sort(),
    );
  });

  it("is read by its links whatever was proven: one may lead to another file", async () => {
    const root = await lay({ compression: "none", encryption: "none" }, true);
    const proven = new Set([first.label]);
    expect(await foundIn(root, second.label, { proven })).toEqual([]);
    const twins = readdirSync(join(first.data, "base/1")).filter((name) => /^[0-9]+$/.test(name) && statSync(join(first.data, "base/1", name)).size === 8192);
    const home = join(root, "primary", "backup");
    const [one, other] = twins.filter((name) => lstatSync(join(home, second.label, "data/base/1", name)).isSymbolicLink());
    if (one === undefined || other === undefined) throw new Error("no two links to files of one size");
    unlinkSync(join(home, second.label, "data/base/1", one));
    symlinkSync(join(home, first.label, "data/base/1", other), join(home, second.label, "data/base/1", one));
    expect(await foundIn(root, second.label, { proven })).toEqual([`changed data/base/1/${one}`]);
  });

  it("is not whole when a file goes between the first look and its turn", async () => {
    const root = await lay({ compression: "none", encryption: "none" }, false);
    const path = join(root, "primary/backup", second.label, "data/postgresql.conf");
    // A list of names may lack one that is being replaced at the moment: there it is all the same.
    const real = openLocalStorage(root);
    const storage: LocalStorage = { ...real, list: async (directory) => (await real.list(directory)).filter(({ name }) => name !== "postgresql.conf") };
    const files = new Set<string>();
    expect(await foundIn(root, second.label, { storage }, { onFile: (file) => void files.add(file.path) })).toEqual([]);
    expect(files).toContain("data/postgresql.conf");
    expect(await foundIn(root, second.label, {}, { onFile: () => rmSync(path, { force: true }) })).toEqual(["missing data/postgresql.conf"]);
    // What is missing from the beginning on is told once, however often it is looked for.
    expect(await verifyIn(root, second.label)).toMatchObject({ findings: [{ kind: "missing", path: "data/postgresql.conf" }], findingCount: 1 });
  });

  it("is not good without pg_control, which says what WAL and which pages to look at: read at the second attempt, or damaged behind a stop", async () => {
    const root = await lay({ compression: "none", encryption: "none" }, false);
    const real = openLocalStorage(root);
    let failures = 1;
    const storage: LocalStorage = {
      ...real,
      openFile: (path) => (path.endsWith("/pg_control") && failures-- > 0 ? Promise.reject(storageErrors.inputOutput("EIO: made by the test", { path })) : real.openFile(path)),
    };
    expect(await verifyIn(root, second.label, { storage })).toMatchObject({ findings: [], unreadCount: 1 });
    failures = 9;
    // A file that never can be read is one, too.
    expect(await verifyIn(root, second.label, { storage })).toMatchObject({ findings: [], unreadCount: 1 });
    const path = join(root, "primary/backup", second.label, "data/global/pg_control");
    writeFileSync(path, "x", { flag: "r+" });
    const resume = { entries: 1_000_000, files: 1, bytes: 1, skipped: 0, skippedBytes: 0, findings: [], findingCount: 0, harmful: 0 };
    expect(await foundIn(root, second.label, { resume })).toEqual(["changed data/global/pg_control"]);
    expect(await foundIn(root, second.label)).toEqual(["changed data/global/pg_control"]);
  });

  it("is not whole again because it was asked about twice, when pgmoneta itself says that it is none; marked by a verification it is", async () => {
    const root = await lay({ compression: "none", encryption: "none" }, false);
    const storage = openLocalStorage(root);
    const catalog = openCatalog(storage, "primary");
    const { label } = second;
    const environment = {
      ...dependencies(),
      server: { name: "primary" },
      serverConfiguration: () => ({ workers: 2 }),
      secrets: {},
      repository: { masterKeyFile: "/nowhere" },
      storage,
      uses: () => undefined,
    } as unknown as JobEnvironment;
    const ask = (): Promise<unknown> => verifyBackup({ command: "verify", backup: label, all: false, schedule: null }, environment).catch((error: unknown) => (error as { code: string }).code);
    await catalog.update(label, (now) => ({ ...now, valid: false }));
    expect([await ask(), await ask()]).toEqual(["VERIFY_FOUND_DAMAGE", "VERIFY_FOUND_DAMAGE"]);
    expect((await catalog.find(label)).valid).toBe(false);
    expect((await openVerifications(storage, "primary").read()).backups.size).toBe(0);
    await catalog.update(label, (now) => ({ ...now, valid: true }));
    const path = join(root, "primary/backup", label, "data/PG_VERSION");
    renameSync(path, `${path}.away`);
    expect([await ask(), (await catalog.find(label)).valid]).toEqual(["VERIFY_FOUND_DAMAGE", false]);
    renameSync(`${path}.away`, path);
    expect(await ask()).toMatchObject({ label });
    expect((await catalog.find(label)).valid).toBe(true);
  });

  it("goes, by hand or by retention, and the one that has links into it stays whole", async () => {
    for (const way of ["delete", "retention"] as const) {
      const root = await lay({ compression: "zstd", encryption: "none" }, true);
      const storage = openLocalStorage(root);
      const catalog = openCatalog(storage, "primary");
      const before = (await catalog.find(second.label)).storedBytes;
      if (way === "delete") {
        await catalog.setKeep(first.label, true);
        const environment = { server: { name: "primary" }, storage, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, settled: () => undefined, hooks: { around: (_: string, __: unknown, work: () => Promise<unknown>) => work() } };
        const remove = (force: boolean) => deleteBackup({ command: "delete", backup: first.label, force }, environment as unknown as JobEnvironment);
        await expect(remove(false)).rejects.toMatchObject({ code: "BACKUP_RETAINED" });
        await remove(true);
      } else {
        const options = { server: "primary", storage, policy: { kind: "count", copies: 1 } as const, minimum: 1, inUse: nothingInUse, dryRun: false };
        const { plan } = await runRetention(options, { ...dependencies(), progress: () => undefined, settled: () => undefined });
        expect(plan.map(({ label, keep }) => [label, keep])).toEqual([[first.label, false], [second.label, true]]);
      }
      expect((await catalog.entries()).map(({ label, state }) => [label, state])).toEqual([[second.label, "valid"]]);
      expect((await catalog.find(second.label)).storedBytes).toBeGreaterThan(before + 1024 * 1024);
      expect(await foundIn(root, second.label)).toEqual([]);
      const { plan } = await restore(optionsFor(root, { position: "immediate" }), dependencies());
      for (const path of ["global/1262", "base/1/1259", "PG_VERSION"])
        expect(readFileSync(join(plan.directory, path)).equals(readFileSync(join(second.data, path))), path).toBe(true);
      // pgmoneta's own list still agrees with every file.
      execFileSync("sha512sum", ["--quiet", "-c", "backup.sha512"], { cwd: join(root, "primary/backup", second.label) });
    }
  });

  it("goes while the one that has links into it is being restored and verified, and neither is disturbed", async () => {
    const root = await lay({ compression: "zstd", encryption: "none" }, true);
    const storage = openLocalStorage(root);
    const environment = { server: { name: "primary" }, storage, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, settled: () => undefined, hooks: { around: (_: string, __: unknown, work: () => Promise<unknown>) => work() } };
    let removal: Promise<unknown> | undefined;
    let verification: Promise<VerifyReport> | undefined;
    const { plan } = await restore(optionsFor(root, { position: "immediate", backup: second.label }), {
      ...dependencies(),
      // The first files are there, and most are not.
      progress({ phase, bytesDone }) {
        if (phase !== "files" || bytesDone === 0) return;
        verification ??= verifyIn(root, second.label);
        removal ??= deleteBackup({ command: "delete", backup: first.label, force: false }, environment as unknown as JobEnvironment);
      },
    });
    await removal;
    expect((await openCatalog(storage, "primary").list()).map(({ label }) => label)).toEqual([second.label]);
    expect(await verification).toMatchObject({ findings: [], unread: [] });
    expect(plan.problems).toEqual([]);
    for (const { path } of readdirSync(second.data, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [{ path: join(entry.parentPath, entry.name).slice(second.data.length + 1) }] : [],
    )) {
      // What a restore writes itself, and WAL, aside.
      if (/^(?:pg_wal\/|postgresql\.|pg_hba|backup_manifest$|tablespace_map$|standby\.signal|recovery\.signal)/.test(path)) continue;
      expect(readFileSync(join(plan.directory, path)).equals(readFileSync(join(second.data, path))), path).toBe(true);
    }
  });
});
