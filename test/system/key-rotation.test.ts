/**
 * J06: both kinds of keys are rotated while a backup is taken and WAL arrives. What was stored stays as it is and readable,
 * what comes later has the new key, and PostgreSQL starts on backups of before, of meanwhile and of after, with WAL across.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { createTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let proxy: TcpProxy;
let daemon: Daemon;
const labels: string[] = [];
const dataKeys: string[] = [];

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024 });
  proxy = await createTcpProxy({ host: "127.0.0.1", port: cluster.port });
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, host: proxy.host, port: proxy.port }],
    settings: { encryption: "aes" },
  });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await proxy.close();
  await cluster.destroy();
});

const masterKey = (): string => join(daemon.home, ".pgmoneta", "master.key");
const admin = (...words: readonly string[]) => daemon.admin(["-D", daemon.configDir, "-F", "json", ...words]);
const currentKey = (): string => readFileSync(join(daemon.baseDir, "primary/keys/current"), "latin1").trim();
/** The id in the header of an encrypted file. */
const keyOf = (path: string): string => readFileSync(path).toString("hex", 12, 28);
const walFile = (segment: string): string => join(daemon.baseDir, "primary/wal", `${segment}.zstd.aes`);

async function finishSegment(): Promise<string> {
  const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  await cluster.sql("SELECT pg_switch_wal()");
  await waitFor("the segment is archived", () => existsSync(walFile(name)), { seen: () => daemon.log().slice(-2000) });
  return name;
}

async function backup(): Promise<void> {
  const { Backup } = await ask(daemon, "backup", "primary");
  labels.push(String(Backup));
}

/** Every file of a backup but its description, with what would change if it were written again. */
async function filesOf(label: string): Promise<readonly string[]> {
  const root = join(daemon.baseDir, "primary/backup", label);
  const found: string[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) continue;
    const { ino, mtimeMs } = await stat(path);
    found.push(`${path} ${ino} ${mtimeMs} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`);
  }
  return found.sort();
}

const keyIdOf = (label: string): string =>
  /^KEY_ID=(.*)$/m.exec(readFileSync(join(daemon.baseDir, "primary/backup", label, "backup.info"), "utf8"))?.[1] ?? "";

describe("rotating the keys while a backup runs", () => {
  it("leaves the backup that runs its key, gives the new one to what comes later, and writes nothing again", async () => {
    await insertMarkers(cluster, 1, 10);
    await backup();
    const stored = await filesOf(labels[0] ?? "");
    const early = await finishSegment();
    dataKeys.push(currentKey());

    // It would take half a minute; its process stands still while everything is rotated.
    proxy.faults.bytesPerSecond = 1_000_000;
    const running = await daemon.startCli(["backup", "primary"], { format: "raw" });
    const [job] = await waitFor("the backup runs", () => {
      const found = childrenTitled(daemon, "backup primary");
      return found.length === 1 && found;
    });
    await waitFor("it has its keys and receives files", async () =>
      Object.values((await serverStatus(daemon, "primary")).Jobs).some((one) => Number(one["Done"]) > 0),
    );
    process.kill(Number(job), "SIGSTOP");
    proxy.faults.bytesPerSecond = undefined;
    try {
      await insertMarkers(cluster, 11, 20);
      const rotated = await ask(daemon, "key", "rotate", "primary");
      expect(rotated).toMatchObject({ Key: currentKey(), PreviousKey: dataKeys[0] });
      dataKeys.push(currentKey());
      const later = await finishSegment();
      expect([keyOf(walFile(early)), keyOf(walFile(later))]).toEqual(dataKeys);

      const before = readFileSync(masterKey());
      const done = await admin("-g", "master-key", "--rotate");
      expect(JSON.parse(done.stdout)).toMatchObject({ Outcome: { Status: true }, Response: { Resumed: false, Keys: 2, LeftOut: [] } });
      expect(readFileSync(masterKey()).equals(before)).toBe(false);
      expect((await readdir(join(daemon.home, ".pgmoneta"))).filter((name) => name.startsWith("master.key"))).toEqual(["master.key"]);
      // What was made with the old key, for the end: it opens nothing any more.
      await writeFile(join(daemon.root, "old.key"), before, { mode: 0o600 });
      giveToUnprivileged(join(daemon.root, "old.key"));
    } finally {
      process.kill(Number(job), "SIGCONT");
    }
    const { status, stdout } = await running.finished;
    expect([status, stdout.includes('"Status":true') || stdout.includes('"Status": true')]).toEqual([0, true]);
    labels.push(String((JSON.parse(stdout) as { Response: { Backup: string } }).Response.Backup));
    await backup();
    expect(labels.map(keyIdOf)).toEqual([dataKeys[0], dataKeys[0], dataKeys[1]]);
    expect(await filesOf(labels[0] ?? "")).toEqual(stored);
    await insertMarkers(cluster, 21, 30);
    await finishSegment();
  });

  it("the daemon that runs notices: jobs, encrypted messages, and everything that it verifies", async () => {
    expect(daemon.log()).toContain("the master key was replaced");
    for (const label of [labels[0], labels[2]]) await ask(daemon, "verify", "primary", label ?? "");
    const sealed = await daemon.cli(["-E", "aes256", "ping"]);
    expect(sealed.json?.Outcome).toMatchObject({ Status: true });
    const listed = (await ask(daemon, "list-backup", "primary"))["Backups"] as { Valid: number }[];
    expect(listed.map(({ Valid }) => Valid)).toEqual([1, 1, 1]);
  });

  it("says so when the new file cannot be read, goes on with the key that it has, and is whole again afterwards", async () => {
    const whole = readFileSync(masterKey());
    await writeFile(masterKey(), "damaged\n");
    await ask(daemon, "verify", "primary", labels[0] ?? "");
    await waitFor("the log has it", () => daemon.log().includes("the master key is not what it was"));
    await writeFile(masterKey(), whole);
    expect((await daemon.cli(["-E", "aes256", "ping"])).json?.Outcome).toMatchObject({ Status: true });
  });

  it("a daemon that starts anew has the passwords, and streams", async () => {
    await daemon.stop();
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
    await insertMarkers(cluster, 31, 35);
    await finishSegment();
  });
});

