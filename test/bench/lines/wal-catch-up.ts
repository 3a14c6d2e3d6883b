/** Line 9: a receiver that has to catch up, until the last byte is durable. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import { waitFor } from "../../support/wait-for.ts";
import type { Contender } from "../measure/index.ts";
import { prepareMoneta, writeWalStretch } from "../setting/index.ts";
import type { Moneta, WalStretch } from "../setting/index.ts";
import { connection, withReleases } from "./contenders.ts";
import { ratioGoal, value, wall } from "./goal.ts";
import type { BenchContext, Line } from "./line.ts";

export const walCatchUpLine: Line = {
  number: 9,
  title: "WAL catch-up, durable",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const stretch = await writeWalStretch(cluster, context.walMegabytes);
      atEnd(stretch.release);
      const contests = await context.compare([
        receivewal(context, cluster, stretch, "pg_receivewal"),
        moneta(context, cluster, stretch, "Moneta, WAL not compressed", "none"),
        moneta(context, cluster, stretch, "Moneta, compressing it with zstd too", "zstd"),
        receivewal(context, cluster, stretch, "pg_receivewal --synchronous", "--synchronous"),
      ]);
      return {
        rounds: [{ title: `WAL catch-up, ${(stretch.bytes / 1e9).toFixed(1)} GB, durable`, metric: "wall", contests }],
        verdicts: [
          ratioGoal("≤ 0.6 × pg_receivewal, start of the daemon included", contests, "Moneta, WAL not compressed", "pg_receivewal", wall, { atMost: 0.6 }),
          ratioGoal("the same from the connection on", contests, "Moneta, WAL not compressed", "pg_receivewal", value, { atMost: 0.6 }),
        ],
        notes: ["The clock of Moneta begins with the start of the daemon and ends when the server is told that the last byte is flushed."],
      };
    }),
};

let slots = 0;

function receivewal(context: BenchContext, cluster: Cluster, stretch: WalStretch, name: string, ...options: string[]): Contender {
  const target = join(context.scratch, "receivewal");
  let slot = "";
  let seconds = 0;
  return {
    name,
    role: "peer",
    ...context.programs.missing("pg_receivewal"),
    surroundings: { server: cluster.pid },
    async prepare() {
      await mkdir(target);
      slot = `bench_receivewal_${(slots += 1)}`;
      await stretch.addSlot(slot);
    },
    async run() {
      const begin = performance.now();
      const args = ["-D", target, "-S", slot, "--no-loop", `--endpos=${stretch.end}`, ...options];
      await runOrFail(context.programs.get("pg_receivewal"), [...connection(cluster), ...args]);
      seconds = (performance.now() - begin) / 1000;
    },
    async after() {
      await rm(target, { recursive: true, force: true });
      await stretch.dropSlot(slot);
      return { value: seconds };
    },
  };
}

function moneta(context: BenchContext, cluster: Cluster, stretch: WalStretch, name: string, compression: string): Contender {
  let one: Moneta | undefined;
  let slot = "";
  let seconds = 0;
  return {
    name,
    role: "moneta",
    surroundings: { daemon: () => one?.daemon.pid(), server: cluster.pid },
    async prepare() {
      slot = `bench_catch_up_${(slots += 1)}`;
      await stretch.addSlot(slot);
      one = await prepareMoneta({ cluster, slot, settings: { compression }, profile: context.profile });
    },
    async run() {
      await one?.launch();
      seconds = await untilFlushed(cluster, slot, stretch.end);
    },
    async after() {
      await one?.destroy();
      await stretch.dropSlot(slot);
      return { value: seconds };
    },
  };
}

/** Waits until the receiver on this slot has reported the position as flushed; the seconds since it was seen first. */
async function untilFlushed(cluster: Cluster, slot: string, end: string): Promise<number> {
  const session = await cluster.connect();
  let first: number | undefined;
  try {
    return await waitFor(
      `WAL is flushed up to ${end}`,
      async () => {
        const { rows } = await session.query<{ done: boolean }>(
          `SELECT coalesce(flush_lsn >= $2::pg_lsn, false) AS done
             FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = $1`,
          [slot, end],
        );
        if (rows[0] !== undefined) first ??= performance.now();
        return rows[0]?.done === true && first !== undefined ? (performance.now() - first) / 1000 : undefined;
      },
      { everyMs: 10, deadlineMs: 300_000 },
    );
  } finally {
    await session.end();
  }
}
