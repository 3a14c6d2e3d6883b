/** Lines 11 to 13: memory of a backup, what the daemon takes while nothing happens, and how fast it starts. */
import { copyFile, mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Cluster, Settings } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import { processTable, readProportional, treeOf } from "../measure/index.ts";
import type { Contender, Contest } from "../measure/index.ts";
import { prepareMoneta } from "../setting/index.ts";
import { type AtEnd, backUpWithWal, monetaBackup, monetaRestore, newMoneta, withReleases } from "./contenders.ts";
import { absoluteGoal, figureOf, largest, ratioGoal, wall } from "./goal.ts";
import type { BenchContext, Line, Verdict } from "./line.ts";

const MB = 1024 * 1024;

export const memoryLine: Line = {
  number: 11,
  title: "peak memory of a backup and a restore, workers = 2",
  run: async (context) => {
    const verdicts: Verdict[] = [];
    const notes: string[] = [];
    const measure = async (what: string, cluster: Cluster, compression: string, of: "backup" | "restore"): Promise<void> =>
      withReleases(async (atEnd) => {
        const settings = { compression, encryption: "aes-256-gcm", workers: 2 };
        const contender = await (of === "backup" ? monetaBackup(context, cluster, atEnd, "Moneta", settings) : restoreWithWal(context, cluster, atEnd, settings));
        const contests = await context.compare([contender], { runs: 1 });
        const [contest] = contests;
        verdicts.push(absoluteGoal(`${what}: ≤ 200 MB resident (job)`, "MB", scaled(largestEver(contest, figureOf(contests, "Moneta", largest)), 1 / MB), { atMost: 200 }));
        const warmUp = contest?.warmUp;
        if (warmUp !== undefined) notes.push(`${what}: daemon, receiver and job together ${megabytes(warmUp.treeResident)} resident, ${megabytes(warmUp.treeProportional)} proportional`);
        if (contest?.failure !== undefined) throw new Error(contest.failure);
      });
    const standard = await context.standard();
    await measure("standard cluster", standard, "zstd", "backup");
    await measure("standard cluster, lz4", standard, "lz4", "backup");
    await measure("its restore with WAL", standard, "zstd", "restore");
    await measure("its restore with WAL, lz4", standard, "lz4", "restore");
    await measure("many relations", await context.manyRelations(), "zstd", "backup");
    return { rounds: [], verdicts, notes };
  },
};

async function restoreWithWal(context: BenchContext, cluster: Cluster, atEnd: AtEnd, settings: Settings): Promise<Contender> {
  const moneta = await newMoneta(context, cluster, atEnd, settings);
  await backUpWithWal(moneta, cluster, Math.min(context.walMegabytes, 500));
  return monetaRestore(context, moneta, join(context.scratch, "restore"), "--copy-wal");
}

/** The run that does not count was looked at six times as often: its last moments, and its peak, are missed less easily. */
function largestEver(contest: Contest | undefined, figure: ReturnType<typeof figureOf>): ReturnType<typeof figureOf> {
  return typeof figure === "number" ? Math.max(figure, contest?.warmUp?.largestResident ?? 0) : figure;
}

export const idleLine: Line = {
  number: 12,
  title: "idle",
  run: async (context) => {
    const seconds = context.runs === 1 ? 10 : 60;
    const one = await idle(context, 1, seconds);
    const three = await idle(context, 3, seconds);
    return {
      rounds: [],
      verdicts: [
        absoluteGoal("1 server: ≤ 70 MB proportional", "MB", one.megabytes, { atMost: 70 }),
        absoluteGoal("1 server: ≤ 0.3 % of a core", "%", one.percent, { atMost: 0.3 }),
        absoluteGoal("each further server: ≤ 25 MB proportional", "MB", (three.megabytes - one.megabytes) / 2, { atMost: 25 }),
        absoluteGoal("3 servers: ≤ 0.3 % of a core", "%", three.percent, { atMost: 0.3 }),
      ],
      notes: [`Measured over ${seconds} s, when the archiver has ended; 3 servers: ${three.megabytes.toFixed(1)} MB`],
    };
  },
};