describe("after both rotations", () => {
  it("the backup that ran meanwhile and the one after it are restored without a daemon, with the WAL of all keys", async () => {
    await daemon.stop();
    const place = join(daemon.root, "restored");
    await mkdir(place);
    giveToUnprivileged(place);
    const restore = (label: string) => ["--offline", "-D", daemon.configDir, "restore", "primary", label, place];

    // The old master key alone is worth nothing: it was replaced.
    const now = join(daemon.root, "new.key");
    await copyFile(masterKey(), now);
    await copyFile(join(daemon.root, "old.key"), masterKey());
    const refused = await daemon.cli(restore(labels[0] ?? ""));
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "REPOSITORY_MASTER_KEY_WRONG" });
    await copyFile(now, masterKey());

    for (const label of labels.slice(1)) {
      const { Directory } = await daemon.ask(restore(label));
      const copy = await runOnDirectory({ major: 15, dataDir: String(Directory) });
      try {
        await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
        expect(await markersIn(copy), label).toEqual(Array.from({ length: 35 }, (_, index) => index + 1));
      } finally {
        await copy.destroy();
      }
    }
  });

  it("a repository that is known and cannot be reached stops a rotation, which changes nothing; left out, the old key is kept", async () => {
    const note = join(daemon.home, ".pgmoneta", "repository-0123456789abcdef.json");
    const gone = join(daemon.root, "gone");
    await writeFile(note, JSON.stringify({ baseDir: gone, id: "another" }));
    giveToUnprivileged(note);
    const before = readFileSync(masterKey());
    const refused = await admin("-P", "one more pass phrase", "master-key", "--rotate");
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ Outcome: { Status: false, Code: "KEYS_UNREACHABLE" } });
    expect(readFileSync(masterKey()).equals(before)).toBe(true);
    const done = await admin("-P", "one more pass phrase", "master-key", "--rotate", "--without", gone);
    const { Response } = JSON.parse(done.stdout) as { Response: { LeftOut: string[]; Kept: string } };
    expect(Response.LeftOut).toEqual([gone]);
    expect(readFileSync(Response.Kept).equals(before)).toBe(true);
    await rm(note);
  });

  it("passwords are not changed while a rotation is not over, which is said", async () => {
    const users = join(daemon.configDir, "pgmoneta_users.conf");
    await copyFile(masterKey(), `${masterKey()}.previous`);
    giveToUnprivileged(`${masterKey()}.previous`);
    const refused = await daemon.admin(["-f", users, "-U", "more", "-P", "x", "user", "add"]);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("master-key --rotate") as string]);
    const done = await daemon.admin(["-D", daemon.configDir, "master-key", "--rotate"]);
    expect([done.status, done.stdout]).toEqual([0, expect.stringContaining("complete") as string]);
    expect((await daemon.admin(["-f", users, "-U", "more", "-P", "x", "user", "add"])).status).toBe(0);
  });
});
