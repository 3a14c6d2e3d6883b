/**
 * H02 and the proof of durability. Every system call of a daemon that streams, archives, takes backups and deletes one is
 * written down by strace. Replayed on a disk of our imagination, it shows that nothing gets its final name before its
 * bytes are certain, that no position is reported and no backup called complete before data and name are. Then the power
 * is cut at many points: what had not been synced is lost, or partly kept, and everything acknowledged must be there.
 * From some of these disks the daemon is started again, and has to come to terms with them by itself.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chanceFrom } from "../soak/chance.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { countFromEnvironment } from "../support/long-run.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { layOut, type Content, type Disk, type Outcome, type Survivors } from "../support/power-cut/disk.ts";
import { brokenPromises, isFinalName, noPromises, noteNaming, segmentNameAt, type Promises } from "../support/power-cut/promises.ts";
import { replay, type ReplayEvents, type ReplayOptions } from "../support/power-cut/replay.ts";
import { firstDescriptorPath, traceEvents, tracedBy } from "../support/power-cut/system-calls.ts";
import { compareWithServer, judgeBackup } from "../support/repository-judge.ts";
import { requires, tool } from "../support/requires.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

const segmentSize = 1024 * 1024;
/** More of them by MONETA_INSTANTS. */
const cuts = countFromEnvironment("MONETA_INSTANTS", 40);
/** The daemon is started on so many of the disks. */
const starts = Math.ceil(cuts / 20);
const chance = chanceFrom(process.env["MONETA_SEED"]);
/** The same cluster twice: WAL and backups stored packed, and as they are. */
const servers = ["packed", "plain"] as const;

