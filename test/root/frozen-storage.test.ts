/**
 * H10: the file system of one server stops to answer, for real: whoever writes there waits in the kernel, where not even
 * kill -9 reaches him. Nobody else waits: questions are answered, another server's WAL and backups go on, a cancel is
 * answered with what it could not do. When it answers again, all goes on by itself and no process stays behind.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { mountImage, needsForImages, type FrozenAtWill } from "../support/mounts.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { compareWithServer } from "../support/repository-judge.ts";
import { requires } from "../support/requires.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, receiverPid, serverStatus } from "../system/daemon-observation.ts";

requires("root", "fsfreeze", "mkfs.ext4", "losetup", ...needsForImages()).describe("a file system that does not answer", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let disk: FrozenAtWill;
  beforeAll(async () => {
    cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "300MB" } });
    daemon = await createDaemon({
      servers: [
        { name: "hung", cluster, settings: { max_rate: 2_000_000 } },
        { name: "well", cluster },
      ],
      settings: { compression: "none" },
      start: false,
    });
    const place = join(daemon.baseDir, "hung");
    mkdirSync(place);
    disk = mountImage(place, join(daemon.root, "image"), "300M");
    await daemon.start();
    for (const server of ["hung", "well"]) await daemon.waitUntilStreaming(server);
  });
  afterAll(async () => {
    disk.thaw();
    await daemon.stop();
    disk.unmount();
    await daemon.destroy();
    await cluster.destroy();
  });

  const stateOf = (pid: number): string => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "";
  /** Whether one of the threads of a process waits where no signal reaches it. */
  const waitsInKernel = (pid: number): boolean => readdirSync(`/proc/${pid}/task`).some((thread) => /^State:\s+D/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1")));
  const acknowledges = (server: string, end: string): Promise<string> =>
    cluster.value(`SELECT count(*) FROM pg_stat_replication WHERE application_name = 'moneta_${server}' AND flush_lsn >= '${end}'`);

  it("holds up neither other servers, nor questions, nor a cancel, and is gone on with when it answers", async () => {
    const client = await daemon.startCli(["backup", "hung"], { format: "raw" });
    const job = await waitFor("the backup runs", async () => {
      const running = Number((await serverStatus(daemon, "hung")).Jobs[0]?.["Done"] ?? 0) > 0;
      return running ? childrenTitled(daemon, "backup hung")[0] : undefined;
    });
    const receiver = await receiverPid(daemon, "hung");
    disk.freeze();
    await insertMarkers(cluster, 1, 50, "x".repeat(3000));
    await waitFor("the job and the receiver wait in the kernel", () => [job, receiver].every(waitsInKernel));

    const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("the other server's WAL is received", async () => (await acknowledges("well", end)) === "1");
    expect(await acknowledges("hung", end)).toBe("0");
    expect(await ask(daemon, "backup", "well")).toMatchObject({ Valid: 1 });
    for (const words of [["status"], ["status", "details"], ["list-backup", "hung"], ["list-backup", "well"], ["ping"]]) await ask(daemon, ...words);
    // The truth: it was told to end, and killed, and is there all the same.
    const cancelled = await daemon.cli(["cancel", "hung"], { format: "raw" });
    expect([cancelled.status, cancelled.json?.Outcome["Code"]]).toEqual([6, "JOB_HANGS"]);
    expect(waitsInKernel(job)).toBe(true);

    disk.thaw();
    const { status, stdout } = await client.finished;
    expect(status).not.toBe(0);
    expect(stdout).toContain("JOB_CANCELLED");
    await waitFor("what waited is received", async () => (await acknowledges("hung", end)) === "1", { seen: () => daemon.log().slice(-2000) });
    await waitFor("nothing of the backup is left", () => readdirSync(join(daemon.baseDir, "hung", "backup")).length === 0, { seen: () => daemon.log().slice(-2000) });
    await waitFor("its process is gone", () => !existsSync(`/proc/${job}`));
    // One that has just ended may be one for an instant.
    await waitFor("no process is left as a zombie", () => daemon.children().every((pid) => stateOf(pid) !== "Z"));
    expect(await ask(daemon, "backup", "hung")).toMatchObject({ Valid: 1 });
    const { complete, differences } = await compareWithServer(join(daemon.baseDir, "hung", "wal"), join(cluster.dataDir, "pg_wal"));
    expect(differences).toEqual([]);
    expect(complete).toBeGreaterThan(0);
    expect(await serverStatus(daemon, "hung")).toMatchObject({ Gaps: 0 });
  });
});
