/** Files of the database host beside the cluster: fetched through SQL, stored as every file is, never silently missing. */
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { readBackupChunks, readClusterEntries, type BackupInfo, type IndexedFile } from "../../../src/repository/index.ts";
import { consistencyHistory, planRestore } from "../../../src/restore/index.ts";
import { verify } from "../../../src/verify/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { expectVerified, extract, failureOf, openHouse, type House } from "./house.ts";

let cluster: Cluster;
let house: House;
let host: string;
const large = Buffer.alloc(5 * 1024 * 1024 + 17, "0123456789abcde");

beforeAll(async () => {
  cluster = await createCluster();
  await cluster.sql("CREATE ROLE reader LOGIN REPLICATION");
  await cluster.sql("GRANT pg_read_all_settings TO reader");
  house = await openHouse(cluster, { connect: { user: "reader" } });
  host = temporaryDirectory({ unprivileged: true }).path;
  mkdirSync(join(host, "etc", "conf.d"), { recursive: true });
  mkdirSync(join(host, "etc", "empty"));
  writeFileSync(join(host, "etc", "postgres.env"), "A='b\\c'\n");
  writeFileSync(join(host, "etc", "conf.d", "größe und 'quote'.conf"), "x");
  writeFileSync(join(host, "etc", "conf.d", "nothing"), "");
  writeFileSync(join(host, "etc", "large.bin"), large);
  writeFileSync(join(host, "secret"), "s");
  giveToUnprivileged(host);
});

afterAll(async () => {
  await house.close();
  await cluster.destroy();
});

async function filesOf(info: BackupInfo): Promise<Map<string, IndexedFile>> {
  const files = new Map<string, IndexedFile>();
  await readBackupChunks(house.storage, "primary", info, { onEntry: (entry) => void (entry.kind === "file" && files.set(entry.path, entry)) });
  return files;
}

describe("a backup with files from beside the cluster", () => {
  it("is refused before it begins while the role may not read them, with the statements that let it", async () => {
    const failure = await failureOf(house.backup({ extra: [join(host, "etc")] }));
    expect(failure.code).toBe("BACKUP_PREREQUISITE_MISSING");
    expect(failure.message).toContain('GRANT pg_read_server_files TO "reader";');
    const [, statement = ""] = /in the database postgres: (.*)$/.exec(failure.message) ?? [];
    expect(await house.names()).toEqual([]);
    await cluster.sql(statement);
    await expect(house.backup({ extra: [join(host, "etc")] })).resolves.toMatchObject({ warnings: [] });
  });

  it("has them whole in its own form and in every list, and is the same cluster as without", async () => {
    const key = createDataKey();
    const extra = [join(host, "etc"), join(host, "etc", "postgres.env")];
    const { info, warnings } = await house.backup({ extra, spec: { compression: "zstd", encryption: "aes-256-gcm" }, dataKey: key });
    expect(warnings).toEqual([]);
    expect(info.extra).toBe(extra.join(","));
    const plain = await extract(house, info, key);
    const below = join(plain, "extra", host);
    for (const name of ["etc/postgres.env", "etc/conf.d/größe und 'quote'.conf", "etc/conf.d/nothing", "etc/large.bin"]) {
      expect(readFileSync(join(below, name)).equals(readFileSync(join(host, name))), name).toBe(true);
    }
    expect(existsSync(join(below, "etc", "empty"))).toBe(true);
    expect([...(await filesOf(info)).keys()].filter((path) => path.startsWith("extra/"))).toHaveLength(4);
    await expectVerified(plain);
    const keys = async () => (id: string) => (id === key.id ? key : undefined);
    const signal = new AbortController().signal;
    const report = await verify(
      { storage: house.storage, server: "primary", backup: info.label, workers: 2, rateBytes: 0, keys, historyOf: consistencyHistory },
      { clock: systemClock, logger: silentLogger, signal, progress: () => undefined },
    );
    expect(report).toMatchObject({ findingCount: 0, unread: [] });
    const stored = join(house.path(info.label), "extra", host, "etc", "postgres.env.zstd.aes");
    const bytes = readFileSync(stored);
    writeFileSync(stored, Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) ?? 0) ^ 1])]));
    const damaged = await verify(
      { storage: house.storage, server: "primary", backup: info.label, workers: 2, rateBytes: 0, keys, historyOf: consistencyHistory },
      { clock: systemClock, logger: silentLogger, signal, progress: () => undefined },
    );
    expect(damaged.findings.map(({ path }) => path).join()).toContain("postgres.env");
    writeFileSync(stored, bytes);
  });

  it("keeps what it could get, and names what it lacks and why", async () => {
    symlinkSync(join(host, "etc", "conf.d"), join(host, "etc", "conf.d", "loop"));
    chmodSync(join(host, "secret"), 0);
    const extra = [join(host, "nowhere"), join(host, "secret"), join(host, "etc", "conf.d"), join(host, "etc", "postgres.env")];
    const { info, warnings } = await house.backup({ extra });
    expect(info.valid).toBe(true);
    expect(info.extra).toBe(join(host, "etc", "postgres.env"));
    const said = warnings.join("\n");
    expect(said).toMatch(/lacks \(a part of\) the extra path ".*nowhere": .*No such file or directory/);
    expect(said).toMatch(/".*conf.d": .*lies too deep; a link may lead back to it/);
    // The superuser of the machine may read everything.
    if (process.getuid?.() !== 0) expect(said).toMatch(/".*secret": .*Permission denied/);
  });

  it("is restored as the cluster alone", async () => {
    const info = (await house.catalog.list()).findLast((one) => one.extra !== "" && one.encryption === "none");
    if (info === undefined) throw new Error("no backup has such files");
    const keys = async () => () => undefined;
    const paths: string[] = [];
    const totals = await readClusterEntries({ storage: house.storage, server: "primary", info, keys }, { onEntry: ({ path }) => void paths.push(path) });
    expect(paths.filter((path) => path.startsWith("extra"))).toEqual([]);
    expect(totals.entries).toBe(paths.length);
    const directory = temporaryDirectory().path;
    const program = { node: process.execPath, script: "unused" };
    const plan = await planRestore(
      { storage: house.storage, server: "primary", backup: info.label, position: "immediate", directory, copyWal: false, workers: 1, keys, program },
      { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined },
    );
    expect(plan).toMatchObject({ problems: [], files: totals.files });
  });
});