requires("strace", "zstd", "sha256sum", "pg_verifybackup").describe("a power cut", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let trace: string;
  let traced = true;
  let steps = 0;
  const kept: Survivors[] = [];

  beforeAll(async () => {
    console.log(`seed ${chance.seed}, ${cuts} cuts (repeat with MONETA_SEED)`);
    cluster = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "1GB" } });
    daemon = await createDaemon({
      servers: [
        { name: "packed", cluster },
        { name: "plain", cluster, settings: { compression: "none" } },
      ],
      settings: { encryption: "none" },
      start: false,
      launcher: () => (traced ? tracedBy(tool("strace"), trace) : []),
    });
    trace = join(daemon.root, "calls");
    await work();
  });
  afterAll(async () => {
    await daemon.destroy();
    await cluster.destroy();
  });

  const writeWal = (rows: number): Promise<unknown> =>
    cluster.sql(`INSERT INTO filler SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, ${rows}) g`);

  /** What is written down: WAL in many commits, backups of both servers, a deletion, an orderly end. */
  async function work(): Promise<void> {
    await cluster.sql("CREATE TABLE filler (a int, b text)");
    // One of the receivers begins far behind: what it takes is written early, by another thread.
    await cluster.sql("SELECT pg_create_physical_replication_slot('moneta_plain', true)");
    await writeWal(20_000);
    await daemon.start();
    for (const server of servers) await daemon.waitUntilStreaming(server);
    const client = await cluster.connect();
    const commit = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n += 1) await client.query("INSERT INTO filler VALUES (1, repeat('x', 3000))");
    };
    await commit(50);
    await writeWal(1500);
    const [surplus] = await Promise.all([ask(daemon, "backup", "packed"), commit(100)]);
    await writeWal(1000);
    await Promise.all([ask(daemon, "backup", "plain"), ask(daemon, "backup", "packed"), commit(100)]);
    await ask(daemon, "delete", "packed", String(surplus["Backup"]));
    await commit(50);
    await cluster.sql("SELECT pg_switch_wal()");
    await client.end();
    const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("all is flushed", async () => (await cluster.value(`SELECT min(flush_lsn) >= '${end}' FROM pg_stat_replication`)) === "t");
    expect(await daemon.stop()).toBe(0);
    traced = false;
    // The tracer writes its last lines when all is over.
    let size = -1;
    await waitFor("the trace is complete", async () => {
      const before = size;
      size = (await stat(trace)).size;
      return size === before;
    }, { everyMs: 300 });
  }

  const segments = new Map<string, Content | undefined>();
  const reference = {
    segmentSize,
    segment(name: string): Content | undefined {
      if (!segments.has(name)) segments.set(name, contentOfFile(join(cluster.dataDir, "pg_wal", name)));
      return segments.get(name);
    },
  };

  /** Replays the trace and notes what was promised. */
  function follow(promises: Promises, more: ReplayEvents = {}, options: ReplayOptions = {}): number {
    const receivers = new Map<number, string>();
    const relative = (path: string): string => path.slice(daemon.baseDir.length + 1);
    const events: ReplayEvents = {
      opened(thread, path) {
        const [, server, name = ""] = /^([^/]+)\/wal\/([0-9A-F]{24})\.partial$/.exec(relative(path)) ?? [];
        if (server === undefined) return;
        receivers.set(thread, server);
        const number = BigInt(`0x${name.slice(8, 16)}`) * BigInt(0x1_0000_0000 / segmentSize) + BigInt(`0x${name.slice(16)}`);
        const from = number * BigInt(segmentSize);
        if (!promises.flushed.has(server)) promises.flushed.set(server, { from, to: from });
      },
      flushed(thread, position, disk) {
        const stretch = promises.flushed.get(receivers.get(thread) ?? "");
        if (stretch !== undefined && position > stretch.to) stretch.to = position;
        more.flushed?.(thread, position, disk);
      },
      said(text, disk) {
        for (const [, label = "", server = ""] of text.matchAll(/backup (\d{14}) of "(\w+)" is complete/g)) promises.complete.add(`${server}/backup/${label}`);
        more.said?.(text, disk);
      },
      naming(from, to, disk) {
        noteNaming(promises, relative(from), relative(to), disk);
        more.naming?.(from, to, disk);
      },
      named: (from, to, disk) => more.named?.(from, to, disk),
      step: (step, disk) => more.step?.(step, disk),
    };
    return replay(trace, daemon.baseDir, events, options);
  }

  /** Syncs of segments being received by threads that receive nothing. */
  function earlyWrites(): number {
    const receivers = new Set<number>();
    const syncs: number[] = [];
    for (const event of traceEvents(trace)) {
      if (event.phase !== "end") continue;
      const { args, name, resultPath, thread } = event.call;
      if (name === "openat" && resultPath?.endsWith(".partial") === true) receivers.add(thread);
      if (name === "fdatasync" && firstDescriptorPath(args)?.endsWith(".partial") === true) syncs.push(thread);
    }
    return syncs.filter((thread) => !receivers.has(thread)).length;
  }

  it("cannot come between a name and its bytes, nor between a promise and what it promises", () => {
    const promises = noPromises();
    const wrong: string[] = [];
    const seen = { names: 0, trees: 0, positions: 0, backups: 0 };
    let said = 0;
    /** The certain end of the WAL of a server, as far as the segment with this position shows it. */
    const certainly = (server: string, position: bigint, disk: Disk): boolean => {
      const start = position - 1n - ((position - 1n) % BigInt(segmentSize));
      const path = join(daemon.baseDir, server, "wal", segmentNameAt(start, segmentSize));
      // A raw segment that has its name had another one before, under which its bytes were certain; the archived one had none.
      const raw = disk.at(path);
      if (raw !== undefined) return disk.isCertain(raw);
      const archived = disk.at(`${path}.zstd`);
      if (archived !== undefined) return disk.isCertain(archived) && disk.isNamed(`${path}.zstd`);
      const partial = disk.at(`${path}.partial`);
      return partial !== undefined && disk.isNamed(`${path}.partial`) && BigInt(disk.certainLength(partial)) >= position - start;
    };
    steps = follow(promises, {
      naming(from, to, disk) {
        if (!isFinalName(to.slice(daemon.baseDir.length + 1))) return;
        const node = disk.at(from);
        if (node === undefined) return;
        seen.names += 1;
        if (node.kind === "directory") seen.trees += 1;
        if (!disk.isCertain(node)) wrong.push(`${to} gets its name before its bytes are certain`);
      },
      flushed(_thread, _position, disk) {
        for (const [server, { from, to }] of promises.flushed) {
          if (to === from) continue;
          seen.positions += 1;
          if (!certainly(server, to, disk)) wrong.push(`${server}: ${to.toString(16)} is reported before it is certain`);
        }
      },
      said(_text, disk) {
        for (const path of [...promises.complete].slice(said)) {
          seen.backups += 1;
          const full = join(daemon.baseDir, path);
          const node = disk.at(full);
          if (node === undefined || !disk.isCertain(node) || !disk.isNamed(full)) wrong.push(`${path} is called complete before it is certain`);
        }
        said = promises.complete.size;
      },
    });
    const early = earlyWrites();
    console.log(`${steps} steps, ${early} early writes: ${JSON.stringify(seen)}`);
    expect(wrong).toEqual([]);
    expect(early).toBeGreaterThan(3);
    expect(seen).toMatchObject({ trees: 3, backups: 3 });
    expect(seen.names).toBeGreaterThan(20);
    expect(seen.positions).toBeGreaterThan(100);
    for (const server of servers) {
      const { from = 0n, to = 0n } = promises.flushed.get(server) ?? {};
      expect(to - from).toBeGreaterThan(4 * segmentSize);
    }
  });

  it(`at ${cuts} points loses nothing that was acknowledged, whatever the disk kept of the rest`, () => {
    expect(steps).toBeGreaterThan(10 * cuts);
    const points = new Set<number>();
    while (points.size < cuts) points.add(1 + Math.floor(chance.below(steps)));
    const started = new Set(chance.shuffled([...points]).slice(0, starts));
    const promises = noPromises();
    const broken: string[] = [];
    let judged = 0;
    const cut = (step: number, disk: Disk): void => {
      for (const outcome of ["lost", "names", "chance", "chance"] as const satisfies readonly Outcome[]) {
        const left = disk.survivors(outcome, (limit) => chance.below(limit));
        const found = brokenPromises(promises, left, reference);
        broken.push(...found.map((what) => `step ${step}, ${outcome}: ${what}`));
        judged += 1;
        if (started.has(step) && outcome !== "names") {
          started.delete(step);
          kept.push(left);
        }
      }
    };
    follow(promises, {
      step(step, disk) {
        if (points.has(step) || step === steps) cut(step, disk);
      },
    });
    expect(broken).toEqual([]);
    expect(judged).toBe(4 * (points.has(steps) ? cuts : cuts + 1));
    expect(promises.complete.size).toBe(3);
  });

  it("is judged by what notices a daemon that syncs nothing", () => {
    const promises = noPromises();
    const broken: string[] = [];
    const step = (at: number, disk: Disk): void => {
      if (at !== steps) return;
      for (const outcome of ["lost", "names"] as const) broken.push(...brokenPromises(promises, disk.survivors(outcome, () => 0), reference));
    };
    follow(promises, { step }, { withoutSyncs: true });
    for (const complaint of ["acknowledged up to", "called complete and is gone", "is visible, but not whole", "is not what the server has"]) {
      expect(broken).toContainEqual(expect.stringContaining(complaint));
    }
  });

  it("leaves a disk from which the daemon starts and heals by itself", async () => {
    const whole = `${daemon.baseDir}.whole`;
    renameSync(daemon.baseDir, whole);
    // The imagined disk is the real one where nothing was lost.
    for (const left of kept) {
      await mkdir(daemon.baseDir, { mode: 0o700 });
      layOut(left, daemon.baseDir);
      giveToUnprivileged(daemon.baseDir);
      // What the account remembers of the repository was written after it, and is not on this disk.
      for (const name of readdirSync(join(daemon.home, ".pgmoneta"))) if (name.startsWith("repository-")) rmSync(join(daemon.home, ".pgmoneta", name));
      await daemon.start();
      for (const server of servers) {
        await daemon.waitUntilStreaming(server);
        await cluster.sql("SELECT pg_switch_wal()");
        const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
        await waitFor("all is flushed", async () => (await cluster.value(`SELECT flush_lsn >= '${end}' FROM pg_stat_replication WHERE application_name LIKE '%${server}%'`)) === "t", {
          seen: () => daemon.log().slice(-2000),
        });
        const backupsOf = (): string[] => readdirSync(join(daemon.baseDir, server)).includes("backup") ? readdirSync(join(daemon.baseDir, server, "backup")).sort() : [];
        await waitFor("nothing is left over", () => backupsOf().every((name) => /^\d{14}$/.test(name)));
        const listed = (await ask(daemon, "list-backup", server))["Backups"] ;
        // An empty list is an empty object, as pgmoneta has it.
        const backups = (Array.isArray(listed) ? listed : []) as readonly { Backup: string; Valid: number }[];
        expect(backups.map(({ Backup, Valid }) => [Backup, Valid])).toEqual(backupsOf().map((label) => [label, 1]));
        for (const label of backupsOf()) await judgeBackup(join(daemon.baseDir, server, "backup", label));
        expect(await serverStatus(daemon, server)).toMatchObject({ Gaps: 0 });
        const compared = await compareWithServer(join(daemon.baseDir, server, "wal"), join(cluster.dataDir, "pg_wal"));
        expect(compared.differences).toEqual([]);
        expect(compared.complete).toBeGreaterThan(0);
      }
      expect(await daemon.stop()).toBe(0);
      rmSync(daemon.baseDir, { recursive: true });
    }
    renameSync(whole, daemon.baseDir);
    expect(kept).toHaveLength(starts);
  }, 60_000 + starts * 30_000);
});

function contentOfFile(path: string): Content | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const digest = createHash("sha256").update(bytes).digest("hex");
  return { bytes: () => bytes, digest: () => digest };
}
