/** Backups that do not come to their end: nothing of them is in the catalog, and nothing of them lies about. */
import { readdir, readlink } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { type BackupOptions, type BackupPhase, type BackupProgress } from "../../../src/backup/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import { createLogger, type LogRecord } from "../../../src/log/index.ts";
import { openServerIdentity } from "../../../src/repository/index.ts";
import { openLocalStorage, systemCalls, type FileCalls } from "../../../src/storage/index.ts";
import { createCluster, type Cluster, type ClusterOptions } from "../../support/postgres-cluster.ts";
import { requires } from "../../support/requires.ts";
import { seededNumbers } from "../../support/sample-bytes.ts";
import { createTcpProxy } from "../../support/tcp-proxy.ts";
import { createAlteringProxy } from "./altering-proxy.ts";
import { connectTo, expectVerified, openHouse, type House, type HouseOptions } from "./house.ts";

let cluster: Cluster | undefined;
let house: House | undefined;

afterEach(async () => {
  // Whatever the test did: no descriptor of a tree that was given up may stay open.
  expect(await openBackupFiles(house)).toEqual([]);
  await house?.close();
  await cluster?.destroy();
  cluster = house = undefined;
});

async function openBackupFiles(of: House | undefined): Promise<string[]> {
  if (of === undefined) return [];
  const targets = (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ""));
  return (await Promise.all(targets)).filter((target) => target.includes(`${of.base}/primary/backup/`));
}

async function start(options: ClusterOptions = {}, houseOptions: HouseOptions = {}): Promise<{ cluster: Cluster; house: House }> {
  cluster = await createCluster(options);
  await cluster.sql("CREATE TABLE people AS SELECT g AS id, repeat(md5(g::text), 8) AS story FROM generate_series(1, 30000) g");
  house = await openHouse(cluster, houseOptions);
  return { cluster, house };
}

const slowly: Partial<BackupOptions> = { maxRateBytes: () => 4 * 1024 * 1024 };
const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;

/** Calls back once, when so many bytes have come. */
function after(bytes: number, call: () => void): (progress: BackupProgress) => void {
  let called = false;
  return ({ phase, bytesDone }) => {
    if (called || phase !== "receive" || bytesDone < bytes) return;
    called = true;
    call();
  };
}

describe("before the first byte, a backup is refused", () => {
  it("while the receiver does not stream", async () => {
    const { house } = await start({}, { receiver: false });
    await expect(house.backup()).rejects.toEqual(code("BACKUP_WITHOUT_WAL"));
    expect(await house.names()).toEqual([]);
  });

  it("when the server is another cluster than the one whose WAL is stored", async () => {
    const { house } = await start();
    const other = await createCluster({ ownIdentity: true });
    const { host, port } = other.connectionOptions;
    await expect(house.backup({ connect: { ...connectTo(house.cluster), host, port } })).rejects.toEqual(code("BACKUP_OTHER_CLUSTER"));
    await other.destroy();
    expect((await openServerIdentity(house.storage, "primary").read())?.systemIdentifier).toBeDefined();
    expect(await house.names()).toEqual([]);
  });

  it("naming the statement that helps, when the role may not replicate, does not exist, or the server keeps too little WAL", async () => {
    const { cluster, house } = await start();
    await cluster.sql("CREATE ROLE weak LOGIN");
    const as = (user: string) => house.backup({ connect: { ...connectTo(cluster), user } });
    await expect(as("weak")).rejects.toMatchObject({ code: "BACKUP_PREREQUISITE_MISSING", details: { statement: 'ALTER ROLE "weak" WITH REPLICATION;' } });
    await expect(as("nobody at all")).rejects.toMatchObject({ code: "BACKUP_PREREQUISITE_MISSING", message: expect.stringContaining("CREATE ROLE") as string });
    expect(await house.names()).toEqual([]);
  });

  requires("postgres-15").it("when tablespaces lie in the data directory, where PostgreSQL 15 leaves them out", async () => {
    const { cluster, house } = await start();
    await cluster.sql("SET allow_in_place_tablespaces = on");
    const session = await cluster.connect();
    await session.query("SET allow_in_place_tablespaces = on");
    await session.query("CREATE TABLESPACE inside LOCATION ''");
    await expect(house.backup()).rejects.toMatchObject({ code: "BACKUP_PREREQUISITE_MISSING", message: expect.stringContaining('DROP TABLESPACE "inside"') as string });
    await session.query("DROP TABLESPACE inside");
    await house.backup();
    expect(await house.names()).toHaveLength(1);
  });

  it("when the repository has no room for it", async () => {
    const { house } = await start();
    const storage = { ...house.storage, freeSpace: async () => ({ total: 1 << 30, free: 80 * 1024 * 1024 }) };
    await expect(house.backup({ storage })).rejects.toEqual(code("BACKUP_NO_SPACE"));
    // The same server, compressed, fits perhaps: that is for the operator to know.
    const { warnings } = await house.backup({ storage, spec: { compression: "zstd", encryption: "none" } });
    expect(warnings).toEqual([expect.stringContaining("the backup may not fit")]);
    expect(await house.names()).toHaveLength(1);
  });

  it("when it shall be encrypted and there is no key", async () => {
    const { house } = await start();
    await expect(house.backup({ spec: { compression: "none", encryption: "aes-256-gcm" } })).rejects.toEqual(code("ENCRYPTION_KEY_UNKNOWN"));
    expect(await house.names()).toEqual([]);
  });
});

