/** Line 10: what a primary can commit when each commit waits for the receiver to have it on its disk. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { runOrFail, startProcess } from "../../support/processes.ts";
import type { RunningProcess } from "../../support/processes.ts";
import { waitFor } from "../../support/wait-for.ts";
import type { Contender } from "../measure/index.ts";
import { connection, newMoneta, withReleases } from "./contenders.ts";
import { ratioGoal, value } from "./goal.ts";
import type { BenchContext, Line, Round, Verdict } from "./line.ts";

const CLIENTS = [1, 8, 32];
const SECONDS = 5;
/** Before them, not counted: a receiver lives for months, and the first seconds of each are its own compiler's. */
const SECONDS_BEFORE = 3;

export const synchronousCommitLine: Line = {
  number: 10,
  title: "commits with a synchronous receiver",
  run: async (context) => {
    const cluster = await context.standard();
    const rounds: Round[] = [];
    const verdicts: Verdict[] = [];
    for (const clients of CLIENTS) {
      await withReleases(async (atEnd) => {
        const contests = await context.compare([
          receivewal(context, cluster, clients),
          await moneta(context, cluster, atEnd, clients, "Moneta, WAL not compressed", "none"),
          await moneta(context, cluster, atEnd, clients, "Moneta", "zstd"),
        ]);
        const who = clients === 1 ? "1 client" : `${clients} clients`;
        rounds.push({ title: `Commits in a second, synchronous, ${who}`, metric: "value", unit: "/s", contests });
        verdicts.push(ratioGoal(`${who}: ≥ 0.95 × pg_receivewal --synchronous`, contests, "Moneta", "pg_receivewal --synchronous", value, { atLeast: 0.95 }));
      });
    }
    return { rounds, verdicts };
  },
};

function receivewal(context: BenchContext, cluster: Cluster, clients: number): Contender {
  const target = join(context.scratch, "synchronous");
  const slot = "bench_synchronous";
  let process: RunningProcess | undefined;
  let rate = 0;
  return {
    name: "pg_receivewal --synchronous",
    role: "peer",
    ...context.programs.missing("pg_receivewal", "pgbench"),
    surroundings: { server: cluster.pid },
    async prepare() {
      await mkdir(target);
      await cluster.sql(`SELECT pg_create_physical_replication_slot('${slot}', true)`);
      process = await startProcess(context.programs.get("pg_receivewal"), [...connection(cluster), "-D", target, "-S", slot, "--synchronous"]);
      await waitForEachCommit(cluster);
      await commitRate(context, cluster, clients, SECONDS_BEFORE);
    },
    run: async () => void (rate = await commitRate(context, cluster, clients)),
    async after() {
      await waitForNoCommit(cluster);
      process?.kill("SIGINT");
      await process?.finished;
      await cluster.sql(`SELECT pg_drop_replication_slot('${slot}')`);
      await rm(target, { recursive: true, force: true });
      return { value: rate };
    },
  };
}

async function moneta(
  context: BenchContext,
  cluster: Cluster,
  atEnd: Parameters<typeof newMoneta>[2],
  clients: number,
  name: string,
  compression: string,
): Promise<Contender> {
  const one = await newMoneta(context, cluster, atEnd, { compression });
  let rate = 0;
  return {
    name,
    role: "moneta",
    ...context.programs.missing("pgbench"),
    surroundings: { daemon: one.daemon.pid, server: cluster.pid },
    async prepare() {
      await one.start();
      // As in a server that is at work, its archiver is there: it would otherwise start with the first segment, once, in these seconds.
      await cluster.sql("SELECT pg_logical_emit_message(false, 'bench', 'a segment that is not empty'); SELECT pg_switch_wal()");
      await waitFor("the archiver is there", () => one.daemon.children().length > 1);
      await one.untilIdle();
      await waitForEachCommit(cluster);
      await commitRate(context, cluster, clients, SECONDS_BEFORE);
    },
    run: async () => void (rate = await commitRate(context, cluster, clients)),
    async after() {
      await waitForNoCommit(cluster);
      await one.stop();
      return { value: rate };
    },
  };
}

/** Anybody who receives is named, so that it is whoever takes part just now. */
async function waitForEachCommit(cluster: Cluster): Promise<void> {
  await cluster.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
  await cluster.reload();
  await waitFor("the receiver is synchronous", async () => (await cluster.value("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")) === "1");
}

async function waitForNoCommit(cluster: Cluster): Promise<void> {
  await cluster.sql("ALTER SYSTEM RESET synchronous_standby_names");
  await cluster.reload();
}

async function commitRate(context: BenchContext, cluster: Cluster, clients: number, seconds = SECONDS): Promise<number> {
  const text = await runOrFail(context.programs.get("pgbench"), [
    ...["-h", cluster.socketDir, "-p", String(cluster.port), "-U", "postgres"],
    ...["-n", "-N", "-c", String(clients), "-j", "1", "-T", String(seconds), "bench"],
  ]);
  const rate = /^tps = ([\d.]+)/m.exec(text)?.[1];
  if (rate === undefined) throw new Error(`pgbench told no rate:\n${text}`);
  return Number(rate);
}
