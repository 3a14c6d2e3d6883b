/**
 * G02, G03: a file that describes what is stored is empty, missing, changed or from a later version. The daemon starts,
 * says so, goes on with everything else, and deletes nothing.
 */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
const labels: string[] = [];
const at = (path: string): string => join(daemon.baseDir, "primary", path);

beforeAll(async () => {
  cluster = await createCluster({ settings: { wal_keep_size: "1GB" } });
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
  await daemon.waitUntilStreaming("primary");
  while (labels.length <= backupDamages.length) labels.push(String((await ask(daemon, "backup", "primary"))["Backup"]));
  await archivedAnother();
  await daemon.stop();
}, 600_000);
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const archivedSegments = (): string[] => readdirSync(at("wal")).filter((name) => /^[0-9A-F]{24}\.zstd$/.test(name)).sort();

/** One more segment goes all the way. */
async function archivedAnother(): Promise<void> {
  const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  await cluster.sql("CREATE TABLE passing (); DROP TABLE passing; SELECT pg_switch_wal()");
  await waitFor(`${name} is archived`, () => archivedSegments().includes(`${name}.zstd`), { seen: () => daemon.log().slice(-3000) });
}

/** Path and digest of every file below the directory of the server that nobody has to write to. */
function tree(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(at(""), { recursive: true, encoding: "utf8" })) {
    if (/\.partial$|^wal\/[0-9A-F]{24}$|^wal_(coverage|index)|^walsender/.test(name)) continue;
    try {
      if (lstatSync(at(name)).isFile()) found.set(name, createHash("sha256").update(readFileSync(at(name))).digest("hex"));
    } catch (error) {
      // The daemon goes on working while this looks: a file under its temporary name may have got its final one.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return found;
}

/** `backup.info` as a later version may write it, its digest right. */
function ofLaterFormat(bytes: Buffer): Buffer {
  const text = bytes.toString().replace("MONETA_FORMAT=1", "MONETA_FORMAT=2");
  const body = text.slice(0, text.lastIndexOf("DIGEST="));
  return Buffer.from(`${body}DIGEST=${createHash("sha256").update(body).digest("hex")}\n`);
}

type Change = (bytes: Buffer) => Buffer | undefined;
const empty: Change = () => Buffer.alloc(0);
const missing: Change = () => undefined;
const garbage: Change = () => Buffer.from("\0\xff{\n".repeat(50), "latin1");
const halved: Change = (bytes) => bytes.subarray(0, bytes.length / 2);

type Damage = readonly [path: string, change: Change];

/** Damages the files, runs `look` with the daemon up, and puts all back as it was. */
async function withDamage(damages: readonly Damage[], look: () => Promise<void>): Promise<void> {
  const whole = damages.map(([path]) => (existsSync(at(path)) ? readFileSync(at(path)) : undefined));
  for (const [index, [path, change]] of damages.entries()) {
    const damaged = change(Buffer.from(whole[index] ?? ""));
    if (damaged === undefined) rmSync(at(path), { force: true });
    else writeFileSync(at(path), damaged);
  }
  const before = tree();
  try {
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
    await look();
    await archivedAnother();
    const after = tree();
    for (const [name, digest] of before) {
      // What was set aside for a person is still there.
      const there = [...after].some(([each, found]) => each.startsWith(name) && found === digest);
      expect([name, there]).toEqual([name, true]);
    }
  } finally {
    await daemon.stop();
    for (const name of readdirSync(at(""))) if (name.includes(".damaged")) rmSync(at(name));
    for (const [index, [path]] of damages.entries()) {
      const bytes = whole[index];
      rmSync(at(path), { force: true });
      if (bytes !== undefined) writeFileSync(at(path), bytes, { mode: 0o600 });
      giveToUnprivileged(join(at(path), ".."));
    }
  }
}

/** Each command answers, whatever it has to say; nothing that looks like a crash. */
async function everyCommandAnswers(...labelsToo: readonly string[]): Promise<void> {
  const commands = [["list-backup", "primary"], ["status"], ["status", "details"], ...labelsToo.map((label) => ["info", "primary", label])];
  for (const args of commands) {
    const { status, stdout, stderr } = await daemon.cli(args, { format: "text" });
    expect([args, status], stdout + stderr).not.toEqual([args, null]);
    expect(stdout + stderr).not.toMatch(/TypeError|undefined|at .*\.(ts|js):\d/);
  }
}

const backupDamages: readonly Damage[] = [
  ["backup.info", empty],
  ["backup.info", missing],
  ["backup.info", ofLaterFormat],
  ["backup.info", garbage],
  ["backup.sha256", missing],
];

it("metadata of backups that is empty, missing, changed or from a later version: each is listed as what it is, and the good one stays good", async () => {
  const good = labels.at(-1) ?? "";
  const damages = backupDamages.map(([file, change], index): Damage => [`backup/${labels[index] ?? ""}/${file}`, change]);
  await withDamage(damages, async () => {
    const list = (await ask(daemon, "list-backup", "primary"))["Backups"] as Readonly<Record<string, unknown>>[];
    const byLabel = new Map(list.map((each) => [each["Backup"], each]));
    expect(byLabel.get(good)).toMatchObject({ Valid: 1 });
    expect((await ask(daemon, "info", "primary", "newest"))["Backup"]).toBe(good);
    for (const [index, [file]] of backupDamages.entries()) {
      const label = labels[index] ?? "";
      expect(byLabel.get(label)).toMatchObject({ Valid: 0, Problem: expect.stringContaining(file) as string });
      const restored = await daemon.cli(["restore", "primary", label, join(daemon.root, "nowhere")], { format: "none" });
      expect([label, restored.status]).not.toEqual([label, 0]);
      expect(restored.stderr).toContain(file);
      expect(existsSync(join(daemon.root, "nowhere"))).toBe(false);
    }
    await everyCommandAnswers(...labels);
  });
});

describe("what is known of a server is made anew, and backups and WAL go on, when its files are", () => {
  it.each([
    ["empty", empty, empty],
    ["missing", missing, missing],
    ["garbage", garbage, garbage],
    ["of a later version", () => Buffer.from('{"version":9,"gaps":[]}'), (bytes: Buffer) => Buffer.from(bytes.toString().replaceAll('"v":1', '"v":2'))],
    ["cut", halved, halved],
  ] as const)("%s", async (_what, change, changeIndex) => {
    const index = `wal_index/${readdirSync(at("wal_index"))[0] ?? ""}`;
    const files = ["identity.json", "wal_gaps.json", "wal_coverage.json", "walsender.json", "verified.json", "drills.json", "wal_pruned.json", "wal_push.json"];
    await withDamage([...files.map((file): Damage => [file, change]), [index, changeIndex]], async () => {
      await everyCommandAnswers("newest");
      expect((await ask(daemon, "info", "primary", "newest"))["Valid"]).toBe(1);
      // The archiver may have come before the receiver had made the identity anew; its next attempt finds it.
      const problems = async (): Promise<readonly unknown[]> =>
        Object.values((await serverStatus(daemon, "primary"))["Problems"] as Readonly<Record<string, unknown>> | undefined ?? {});
      await waitFor("nothing is complained of any longer", async () => (await problems()).length === 0, { seen: () => daemon.log().slice(-1500) });
    });
  });
});
