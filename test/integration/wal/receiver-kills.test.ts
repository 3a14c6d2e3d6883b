import { join } from "node:path";
import { readdir, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lsnPlus, parseLsn, parseSegmentName, type Lsn } from "../../../src/postgres/index.ts";
import { countFromEnvironment } from "../../support/long-run.ts";
import { startMarkerLoop } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { startProcess, type RunningProcess } from "../../support/processes.ts";
import { seededNumbers } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { expectNoHole, expectServersBytes, position, writeWal } from "./receiving.ts";

const megabyte = 1024 * 1024;
/** More of them by MONETA_INSTANTS. */
const kills = countFromEnvironment("MONETA_INSTANTS", 20);
const program = join(import.meta.dirname, "../../fixtures/.built/wal/receiver-program.js");
let cluster: Cluster;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: megabyte, settings: { wal_keep_size: "20GB" } });
});
afterAll(async () => {
  await cluster.destroy();
});

/** `end`: at which of its own system calls the process kills itself; see the program. */
function startReceiver(base: string, end: { dieAt?: number; dieWhenFull?: number } = {}): Promise<RunningProcess> {
  const { host, port, user } = cluster.connectionOptions;
  return startProcess(process.execPath, [program, JSON.stringify({ base, host, port, user, slot: "moneta", ...end })]);
}

/** The last position that the process said it had made durable. */
function lastFlush(output: string): Lsn | undefined {
  const text = output.slice(0, output.lastIndexOf("\n")).split("\n").filter((line) => line.startsWith("flush ")).at(-1);
  return text === undefined ? undefined : parseLsn(text.slice(6));
}

/** Where the stored WAL ends, by the names and lengths of the files alone. */
async function storedEnd(wal: string): Promise<Lsn> {
  const newest = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}(\.partial)?$/.test(name)).sort().at(-1) ?? "";
  const { start } = parseSegmentName(newest.slice(0, 24), megabyte);
  return lsnPlus(start, newest.endsWith(".partial") ? (await stat(join(wal, newest))).size : megabyte);
}

describe("kill -9 of a receiver", () => {
  it("at any instant loses nothing that it acknowledged, and leaves no segment cut, doubled or called complete too early (B04)", async () => {
    const seed = Number(process.env["MONETA_SEED"] ?? Date.now() >>> 0);
    console.log(`kills: seed ${seed}, ${kills} instants (repeat with MONETA_SEED)`);
    const random = seededNumbers(seed);
    const base = temporaryDirectory({ prefix: "mkill" }).path;
    const wal = join(base, "primary", "wal");
    const load = await startMarkerLoop(cluster);
    const lengths = new Map<string, number>();
    for (let kill = 0; kill < kills; kill += 1) {
      // A different instant each time: by the number of words that the receiver has said, from its first step on; by its
      // own system calls; right before a segment gets its final name.
      // Now and then it begins far behind, when a thread writes what is taken early.
      if (kill % 8 === 4) await writeWal(cluster, 18);
      const words = kill % 3 === 0 ? 1 + (random() % 60) : 1_000_000;
      const receiver = await startReceiver(base, kill % 3 === 0 ? {} : kill % 6 === 1 ? { dieWhenFull: megabyte } : { dieAt: 1 + (random() % 40) });
      const writing = writeWal(cluster, 1 + (random() % 3));
      await waitFor("the receiver has come that far", () => receiver.stdout().split("\n").length > words || !receiver.isRunning());
      receiver.kill("SIGKILL");
      await writing;
      const { stdout, stderr, signal } = await receiver.finished;
      expect(stderr).toBe("");
      expect(signal).toBe("SIGKILL");
      expect(stdout).not.toContain("gap");
      expect(stdout).not.toContain("refused");

      const promised = await cluster.value("SELECT restart_lsn FROM pg_replication_slots");
      const flushed = lastFlush(stdout);
      // The slot's first position is that of the last checkpoint, from before the first segment that is received.
      const here = flushed === undefined ? undefined : await storedEnd(wal);
      if (here !== undefined && flushed !== undefined) expect(here).toBeGreaterThanOrEqual(flushed);
      if (here !== undefined && kill > 0 && promised !== "") expect(here).toBeGreaterThanOrEqual(parseLsn(promised));
      for (const name of here === undefined ? [] : await readdir(wal)) {
        const { size } = await stat(join(wal, name));
        if (/^[0-9A-F]{24}$/.test(name)) expect(size, name).toBe(megabyte);
        // Nothing becomes shorter, and what is complete stays so.
        expect(size, name).toBeGreaterThanOrEqual(lengths.get(name) ?? 0);
        lengths.set(name, size);
      }
      // Every byte each time would cost the square of the number of kills.
      if (here !== undefined && (kills <= 20 || kill % 10 === 9)) await expectServersBytes(wal, cluster);
    }
    await load.stop();

    const last = await startReceiver(base);
    const end = await position(cluster);
    await waitFor("all is here", () => (lastFlush(last.stdout()) ?? 0n) >= end, { seen: () => last.stdout().slice(-300) });
    last.kill("SIGTERM");
    const { status, stdout } = await last.finished;
    expect(status).toBe(0);
    expect(stdout.trimEnd().endsWith("state stopped")).toBe(true);
    const { complete, partial } = await expectServersBytes(wal, cluster);
    expect(complete).toBe((await expectNoHole(wal, megabyte)).length);
    expect(complete).toBeGreaterThanOrEqual(Math.min(16, kills));
    expect(partial).toBe(1);
    expect((await readdir(wal)).filter((name) => !/^[0-9A-F]{24}(\.partial)?$/.test(name))).toEqual([]);
  }, 60_000 + kills * 10_000);
});