async function idle(context: BenchContext, servers: number, seconds: number): Promise<{ megabytes: number; percent: number }> {
  const cluster = await context.standard();
  return withReleases(async (atEnd) => {
    const moneta = await prepareMoneta({ cluster, servers, env: await nodeOfItsOwn(context) });
    atEnd(moneta.destroy);
    const contests = await context.compare(
      [
        {
          name: "Moneta",
          role: "moneta",
          surroundings: { daemon: moneta.daemon.pid },
          async prepare() {
            await moneta.start();
            await moneta.untilAlone();
            await pause(5);
          },
          run: () => pause(seconds),
          async after() {
            const value = proportionalOf(moneta.daemon.pid());
            await moneta.stop();
            return { value };
          },
        },
      ],
      // Looking closely at the memory of an idle process is more work than all that it does: once, at the end.
      { runs: 1, warmUp: false },
    );
    const sample = contests[0]?.samples[0];
    if (sample?.value === undefined) throw new Error(contests[0]?.failure ?? "no run");
    return { megabytes: sample.value / MB, percent: (sample.cpuSeconds / sample.wallSeconds) * 100 };
  });
}

/** Bytes of the daemon and its children, shared pages divided. */
function proportionalOf(daemon: number | undefined): number {
  const tree = treeOf(daemon === undefined ? [] : [daemon], processTable());
  const shares = tree.map(({ pid }) => readProportional(pid) ?? Number.NaN);
  return shares.length === 0 ? Number.NaN : shares.reduce((sum, share) => sum + share, 0);
}

/** A copy of Node's program: pages that the daemon shares with the benchmark itself would halve its proportional share. */
async function nodeOfItsOwn(context: BenchContext): Promise<{ PATH: string }> {
  const directory = join(context.scratch, "node");
  await mkdir(directory, { recursive: true });
  await copyFile(process.execPath, join(directory, "node"));
  return { PATH: [directory, process.env["PATH"] ?? ""].join(delimiter) };
}

export const startLine: Line = {
  number: 13,
  title: "start to first ping; one command",
  run: async (context) => {
    const cluster: Cluster = await context.standard();
    return withReleases(async (atEnd) => {
      const moneta = await prepareMoneta({ cluster });
      atEnd(moneta.destroy);
      const start: Contender = {
        name: "Moneta, start to first ping",
        role: "moneta",
        surroundings: { daemon: moneta.daemon.pid },
        run: async () => {
          await moneta.launch();
          await moneta.untilPing();
        },
        after: moneta.stop,
      };
      // In the surroundings of the daemon: certificates of the environment would cost it more than its start.
      const env = { PATH: process.env["PATH"] };
      const node: Contender = { name: "node, nothing to do", role: "floor", run: async () => void (await runOrFail(process.execPath, ["-e", "0"], { env })) };
      const starts = await context.compare([start, node]);
      await moneta.start();
      const surroundings = { daemon: moneta.daemon.pid };
      const command: Contender = { name: "moneta-cli ping", role: "moneta", surroundings, run: async () => void (await moneta.daemon.ask(["ping"])) };
      const commands = await context.compare([command], { runs: context.runs * 2 });
      return {
        rounds: [{ title: "Start, and one command", metric: "wall", contests: [...starts, ...commands] }],
        verdicts: [
          absoluteGoal("start to first ping ≤ 0.35 s", "s", figureOf(starts, start.name, wall), { atMost: 0.35 }),
          absoluteGoal("one command ≤ 0.08 s", "s", figureOf(commands, command.name, wall), { atMost: 0.08 }),
          // The seconds above are of a machine whose Node takes 0.026 s to do nothing; these say the same of any machine.
          ratioGoal("start to first ping ≤ 13.5 × node alone", [...starts, ...commands], start.name, node.name, wall, { atMost: 0.35 / 0.026 }),
          ratioGoal("one command ≤ 3.1 × node alone", [...starts, ...commands], command.name, node.name, wall, { atMost: 0.08 / 0.026 }),
        ],
      };
    });
  },
};

function scaled(figure: ReturnType<typeof figureOf>, by: number): ReturnType<typeof figureOf> {
  return typeof figure === "number" ? figure * by : figure;
}

const megabytes = (bytes: number | undefined): string => `${((bytes ?? Number.NaN) / MB).toFixed(0)} MB`;

const pause = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
