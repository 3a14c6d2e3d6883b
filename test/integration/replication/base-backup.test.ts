import { mkdirSync, openSync, readSync, closeSync, writeSync, fstatSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { crc32c } from "@node-rs/crc32";
import { describe, expect, test } from "vitest";
import { createManifestReader, pathFromBytes } from "../../../src/postgres/index.ts";
import type { ManifestFile, ManifestSummary } from "../../../src/postgres/index.ts";
import { connect, startBaseBackup } from "../../../src/replication/index.ts";
import type { BaseBackupHandler, BaseBackupResult, Connection, FlowControl, ServerNotice, Tablespace } from "../../../src/replication/index.ts";
import { createTarReader } from "../../../src/tar/index.ts";
import { createAuthority } from "../../support/certificates.ts";
import { ALL_MAJORS } from "../../support/postgres-binaries.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { requires, testOnMajors } from "../../support/requires.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectOptions } from "./real.ts";

interface Received {
  readonly result: BaseBackupResult;
  readonly tablespaces: readonly Tablespace[];
  readonly archives: { readonly name: string; readonly oid: number | undefined }[];
  /** CRC-32C of each file by its path in the manifest, in hexadecimal as the manifest writes it, and its size. */
  readonly files: ReadonlyMap<string, { readonly crc: string; readonly size: number }>;
  readonly manifest: ManifestSummary;
  readonly listed: readonly ManifestFile[];
  readonly archiveBytes: number;
  readonly progress: readonly number[];
}

/** Takes a backup, untars it on the way and keeps nothing but checksums. */
async function receive(connection: Connection, extra: Partial<BaseBackupHandler> = {}): Promise<Received> {
  const files = new Map<string, { crc: string; size: number }>();
  const listed: ManifestFile[] = [];
  const manifest = createManifestReader((file) => listed.push(file));
  const archives: { name: string; oid: number | undefined }[] = [];
  const progress: number[] = [];
  let tablespaces: readonly Tablespace[] = [];
  let archiveBytes = 0;
  let tar: ReturnType<typeof createTarReader> | undefined;
  const result = await startBaseBackup(connection, { label: "it's a \\ \"test\"" }, {
    onStart: () => undefined,
    onTablespaces: (list) => {
      tablespaces = list;
    },
    onArchive(name, oid) {
      archives.push({ name, oid });
      const prefix = oid === undefined ? "" : `pg_tblspc/${oid}/`;
      let open: { path: string; crc: number; size: number } | undefined;
      tar = createTarReader({
        decodePath: pathFromBytes,
        onEntry(entry) {
          open = entry.kind === "file" ? { path: prefix + entry.path, crc: 0, size: 0 } : undefined;
        },
        onData(piece) {
          if (open === undefined) return;
          open.crc = crc32c(piece, open.crc);
          open.size += piece.length;
        },
        onEnd() {
          if (open === undefined) return;
          const bytes = Buffer.alloc(4);
          bytes.writeUInt32LE(open.crc);
          files.set(open.path, { crc: bytes.toString("hex"), size: open.size });
        },
      });
    },
    onArchiveData(piece) {
      archiveBytes += piece.length;
      tar?.write(piece);
    },
    onArchiveEnd: () => tar?.finish(),
    onManifestData: (piece) => {
      manifest.write(piece);
    },
    onProgress: (bytes) => void progress.push(bytes),
    ...extra,
  });
  return { result, tablespaces, archives, files, manifest: manifest.finish(), listed, archiveBytes, progress };
}

async function tablespace(cluster: Cluster, name: string): Promise<string> {
  const location = join(cluster.root, `space ${name} ü`);
  mkdirSync(location, { mode: 0o700 });
  giveToUnprivileged(location);
  await cluster.sql(`CREATE TABLESPACE "${name}" LOCATION '${location}'`);
  return location;
}

