/**
 * H03, H04: the file system of the repository is full, has no inodes left, is read-only or is not there, while the
 * daemon runs and when it starts. What is small and matters is written all the same; nothing is ever written into
 * whatever lies in the place of a repository that is gone; all of it is over when its cause is.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { mountInstead, mountMemory, mountReadOnly, needsForMounts, type Mount } from "../support/mounts.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { run, runOrFail } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { sampleBytes } from "../support/sample-bytes.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "../system/daemon-observation.ts";

const noise = sampleBytes(10_000, "noise").toString("hex");

requires("root", ...needsForMounts()).describe("the file system of the repository", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let disk: Mount;
  let markers = 0;
  beforeAll(async () => {
    cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "300MB" } });
    daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { compression: "none" }, start: false });
    disk = mountMemory(daemon.baseDir, "120m", 4000);
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
  });
  afterAll(async () => {
    await daemon.stop();
    disk.unmount();
    await daemon.destroy();
    await cluster.destroy();
  });

  afterEach(async () => {
    for (const mount of mounts.splice(0)) mount.unmount();
    await shell('rm -rf "$1/filler" "$1/many"');
  });

  const mounts: Mount[] = [];
  const over = (mount: Mount): Mount => {
    mounts.push(mount);
    return mount;
  };
  const inRepository = (...path: string[]): string => join(daemon.baseDir, ...path);
  const shell = (command: string): Promise<string> => runOrFail("sh", ["-c", command, "sh", daemon.baseDir], { unprivileged: true });
  const fill = (): Promise<unknown> => run("sh", ["-c", 'dd if=/dev/zero of="$1/filler" bs=4k conv=notrunc oflag=append', "sh", daemon.baseDir], { unprivileged: true });
  const writeWal = async (): Promise<void> => {
    await insertMarkers(cluster, markers + 1, (markers += 150), noise);
    await cluster.sql("SELECT pg_switch_wal()");
  };
  const problems = async (): Promise<{ Code: string; Message: string }[]> => {
    const { Problems } = await serverStatus(daemon, "primary");
    return Array.isArray(Problems) ? (Problems as { Code: string; Message: string }[]) : [];
  };
  const hasProblem = (code: string): Promise<{ Code: string; Message: string }> =>
    waitFor(`the problem ${code} is named`, async () => (await problems()).find((problem) => problem.Code === code), { seen: () => daemon.log().slice(-2000) });
  /** Everything is received, and nothing holds the receiver up; an archiver that failed waits up to a minute by itself. */
  const recovers = async (): Promise<void> => {
    const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    const caughtUp = `SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '${end}'`;
    // Whoever asks for the status has the next attempt made at once.
    await waitFor("all WAL is received", async () => (await problems()).length >= 0 && (await cluster.value(caughtUp)) === "1", { seen: () => daemon.log().slice(-2000), deadlineMs: 60_000 });
    await waitFor("nothing is complained of", async () => (await problems()).every(({ Message }) => Message.startsWith("finished WAL is not archived")), { seen: () => daemon.log().slice(-2000), deadlineMs: 90_000 });
    expect(await serverStatus(daemon, "primary")).toMatchObject({ Gaps: 0 });
  };
  const pieces = (): number => readdirSync(inRepository(".moneta.reserve")).length;
  const spend = async (): Promise<void> => {
    await ask(daemon, "mode", "primary", "offline");
    await ask(daemon, "mode", "primary", "online");
  };

  it("when it is full lets the daemon write what is small, answer, verify, retain, delete, end and start; what is large fails with the bytes that are missing", async () => {
    const { Backup } = await ask(daemon, "backup", "primary");
    expect(pieces()).toBe(16);
    await fill();
    await writeWal();
    expect((await hasProblem("WAL_DISK_FULL")).Message).toMatch(/no space to write [0-9]+ bytes to ".*\.partial"; [0-9]+ bytes are free, [0-9]+ are missing/);
    await fill();
    await spend();
    expect(pieces()).toBeLessThan(16);
    // What a verification found and what an operator decides about a backup are small, and are not lost.
    expect(await ask(daemon, "verify", "primary", String(Backup))).toMatchObject({ Restorable: true, NumberOfFindings: 0 });
    expect(((await ask(daemon, "list-backup", "primary"))["Backups"] as unknown[])[0]).toMatchObject({ Backup, Verification: "good" });
    await ask(daemon, "retain", "primary", String(Backup));
    await ask(daemon, "expunge", "primary", String(Backup));
    await ask(daemon, "retention", "primary");
    expect(readdirSync(inRepository("primary", "backup"))).toEqual([Backup]);
    expect(await daemon.stop()).toBe(0);
    await fill();
    await daemon.start();
    await hasProblem("WAL_DISK_FULL");
    const refused = await daemon.cli(["backup", "primary"], { format: "raw" });
    expect([refused.status, refused.json?.Outcome]).toEqual([
      6,
      expect.objectContaining({ Code: "WAL_NOT_RECEIVED", Message: expect.stringMatching(/no space to write .* are missing/) as unknown }),
    ]);
    expect(readdirSync(inRepository("primary", "backup"))).toEqual([Backup]);
    await ask(daemon, "delete", "primary", String(Backup));
    expect(readdirSync(inRepository("primary", "backup"))).toEqual([]);
    await shell('rm "$1/filler"');
    await recovers();
  });

  it("when it has no inodes left does the same, and says that it is the inodes", async () => {
    const use = (): Promise<unknown> => run("sh", ["-c", 'mkdir -p "$1/many"; cd "$1/many"; seq 5000 | xargs touch', "sh", daemon.baseDir], { unprivileged: true });
    await use();
    await ask(daemon, "mode", "primary", "offline");
    expect(pieces()).toBeLessThan(16);
    await use();
    const left = pieces();
    const refused = await daemon.cli(["backup", "primary"], { format: "raw" });
    expect([refused.status === 0, left > 0]).toEqual([false, true]);
    await ask(daemon, "mode", "primary", "online");
    await use();
    await writeWal();
    expect((await hasProblem("WAL_DISK_FULL")).Message).toMatch(/has no free inode \(of [0-9]+\)/);
    await shell('rm -r "$1/many"');
    await recovers();
  });

  it("when it goes away while the daemon runs gets nothing written in its place, and is gone on with when it is back", async () => {
    const beneath = join(daemon.root, "beneath");
    mkdirSync(beneath);
    giveToUnprivileged(beneath);
    const mount = over(mountInstead(daemon.baseDir, beneath));
    await writeWal();
    await writeWal();
    expect((await hasProblem("REPOSITORY_GONE")).Message).toContain(daemon.baseDir);
    const backup = await daemon.cli(["backup", "primary"], { format: "raw" });
    expect(backup.status).not.toBe(0);
    expect((await daemon.cli(["mode", "primary", "offline"])).status).not.toBe(0);
    expect(readdirSync(beneath)).toEqual([]);
    mount.unmount();
    await recovers();

    await daemon.stop();
    const again = over(mountInstead(daemon.baseDir, beneath));
    const { status, stderr } = await daemon.startExpectingFailure();
    expect([status, stderr]).toEqual([14, expect.stringMatching(/holds no repository where .* was: nothing is written there[^]*mounted/)]);
    expect(readdirSync(beneath)).toEqual([]);
    again.unmount();
    await daemon.start();
    // What was given up before is kept again.
    expect(pieces()).toBe(16);
    await recovers();
  });

  it("when it is read-only is named so, at a start as well, and is written again when it may be", async () => {
    const mount = over(mountReadOnly(daemon.baseDir));
    await writeWal();
    await writeWal();
    expect((await hasProblem("WAL_WRITE_FAILED")).Message).toMatch(/EROFS|read-only/);
    const backup = await daemon.cli(["backup", "primary"], { format: "raw" });
    expect([backup.status, backup.json?.Outcome["Code"]]).toEqual([6, "WAL_NOT_RECEIVED"]);
    mount.unmount();
    await recovers();

    await daemon.stop();
    const again = over(mountReadOnly(daemon.baseDir));
    const { status, stderr } = await daemon.startExpectingFailure();
    expect([status, stderr]).toEqual([78, expect.stringMatching(/base_dir: .* which is on a file system that is mounted read-only/)]);
    again.unmount();
    await daemon.start();
    await recovers();
    expect(await ask(daemon, "backup", "primary")).toMatchObject({ Valid: 1 });

    // Too little room where a restore goes is another matter, and is known before anything is written.
    const target = join(daemon.root, "target");
    mkdirSync(target);
    over(mountMemory(target, "10m", 4000));
    const restore = await daemon.cli(["restore", "primary", "newest", "current", target], { format: "raw" });
    expect(restore.status).not.toBe(0);
    expect(restore.json?.Outcome).toMatchObject({ Code: "RESTORE_NO_SPACE", Message: expect.stringMatching(/needs [0-9]+ bytes, ".*" has [0-9]+: [0-9]+ are missing/) as unknown });
    expect(readdirSync(target)).toEqual([]);
  });
});
