/** wal_shipping: a second copy of the WAL that follows by itself, holds nothing up, and is there when the first one is not. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let shipping: string;
const segmentSize = 1024 * 1024;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: segmentSize });
  await cluster.sql("CREATE TABLE filler (n int, words text)");
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, settings: { wal_shipping: "$SHIPPING/second" } }],
    settings: { encryption: "aes" },
    start: false,
  });
  shipping = join(daemon.root, "second");
  await mkdir(shipping);
  giveToUnprivileged(shipping);
  // The path is known only now.
  const text = await readFile(daemon.configFile, "utf8");
  await writeFile(daemon.configFile, text.replace("$SHIPPING/second", shipping));
  await daemon.start();
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const first = (...path: string[]): string => join(daemon.baseDir, "primary", "wal", ...path);
const second = (...path: string[]): string => join(shipping, "primary", "wal", ...path);
const sha256 = async (path: string): Promise<string> => createHash("sha256").update(await readFile(path)).digest("hex");

let rows = 0;
/** Fills a segment, ends it, and returns the name of its stored file. */
async function finishSegment(): Promise<string> {
  rows += 100;
  await cluster.sql("INSERT INTO filler SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 100) n");
  const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  await cluster.sql("SELECT pg_switch_wal()");
  return `${name}.zstd.aes`;
}

async function inBoth(...names: readonly string[]): Promise<void> {
  await waitFor(
    "the segments are in both copies, the same",
    async () => {
      for (const name of names) {
        try {
          if ((await sha256(first(name))) !== (await sha256(second(name)))) return false;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
          throw error;
        }
      }
      return true;
    },
    { seen: () => daemon.log().slice(-2000) },
  );
}

async function problems(): Promise<string> {
  // An empty list travels as {}.
  const [server] = (await daemon.look("status"))["Servers"] as [{ Problems: Readonly<Record<string, { Code: string }>> }];
  return Object.values(server.Problems)
    .map(({ Code }) => Code)
    .join();
}

/** A directory that the daemon may write to. */
const restoreTo = async (name: string): Promise<string> => {
  const place = join(daemon.root, name);
  await mkdir(place);
  giveToUnprivileged(place);
  return place;
};