testOnMajors(
  ALL_MAJORS,
  "a base backup of PostgreSQL %s has every file of its manifest with the right checksum, and no other",
  async (major) => {
    const cluster = await createCluster({ major });
    const location = await tablespace(cluster, "od\"\"d name");
    const empty = await tablespace(cluster, "empty");
    await cluster.sql('CREATE TABLE here AS SELECT g FROM generate_series(1, 20000) g; CREATE TABLE there TABLESPACE "od""d name" AS SELECT g FROM generate_series(1, 20000) g');
    const connection = await connect(connectOptions(cluster));
    const received = await receive(connection);

    const { result, tablespaces, archives, files, manifest, listed } = received;
    const [own, other] = (await cluster.sql("SELECT oid FROM pg_tablespace WHERE spcname ~ ' |empty' ORDER BY spcname DESC")).map(([oid]) => Number(oid));
    expect(new Map(tablespaces.map((each) => [each.oid, each.location]))).toEqual(new Map([[own, location], [other, empty], [undefined, undefined]]));
    expect(tablespaces.every((each) => each.size !== undefined && each.size % 1024 === 0)).toBe(true);
    expect(new Map(archives.map((each) => [each.oid, each.name]))).toEqual(new Map([[own, `${own}.tar`], [other, `${other}.tar`], [undefined, "base.tar"]]));

    expect(listed.length).toBeGreaterThan(900);
    expect([...files.keys()].sort()).toEqual(listed.map((file) => file.path).sort());
    for (const file of listed) {
      expect(file.checksumAlgorithm, file.path).toBe("CRC32C");
      expect(files.get(file.path), file.path).toEqual({ crc: file.checksum, size: file.size });
    }
    expect(files.has("backup_label")).toBe(true);
    expect(files.has("tablespace_map")).toBe(true);
    expect(manifest.walRanges).toEqual([{ timeline: 1, start: result.start.lsn, end: result.stop.lsn }]);
    expect(result).toMatchObject({ start: { timeline: 1 }, stop: { timeline: 1 }, checksumFailures: false });
    expect(received.progress.at(-1)).toBe(received.archiveBytes);
    expect([...received.progress].sort((a, b) => a - b)).toEqual(received.progress);

    // The connection is free again.
    expect(await connection.query("IDENTIFY_SYSTEM")).toHaveLength(1);
    await connection.terminate();
    await cluster.destroy();
  },
);

/** Damages one page of a table that lies in no cache. */
async function damage(cluster: Cluster, table: string): Promise<string> {
  const path = await cluster.value(`SELECT pg_relation_filepath('${table}')`);
  await cluster.sql("CHECKPOINT");
  await cluster.stop();
  const file = openSync(join(cluster.dataDir, path), "r+");
  const byte = Buffer.alloc(1);
  const at = 2 * 8192 + 5000;
  expect(fstatSync(file).size).toBeGreaterThan(at);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
  await cluster.start();
  return path;
}

testOnMajors(
  [13, 15, 18],
  "a page with a wrong checksum is named by PostgreSQL %s, and the backup is complete and flagged",
  async (major) => {
    const cluster = await createCluster({ major });
    await cluster.sql("CREATE TABLE broken AS SELECT g, md5(g::text) FROM generate_series(1, 5000) g");
    const path = await damage(cluster, "broken");
    const notices: ServerNotice[] = [];
    const connection = await connect(connectOptions(cluster, { onNotice: (notice) => notices.push(notice) }));
    const { result, files, listed } = await receive(connection);
    expect(result.checksumFailures).toBe(true);
    expect(result.stop.lsn).toBeGreaterThan(result.start.lsn);
    expect(listed.every((file) => files.get(file.path)?.crc === file.checksum)).toBe(true);
    expect(notices.filter((notice) => notice.severity === "WARNING" && notice.message.includes(path))).not.toEqual([]);
    await connection.terminate();
    await cluster.destroy();
  },
);

