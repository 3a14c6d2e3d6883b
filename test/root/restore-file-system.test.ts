/**
 * H03, H04: the file system where a restore goes fills up while it is written, by somebody else's hand: nothing that
 * starts is left behind, the path and the bytes that are missing are said, and the daemon goes on. The one of an archive,
 * which nobody can know to be too small beforehand. That of a drill, whose server ends for it: which says nothing of the
 * backup. And the file system of its log, which may be full for as long as it likes.
 */
import { existsSync, readdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { mountMemory, needsForMounts, type Mount } from "../support/mounts.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { run, runOrFail, signalPid } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { sampleBytes } from "../support/sample-bytes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { writeWal } from "../integration/wal/receiving.ts";
import { ask } from "../system/daemon-observation.ts";

const megabyte = 1024 * 1024;
/** Of WAL behind the backup, so that copying it can be caught in the middle. */
const megabytes = 40;

function used(path: string): number {
  const { blocks, bfree, bsize } = statfsSync(path);
  return (blocks - bfree) * bsize;
}

const segmentsIn = (path: string): number => (existsSync(path) ? readdirSync(path).filter((name) => /^[0-9A-F]{24}$/.test(name)).length : 0);

requires("root", ...needsForMounts()).describe("the file system that fills up", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let label = "";
  let logs = "";
  let workspace = "";
  const mounts: Mount[] = [];

  const mounted = (size: string): string => {
    const { path } = temporaryDirectory({ prefix: "mfull", unprivileged: true });
    mounts.push(mountMemory(path, size, 4000));
    return path;
  };
  const fill = (path: string): Promise<unknown> => run("sh", ["-c", 'dd if=/dev/zero of="$1/filler" bs=4k conv=notrunc oflag=append', "sh", path], { unprivileged: true });
  const clear = (path: string): Promise<unknown> => runOrFail("rm", [join(path, "filler")], { unprivileged: true });

  beforeAll(async () => {
    cluster = await createCluster({ walSegmentSize: megabyte, settings: { wal_keep_size: "300MB" } });
    logs = mounted("1m");
    workspace = mounted("200m");
    const settings = { workspace, compression: "none", log_type: "file", log_path: join(logs, "moneta.log"), log_level: "info" };
    daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings });
    await daemon.waitUntilStreaming("primary");
    label = String((await ask(daemon, "backup", "primary"))["Backup"]);
    await writeWal(cluster, megabytes);
    const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("all WAL is received", async () => (await cluster.value(`SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '${end}'`)) === "1");
  });
  afterAll(async () => {
    await daemon.stop();
    for (const mount of mounts) mount.unmount();
    await daemon.destroy();
    await cluster.destroy();
  });

  /** The job's process, once it is there. */
  const restoring = (): Promise<number> =>
    waitFor("the restore is a job", () =>
      daemon.children().find((pid) => {
        try {
          return /^moneta: job [0-9]+ restore/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
        } catch {
          // It has ended meanwhile.
          return false;
        }
      }),
    );

  interface Place {
    readonly target: string;
    readonly data: string;
  }

  it.each([
    ["files", [], ({ target }: Place) => used(target) > 4 * megabyte],
    ["WAL", ["--copy-wal"], ({ data }: Place) => segmentsIn(join(data, "pg_wal")) > 0],
] as const)("under the %s of a cluster being restored leaves none behind, and tells the path and the bytes that are missing", async (what, options, reached) => {
    const target = mounted("200m");
    const data = join(target, `primary-${label}`);
    const client = await daemon.startCli(["restore", ...options, "primary", "newest", "current", target], { format: "raw" });
    const job = await restoring();
    while (!reached({ target, data })) await nextTurn();
    signalPid(job, "SIGSTOP");
    expect(existsSync(join(data, "global/pg_control"))).toBe(false);
    await fill(target);
    signalPid(job, "SIGCONT");
    const { status, stdout } = await client.finished;
    const { Outcome } = JSON.parse(stdout) as { Outcome: Record<string, unknown> };
    expect([status, Outcome]).toEqual([30, expect.objectContaining({ Code: "RESTORE_NO_SPACE", Message: expect.stringMatching(new RegExp(`no space to [a-z ]+ "${data}/.*"; [0-9]+ bytes are free now, [0-9]+ were still to be written: [0-9]+ are missing`)) as unknown })]);
    if (what === "WAL") expect(Outcome["Message"]).toContain("/pg_wal/");
    expect(readdirSync(target)).toEqual(["filler"]);
    // The daemon has lost nothing, and says yes as soon as there is room.
    await clear(target);
    await ask(daemon, "restore", ...options, "primary", "newest", "current", target);
    expect(existsSync(join(data, "global/pg_control"))).toBe(true);
  });

  it("under an archive, or a file that is converted, leaves nothing of it, and tells the path and the bytes that are missing", async () => {
    const target = mounted("6m");
    const { status, json } = await daemon.cli(["archive", "primary", "newest", target], { format: "raw" });
    const message = new RegExp(`no space to write "${target}/archive-primary-${label}\\.tar"; [0-9]+ bytes are free, [0-9]+ are missing`);
    expect([status, json?.Outcome]).toEqual([30, expect.objectContaining({ Code: "ARCHIVE_NO_SPACE", Message: expect.stringMatching(message) as unknown })]);
    expect(readdirSync(target)).toEqual([]);
    // The conversion of a file in place has its room beside it.
    const file = join(target, "file");
    writeFileSync(file, sampleBytes(4 * megabyte, "noise"));
    giveToUnprivileged(file);
    for (const [command, result] of [["compress", `${file}.zstd`], ["encrypt", `${file}.aes`]] as const) {
      const converted = await daemon.cli([command, file], { format: "raw" });
      const told = new RegExp(`no space to write "${result}"; [0-9]+ bytes are free, [0-9]+ are missing`);
      expect([converted.status, converted.json?.Outcome]).toEqual([30, expect.objectContaining({ Code: "CONVERT_NO_SPACE", Message: expect.stringMatching(told) as unknown })]);
      expect(readdirSync(target)).toEqual(["file"]);
    }
  });

  it("under the server of a drill is no fault of the backup, which is not called one that failed", async () => {
    const client = await daemon.startCli(["drill", "primary"], { format: "raw" });
    let server = 0;
    while (server === 0) {
      await nextTurn();
      for (const name of readdirSync(workspace)) {
        const record = join(workspace, name, "server.json");
        // It is not written in one step.
        const [, pid] = existsSync(record) ? (/"pid":([0-9]+),/.exec(readFileSync(record, "utf8")) ?? []) : [];
        if (pid !== undefined) server = Number(pid);
      }
    }
    // Before it has replayed anything: its first child is still to come.
    signalPid(server, "SIGSTOP");
    await fill(workspace);
    signalPid(server, "SIGCONT");
    const { status, stdout } = await client.finished;
    const { Outcome } = JSON.parse(stdout) as { Outcome: Record<string, unknown> };
    expect([status, Outcome]).toEqual([30, expect.objectContaining({ Code: "DRILL_NO_SPACE", Message: expect.stringContaining(`the workspace "${workspace}" ran full`) as unknown })]);
    expect(readdirSync(workspace)).toEqual(["filler"]);
    expect(((await ask(daemon, "list-backup", "primary"))["Backups"] as Record<string, unknown>[])[0]).not.toHaveProperty("DrillFailure");
    await clear(workspace);
    await ask(daemon, "drill", "primary");
  });

  it("under its log does not hold the daemon up, and has every line when there is room again", async () => {
    await fill(logs);
    // The last page of the log has room for some lines still: less than a page of them.
    do {
      await ask(daemon, "mode", "primary", "offline");
      await ask(daemon, "mode", "primary", "online");
      await daemon.waitUntilStreaming("primary");
    } while (!daemon.log().includes("streaming timeline 1 from"));
    expect(daemon.log()).toMatch(/the log file ".*moneta\.log" cannot be written, lines go here: .*ENOSPC/);
    const [line = ""] = /^.*streaming timeline 1 from.*$/m.exec(daemon.log()) ?? [];
    expect(line).not.toBe("");
    await clear(logs);
    await ask(daemon, "mode", "primary", "offline");
    await waitFor("the log has what it missed", () => readFileSync(join(logs, "moneta.log"), "utf8").includes(`\n${line}\n`));
    await ask(daemon, "mode", "primary", "online");
  });
});