describe("a second copy of the WAL", () => {
  it("gets every archived segment in its stored form, with what reading it takes", async () => {
    await ask(daemon, "backup", "primary");
    const names = [await finishSegment(), await finishSegment(), await finishSegment()];
    await inBoth(...names);
    for (const name of await readdir(second())) expect((await stat(second(name))).mode & 0o777).toBe(0o600);
    expect((await readdir(join(shipping, "primary", "keys"))).sort()).toEqual((await readdir(join(daemon.baseDir, "primary", "keys"))).sort());
    expect(await problems()).toBe("");
  });

  it("holds nothing up when it fails, is missed in status, and catches up by itself", async () => {
    await chmod(second(), 0o500);
    const names = [await finishSegment(), await finishSegment()];
    await waitFor("the first copy has them all the same", async () => {
      const files = await readdir(first());
      return names.every((name) => files.includes(name));
    });
    await waitFor("status tells", async () => (await problems()) === "WAL_SECOND_COPY_FAILED");
    // The receiver goes on: PostgreSQL is told of what is durable in the first copy.
    const flushed = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("the flush position goes on", async () => (await cluster.value(`SELECT flush_lsn >= '${flushed}' FROM pg_stat_replication`)) === "t");
    expect(await readdir(second())).not.toContain(names[0]);
    await chmod(second(), 0o700);
    await inBoth(...names);
    await waitFor("status is content", async () => (await problems()) === "");
    expect(daemon.log()).toContain("WAL_SECOND_COPY_FAILED");
  });

  it("is not begun anew where its disk is not mounted", async () => {
    await rename(join(shipping, "primary"), join(daemon.root, "unmounted"));
    const name = await finishSegment();
    await waitFor("status tells", async () => (await problems()) === "WAL_SECOND_COPY_FAILED");
    expect(await readdir(shipping)).toEqual([]);
    await rename(join(daemon.root, "unmounted"), join(shipping, "primary"));
    await inBoth(name);
  });

  it("does not take over what is damaged in the first, and says so", async () => {
    await daemon.stop();
    const files = (await readdir(first())).filter((name) => name.endsWith(".zstd.aes")).sort();
    const name = files[1] ?? "";
    const good = await readFile(first(name));
    await rm(second(name));
    await writeFile(first(name), Buffer.concat([good.subarray(0, -1), Buffer.from([(good.at(-1) ?? 0) ^ 1])]));
    await daemon.start();
    await waitFor("status tells", async () => (await problems()).includes("WAL_SECOND_COPY_SOURCE"));
    expect(await readdir(second())).not.toContain(name);
    await writeFile(first(name), good);
    await inBoth(name);
  });

  it("gives a restore, and the restored server, what the first lacks or has damaged, and both say so (G04)", async () => {
    await daemon.waitUntilStreaming("primary");
    const last = await finishSegment();
    await inBoth(last);
    const begin = String((await ask(daemon, "info", "primary", "newest"))["WAL"]);
    const needed = (await readdir(first())).filter((name) => name.endsWith(".zstd.aes") && name >= begin).sort();
    const [lost = "", damaged = "", cut = ""] = needed.slice(1);
    await rm(first(lost));
    const bytes = await readFile(first(damaged));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x40;
    await writeFile(first(damaged), bytes);
    await writeFile(first(cut), (await readFile(first(cut))).subarray(0, 1000));

    const place = await restoreTo("by-command");
    const restored = await ask(daemon, "restore", "primary", "newest", place);
    const said = JSON.stringify(restored["Warnings"]);
    for (const name of [lost, damaged, cut]) expect(said).toContain(`${name.slice(0, 24)} is taken from the second copy`);
    const clone = await runOnDirectory({ major: cluster.major, dataDir: String(restored["Directory"]) });
    await waitFor("recovery is over", async () => (await clone.value("SELECT pg_is_in_recovery()")) === "f");
    expect(Number(await clone.value("SELECT count(*) FROM filler"))).toBe(rows);
    // Whoever brought it: the call, the process that keeps segments ready, or the shell.
    for (const name of [lost, damaged, cut]) {
      expect(clone.log()).toContain(`wal-get ${name.slice(0, 24)}: ${name.slice(0, 24)} is taken from the second copy of the WAL: the repository `);
    }
    await clone.destroy();

    // With WAL copied into it, and without a daemon.
    const offline = await restoreTo("offline");
    const done = await daemon.cli(["-D", daemon.configDir, "--offline", "restore", "--copy-wal", "primary", "newest", offline]);
    expect(done.status, done.stdout + done.stderr).toBe(0);
    expect(JSON.stringify(done.json)).toContain(`${lost.slice(0, 24)} is taken from the second copy`);

    // Where both are bad the answer is no.
    await rm(second(lost));
    const refused = await daemon.cli(["restore", "--dry-run", "primary", "newest", await restoreTo("refused")]);
    expect(refused.status).not.toBe(0);
    expect(refused.stdout).toContain(lost.slice(0, 24));
  });

  it("has the end of the old timeline and the history of the new one after a switch", async () => {
    const old = await cluster.value("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)");
    expect(old).toBe("00000001");
    await cluster.stop();
    await writeFile(join(cluster.dataDir, "standby.signal"), "");
    await cluster.start();
    await cluster.promote();
    await daemon.waitUntilStreaming("primary");
    await waitFor("the history is in the second copy", async () => (await readdir(second())).includes("00000002.history"), { seen: () => daemon.log().slice(-2000) });
    expect(await readFile(second("00000002.history"), "utf8")).toBe(await readFile(first("00000002.history"), "utf8"));
    await waitFor("the last segment of the old timeline is there", async () => {
      const [one, other] = await Promise.all([first(), second()].map(async (place) => (await readdir(place)).filter((name) => /^00000001.*\.partial$/.test(name))));
      return one?.length === 1 && other?.[0] === one[0] && (await sha256(first(one[0] ?? ""))) === (await sha256(second(one[0] ?? "")));
    });
    expect(childrenTitled(daemon, "ship-wal primary").length).toBeLessThan(2);
  });

  it("loses what retention removes, and nothing else", async () => {
    await daemon.waitUntilStreaming("primary");
    await ask(daemon, "backup", "primary");
    const before = await readdir(second());
    const oldest = String((await ask(daemon, "info", "primary", "oldest"))["Backup"]);
    await ask(daemon, "delete", "primary", oldest);
    // What is younger than the time that is kept stays, whatever needs it.
    const longAgo = new Date(Date.now() - 30 * 86_400_000);
    for (const name of await readdir(first())) await utimes(first(name), longAgo, longAgo);
    await ask(daemon, "retention", "primary");
    const begin = String((await ask(daemon, "info", "primary", "newest"))["WAL"]);
    await waitFor("the second copy has lost what the first has", async () => (await readdir(second())).filter((name) => /^[0-9A-F]{24}\./.test(name)).every((name) => name.slice(0, 24) >= begin), {
      deadlineMs: 30_000,
      seen: () => [begin, readdirSync(first()), readdirSync(second()), daemon.log().slice(-1500)],
    });
    expect((await readdir(second())).length).toBeLessThan(before.length);
  });
});