requires("postgres-15").describe("on PostgreSQL 15", () => {
  test("a role with nothing but REPLICATION can take one", async () => {
    const cluster = await createCluster();
    await cluster.sql("CREATE ROLE repl LOGIN REPLICATION");
    const connection = await connect(connectOptions(cluster, { user: "repl" }));
    expect((await receive(connection)).listed.length).toBeGreaterThan(900);
    await connection.terminate();
    await cluster.destroy();
  });

  test("an abort ends it on the server too, at any point, also while nothing is sent", async () => {
    const cluster = await createCluster();
    await cluster.sql("CREATE TABLE big AS SELECT g, repeat('x', 500) FROM generate_series(1, 50000) g");
    const running = (): Promise<string> => cluster.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'");
    const points: Record<string, (abort: () => void) => Partial<BaseBackupHandler>> = {
      "at the start": (abort) => ({ onStart: abort }),
      "in the data": (abort) => ({ onArchiveData: abort }),
      "while the socket is held": (abort) => ({
        onStart(_lsn, _timeline, flow) {
          flow.pause();
          setTimeout(abort, 100);
        },
      }),
    };
    for (const [point, handler] of Object.entries(points)) {
      const controller = new AbortController();
      const connection = await connect(connectOptions(cluster));
      const ignore = (): void => undefined;
      const backup = startBaseBackup(
        connection,
        { label: "l", maxRateKb: 1024 },
        {
          onStart: ignore,
          onTablespaces: ignore,
          onArchive: ignore,
          onArchiveData: ignore,
          onArchiveEnd: ignore,
          onManifestData: ignore,
          ...handler(() => {
            controller.abort();
          }),
        },
        controller.signal,
      );
      await expect(backup, point).rejects.toMatchObject({ code: "ABORTED" });
      expect(connection.isClosed).toBe(true);
      await waitFor("the walsender is gone", async () => (await running()) === "0");
    }
    await cluster.destroy();
  });

  test("a server that waits for its checkpoint is not taken for a silent one, and can be aborted", async () => {
    const cluster = await createCluster({ settings: { checkpoint_timeout: "1h", checkpoint_completion_target: 0.9 } });
    await cluster.sql("CREATE TABLE dirty AS SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
    const controller = new AbortController();
    const connection = await connect(connectOptions(cluster, { idleTimeoutMs: 100 }));
    const ignore = (): void => undefined;
    const handler = { onStart: ignore, onTablespaces: ignore, onArchive: ignore, onArchiveData: ignore, onArchiveEnd: ignore, onManifestData: ignore };
    const backup = startBaseBackup(connection, { label: "l", checkpoint: "spread" }, handler, controller.signal);
    let ended = false;
    backup.catch(() => undefined).finally(() => {
      ended = true;
    });
    await waitFor("the server waits for the checkpoint", async () =>
      (await cluster.value("SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'waiting for checkpoint to finish'")) === "1",
    );
    // Five times the limit: there is no other sign of something that does not happen.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(ended).toBe(false);
    controller.abort();
    await expect(backup).rejects.toMatchObject({ code: "ABORTED" });
    await cluster.destroy();
  });

  test("a consumer that holds the socket holds the server, and misses nothing", async () => {
    const cluster = await createCluster();
    await cluster.sql("CREATE TABLE big AS SELECT g, repeat('x', 1000) FROM generate_series(1, 40000) g");
    const connection = await connect(connectOptions(cluster, { readBufferBytes: 64 * 1024 }));
    let flow: FlowControl | undefined;
    let held = 0;
    let sinceHeld = 0;
    let most = 0;
    const received = await receive(connection, {
      onStart(_lsn, _timeline, control) {
        flow = control;
      },
      onManifestData: () => undefined,
      onArchiveData(piece) {
        sinceHeld += piece.length;
        if (held >= 50) return;
        if (flow !== undefined && sinceHeld > 500_000) {
          held++;
          sinceHeld = 0;
          const control = flow;
          flow = undefined;
          control.pause();
          setTimeout(() => {
            // What the read had in hand when it was held, and nothing more, may come.
            most = Math.max(most, sinceHeld);
            flow = control;
            control.resume();
          }, 5);
        }
      },
    }).catch((error: unknown) => error);
    // The manifest was not read, only the holding is of interest here.
    expect(received).toMatchObject({ code: "BACKUP_MANIFEST_DAMAGED" });
    expect(held).toBeGreaterThan(20);
    expect(most).toBeLessThanOrEqual(64 * 1024);
    await connection.terminate();
    await cluster.destroy();
  });

  test("the server can compress the archives", async () => {
    const cluster = await createCluster();
    const connection = await connect(connectOptions(cluster));
    const ignore = (): void => undefined;
    const gunzip = createGunzip();
    const names: string[] = [];
    let plain = 0;
    const tar = createTarReader({ onEntry: (entry) => names.push(entry.path), onData: ignore, onEnd: ignore });
    gunzip.on("data", (bytes: Buffer) => {
      plain += bytes.length;
      tar.write(bytes);
    });
    const finished = new Promise((resolve) => gunzip.on("end", resolve));
    const archives: string[] = [];
    let stored = 0;
    await startBaseBackup(connection, { label: "l", compression: { method: "gzip", detail: "level=1" } }, {
      onStart: ignore,
      onTablespaces: ignore,
      onArchive: (name) => archives.push(name),
      onArchiveData(piece) {
        stored += piece.length;
        gunzip.write(Buffer.from(piece));
      },
      onArchiveEnd: () => void gunzip.end(),
      onManifestData: ignore,
    });
    await finished;
    tar.finish();
    expect(archives).toEqual(["base.tar.gz"]);
    expect(names).toContain("global/pg_control");
    expect(stored).toBeLessThan(plain / 3);
    await connection.terminate();
    await cluster.destroy();
  });

  test("a rate limit is passed on, and a wrong compression detail refused by the server", async () => {
    const cluster = await createCluster();
    const connection = await connect(connectOptions(cluster));
    const ignore = (): void => undefined;
    const handler = { onStart: ignore, onTablespaces: ignore, onArchive: ignore, onArchiveData: ignore, onArchiveEnd: ignore, onManifestData: ignore };
    await expect(
      startBaseBackup(connection, { label: "l", compression: { method: "gzip", detail: "level=99" } }, handler),
    ).rejects.toMatchObject({ code: "SERVER_ERROR" });
    await startBaseBackup(connection, { label: "l", maxRateKb: 1024 * 1024 }, handler);
    expect(cluster.log()).toContain("MAX_RATE 1048576");
    await connection.terminate();
    await cluster.destroy();
  });
});

requires("postgres-15", "openssl").test("a base backup comes whole over TLS, also when the socket is held now and then", async () => {
  const cluster = await createCluster();
  const authority = createAuthority();
  const certificate = authority.issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] });
  giveToUnprivileged(certificate.keyFile);
  await cluster.configure({ ssl: true, ssl_cert_file: certificate.certFile, ssl_key_file: certificate.keyFile });
  await cluster.restart();
  const connection = await connect(connectOptions(cluster, { host: "localhost", tls: { mode: "require", caFile: authority.certFile } }));
  expect(connection.encrypted).toBe(true);
  let held = 0;
  const { files, listed } = await receive(connection, {
    onStart(_lsn, _timeline, flow) {
      const hold = setInterval(() => {
        flow.pause();
        held++;
        setImmediate(() => {
          flow.resume();
        });
        if (connection.isClosed) clearInterval(hold);
      }, 5);
    },
  });
  expect(held).toBeGreaterThan(0);
  expect(listed.length).toBeGreaterThan(900);
  expect(listed.every((file) => files.get(file.path)?.crc === file.checksum)).toBe(true);
  await connection.terminate();
  await cluster.destroy();
});

describe("a standby", () => {
  requires("postgres-15").test("gives a base backup as well", async () => {
    const primary = await createCluster();
    const standby = await primary.createStandby();
    await primary.sql("CHECKPOINT");
    const connection = await connect(connectOptions(standby));
    const { files, listed, result } = await receive(connection);
    expect(listed.every((file) => files.get(file.path)?.crc === file.checksum)).toBe(true);
    expect(files.has("standby.signal")).toBe(true);
    expect(result.stop.lsn).toBeGreaterThanOrEqual(result.start.lsn);
    await connection.terminate();
    await primary.destroy();
  });
});
