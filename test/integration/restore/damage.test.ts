import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { openCatalog, type BackupInfo } from "../../../src/repository/index.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import { expectSameContents, logicalDigest, type LogicalDigest } from "../../support/compare-clusters.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { createRig, promoted, startOn, type Rig } from "./rig.ts";

let source: Cluster;
let rig: Rig;
let good: BackupInfo;
let broken: BackupInfo;
let contents: LogicalDigest;
let keyFile: string;

beforeAll(async () => {
  const home = join(temporaryDirectory().path, "keys");
  mkdirSync(home, { mode: 0o700 });
  keyFile = join(home, "master.key");
  await createMasterKey(keyFile, randomBytes(16).toString("hex"));
  source = await createCluster();
  await source.sql("CREATE TABLE kept AS SELECT g, md5(g::text) FROM generate_series(1, 60000) g");
  rig = await createRig(source, { masterKey: await readMasterKey(keyFile), masterKeyFile: keyFile });
  good = await rig.backup({ compression: "zstd", encryption: "aes-256-gcm" });
  broken = await rig.backup({ compression: "lz4", encryption: "aes-128-gcm" });
  contents = await logicalDigest(source);
  await rig.caughtUp();
});

/** The path below `base/` of a stored file of the damaged backup that is larger than one chunk. */
function largeFile(): string {
  const base = rig.storage.absolutePath(`primary/backup/${broken.label}/data`);
  const names = (readdirSync(base, { recursive: true }) as string[]).filter((name) => name.startsWith("base/") && name.endsWith(".aes"));
  const [largest = ""] = names.sort((a, b) => statSync(join(base, b)).size - statSync(join(base, a)).size);
  return `data/${largest}`;
}

const flip = (where: (size: number) => number) => (bytes: Buffer): Buffer => {
  const at = where(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ 0x04;
  return bytes;
};
const middle = flip((size) => Math.floor(size / 2));
const last = flip((size) => size - 1);
const first = flip(() => 0);
const cut = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length - 1);
const longer = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.of(0)]);
const inBackup = (name: string) => (): string => `primary/backup/${broken.label}/${name}`;

const damages: [what: string, path: () => string, change: (bytes: Buffer) => Buffer, named: RegExp][] = [
  ["one bit in the middle of a data file", () => inBackup(largeFile())(), middle, /base\/\d+\/\d+\.lz4\.aes/],
  ["the last byte of a data file", () => inBackup(largeFile())(), last, /base\/\d+\/\d+\.lz4\.aes/],
  ["the header of a data file", () => inBackup(largeFile())(), first, /base\/\d+\/\d+\.lz4\.aes/],
  ["a data file that was cut", () => inBackup(largeFile())(), cut, /base\/\d+\/\d+\.lz4\.aes/],
  ["a data file that has grown", () => inBackup(largeFile())(), longer, /base\/\d+\/\d+\.lz4\.aes/],
  ["pg_control", inBackup("data/global/pg_control.lz4.aes"), middle, /pg_control/],
  ["PG_VERSION", inBackup("data/PG_VERSION.lz4.aes"), last, /PG_VERSION/],
  ["backup_label", inBackup("data/backup_label"), middle, /backup_label/],
  ["backup_manifest", inBackup("data/backup_manifest"), middle, /backup_manifest/],
  ["the chunk index", inBackup("backup.chunks"), middle, /backup\.chunks/],
  ["the end of the chunk index", inBackup("backup.chunks"), cut, /backup\.chunks/],
  ["backup.info", inBackup("backup.info"), middle, /backup\.info/],
  ["the data key", () => `primary/keys/${broken.own?.keyId ?? ""}.key`, middle, /\.key/],
];

describe("a damaged stored file makes a restore fail by name and leaves nothing", () => {
  it.each(damages)("%s", async (_what, path, change, named) => {
    const absolute = rig.storage.absolutePath(path());
    const whole = readFileSync(absolute);
    writeFileSync(absolute, change(Buffer.from(whole)));
    const directory = temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
    try {
      await expect(rig.restore({ backup: broken.label, directory })).rejects.toThrow(named);
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      writeFileSync(absolute, whole);
    }
  });

  it("and no other backup suffers: with the newest damaged, another one is chosen for a target", async () => {
    const lsn = await source.value("SELECT pg_current_wal_insert_lsn()");
    await source.sql("CREATE TABLE later (); SELECT pg_switch_wal()");
    await rig.caughtUp();
    const absolute = rig.storage.absolutePath(inBackup("backup.chunks")());
    const whole = readFileSync(absolute);
    writeFileSync(absolute, middle(Buffer.from(whole)));
    const { plan } = await rig.restore({ position: `lsn=${lsn}` });
    expect(plan.backup.label).toBe(good.label);
    expect(plan.choice).toMatch(/backup\.chunks/);
    writeFileSync(absolute, whole);
    const cluster = await startOn(plan.directory);
    await promoted(cluster);
    await expectSameContents(contents, cluster);
    await cluster.destroy();
  });

  it("a backup that was found faulty is refused", async () => {
    const catalog = openCatalog(rig.storage, "primary");
    await catalog.update(broken.label, (info) => ({ ...info, valid: false }));
    await expect(rig.restore({ backup: broken.label })).rejects.toMatchObject({ code: "BACKUP_INVALID" });
    expect((await rig.restore({ backup: "newest" })).plan.backup.label).toBe(good.label);
    await catalog.update(broken.label, (info) => ({ ...info, valid: true }));
  });

  it("and undamaged it comes back whole, with the modes that it had", async () => {
    const { plan } = await rig.restore({ backup: broken.label, position: "immediate,action=pause" });
    expect(statSync(plan.directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(plan.directory, "global/pg_control")).mode & 0o777).toBe(0o600);
    expect(statSync(join(plan.directory, "base")).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(plan.directory, "backup_label"), "utf8")).toContain(`LABEL: moneta_${broken.label}`);
    expect(readdirSync(join(plan.directory, "global")).filter((name) => name.startsWith("pg_control"))).toEqual(["pg_control"]);
  });
});