describe("cancelled", () => {
  it.each<BackupPhase>(["prepare", "checkpoint", "receive", "check", "wal"])("in the phase %s: ABORTED, and the next one succeeds", async (at) => {
    const { house } = await start();
    const controller = new AbortController();
    const taking = house.backup({ spec: { compression: "zstd", encryption: "none" } }, {
      signal: controller.signal,
      progress: ({ phase }) => void (phase === at && controller.abort(new Error("enough"))),
    });
    await expect(taking).rejects.toEqual(code("ABORTED"));
    expect(await house.names()).toEqual([]);
    await house.backup();
    expect(await house.names()).toHaveLength(1);
  });

  it("while WAL is waited for that does not come, with the server's side ended as well", async () => {
    const { cluster, house } = await start();
    const controller = new AbortController();
    const wal = {
      ...house.wal,
      waitUntilDurable: (range: Parameters<typeof house.wal.waitUntilDurable>[0], signal: AbortSignal) =>
        house.wal.waitUntilDurable({ ...range, to: (range.to + 0x1_0000_0000n) as typeof range.to }, signal),
    };
    const taking = house.backup({}, { wal, signal: controller.signal, progress: ({ phase }) => void (phase === "wal" && setImmediate(() => controller.abort())) });
    await expect(taking).rejects.toEqual(code("ABORTED"));
    expect(await house.names()).toEqual([]);
    expect(await cluster.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender' AND application_name = 'moneta backup'")).toBe("0");
  });
});

describe("the server or the link fails in the middle", () => {
  it("the connection is cut", async () => {
    const { cluster, house } = await start();
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const connect = { ...connectTo(cluster), host: proxy.host, port: proxy.port };
    const lines: LogRecord[] = [];
    const taking = house.backup({ connect, ...slowly }, { logger: createLogger([], "info", (line) => lines.push(line)), progress: after(5_000_000, () => proxy.cut()) });
    await expect(taking).rejects.toEqual(code("SERVER_CONNECTION_LOST"));
    expect(await house.names()).toEqual([]);
    expect(lines.at(-1)?.message).toMatch(/was given up, and all that was stored of it is removed/);
    await house.backup({ connect });
    await proxy.close();
  });

  it("nothing more comes, as from a half-open link", async () => {
    const { cluster, house } = await start();
    const proxy = await createTcpProxy({ path: `${cluster.socketDir}/.s.PGSQL.${cluster.port}` });
    const connect = { ...connectTo(cluster), host: proxy.host, port: proxy.port, idleTimeoutMs: 1000 };
    const taking = house.backup({ connect, ...slowly }, { progress: after(5_000_000, () => void (proxy.faults.silent = true)) });
    await expect(taking).rejects.toEqual(code("SERVER_SILENT"));
    expect(await house.names()).toEqual([]);
    await proxy.close();
  });

  it("the power of the server fails", async () => {
    const { cluster, house } = await start();
    let killed: Promise<void> | undefined;
    const taking = house.backup(slowly, { progress: after(5_000_000, () => void (killed = cluster.kill9())) });
    await expect(taking).rejects.toThrow(/./);
    await killed;
    expect(await house.names()).toEqual([]);
  });

  it("the server is stopped", async () => {
    const { cluster, house } = await start();
    let stopped: Promise<void> | undefined;
    const taking = house.backup(slowly, { progress: after(5_000_000, () => void (stopped = cluster.stop("fast"))) });
    await expect(taking).rejects.toMatchObject({ code: expect.stringMatching(/^SERVER_/) as string });
    await stopped;
    expect(await house.names()).toEqual([]);
  });

  requires("postgres-15").it("the standby that is backed up is promoted (A10): nothing of it is listed, nothing lies about", async () => {
    cluster = await createCluster();
    const standby = await cluster.createStandby();
    house = await openHouse(standby);
    await cluster.sql("CHECKPOINT");
    await standby.sql("CHECKPOINT");
    let promoted: Promise<void> | undefined;
    const taking = house.backup(slowly, { progress: after(5_000_000, () => void (promoted = standby.promote())) });
    await expect(taking).rejects.toMatchObject({ message: expect.stringContaining("the standby was promoted during online backup") as string });
    await promoted;
    expect(await house.names()).toEqual([]);
    expect(await house.catalog.list()).toEqual([]);
  });
});

describe("the disk of the repository fails", () => {
  type Fault = { readonly call: keyof FileCalls; readonly after: number; readonly errno: string };

  /** System calls of which one fails from its n-th time on, in the tree of a backup only. */
  function faulty({ call, after: times, errno }: Fault): FileCalls {
    let left = times;
    const fail = (): never => {
      throw Object.assign(new Error(`${errno}: injected`), { code: errno, errno: -1 });
    };
    const calls = systemCalls as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    return {
      ...systemCalls,
      async [call](...args: unknown[]) {
        left -= 1;
        // A descriptor is gone after close(2), whatever that says.
        if (left < 0 && call === "close") await calls[call]?.(...args);
        return left < 0 ? fail() : calls[call]?.(...args);
      },
    };
  }

  it.each<[string, Fault, string]>([
    ["full, in the middle of the files", { call: "write", after: 300, errno: "ENOSPC" }, "STORAGE_FULL"],
    ["full, with the first list", { call: "write", after: 0, errno: "ENOSPC" }, "STORAGE_FULL"],
    ["over quota, with the last block of a file", { call: "close", after: 200, errno: "EDQUOT" }, "STORAGE_FULL"],
    ["out of inodes", { call: "open", after: 400, errno: "ENOSPC" }, "STORAGE_FULL"],
    ["out of inodes for directories", { call: "mkdir", after: 12, errno: "ENOSPC" }, "STORAGE_FULL"],
    ["broken", { call: "write", after: 500, errno: "EIO" }, "STORAGE_IO_ERROR"],
  ])("%s: that is the error, and nothing is left", async (_how, fault, expected) => {
    const { house } = await start();
    for (const spec of [{ compression: "none", encryption: "none" }, { compression: "zstd", encryption: "aes-128-gcm" }] as const) {
      const storage = openLocalStorage(house.base, { calls: faulty(fault) });
      await expect(house.backup({ storage, spec, dataKey: createDataKey() })).rejects.toEqual(code(expected));
      expect(await house.names()).toEqual([]);
    }
    expect(await house.catalog.list()).toEqual([]);
  });

  it("so that not even the remains can be removed: they are named, and the next start finds them", async () => {
    const { house } = await start();
    const lines: LogRecord[] = [];
    const full = faulty({ call: "write", after: 300, errno: "ENOSPC" });
    const broken = { ...faulty({ call: "unlink", after: 0, errno: "EIO" }) };
    const calls: FileCalls = { ...broken, write: (...args) => full.write(...args) };
    const storage = openLocalStorage(house.base, { calls });
    const taking = house.backup({ storage }, { logger: createLogger([], "info", (line) => lines.push(line)) });
    await expect(taking).rejects.toEqual(code("STORAGE_FULL"));
    const [left] = await house.names();
    expect(left).toMatch(/^\.tmp_\d{14}$/);
    expect(lines.find(({ level }) => level === "error")?.message).toContain(`remains in "${house.base}/primary/backup/${left ?? ""}" could not be removed`);
    expect(await house.catalog.list()).toEqual([]);
    expect(await house.catalog.removeLeftovers()).toMatchObject([{ what: "unfinished backup" }]);
    expect(await house.names()).toEqual([]);
  });

  it("taken up by something else: the backup gives way to the WAL", async () => {
    const { house } = await start();
    let free = 1 << 30;
    const storage = { ...house.storage, freeSpace: async () => ({ total: 1 << 30, free }) };
    const taking = house.backup({ storage, maxRateBytes: () => 20 * 1024 * 1024 }, { progress: after(1_000_000, () => void (free = 1000)) });
    await expect(taking).rejects.toEqual(code("BACKUP_NO_SPACE"));
    expect(await house.names()).toEqual([]);
  });
});

describe("a byte is changed on its way", () => {
  requires("postgres-15", "pg_verifybackup").it("anywhere: the backup is refused, or the byte was none of its content", async () => {
    const seed = Number(process.env["MONETA_TEST_SEED"] ?? Date.now() % 1_000_000);
    const random = seededNumbers(seed);
    const { cluster, house } = await start();
    const proxy = await createAlteringProxy(`${cluster.socketDir}/.s.PGSQL.${cluster.port}`);
    const connect = { ...connectTo(cluster), host: proxy.host, port: proxy.port, idleTimeoutMs: 5000 };
    proxy.flipAt(undefined);
    const { info } = await house.backup({ connect });
    const length = proxy.longest();
    await house.storage.removeTree(`primary/backup/${info.label}`);
    let refused = 0;
    // Five places anywhere, and the end, where the manifest is.
    const places = [...Array.from({ length: 5 }, () => 20_000 + (random() % (length - 30_000))), length - 60_000, length - 1000];
    for (const offset of places) {
      proxy.flipAt(offset);
      try {
        const { info: taken } = await house.backup({ connect });
        await expectVerified(house.path(taken.label));
        await house.storage.removeTree(`primary/backup/${taken.label}`);
      } catch (error) {
        refused += 1;
        expect(error, `seed ${seed}, offset ${offset}`).toMatchObject({
          code: expect.stringMatching(/^(BACKUP_MISMATCH|BACKUP_MANIFEST_DAMAGED|TAR_|SERVER_|STORAGE_|CONTROL_FILE_DAMAGED|BACKUP_LABEL_DAMAGED|FILE_PATH_REFUSED)/) as string,
        });
      }
      expect(await house.names()).toEqual([]);
    }
    // The table alone fills most of the stream.
    expect(refused, `seed ${seed}`).toBeGreaterThan(3);
    await proxy.close();
  });

  it("in a row of a table: the file is named", async () => {
    const { cluster, house } = await start();
    const proxy = await createAlteringProxy(`${cluster.socketDir}/.s.PGSQL.${cluster.port}`);
    const connect = { ...connectTo(cluster), host: proxy.host, port: proxy.port };
    await cluster.sql("DROP TABLE people; CREATE TABLE wide AS SELECT repeat(md5(g::text), 30) AS x FROM generate_series(1, 30000) g; CHECKPOINT");
    const path = await cluster.value("SELECT pg_relation_filepath('wide')");
    proxy.flipAt(undefined);
    await house.backup({ connect });
    const length = proxy.longest();
    const refused = new Set<string>();
    // The order of files is the server's: the table is most of the stream, so that one of four places meets it.
    for (const part of [0.2, 0.4, 0.6, 0.8]) {
      proxy.flipAt(Math.floor(length * part));
      const error = await house.backup({ connect }).catch((reason: unknown) => reason);
      refused.add(error instanceof Error ? error.message : "");
    }
    expect([...refused].join("\n")).toContain(`what was stored is not what the server's manifest lists: "${path}" has other content than the server sent`);
    await proxy.close();
  });
});
