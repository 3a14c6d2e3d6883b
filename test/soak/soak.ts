/**
 * A long run: a primary under load, backups on a rhythm, troubles at random, restores every few minutes, compared row
 * for row. Started by scripts/soak.mjs; the report goes to standard output, everything else to standard error.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { remainsIn } from "../support/repository-judge.ts";
import { releaseAll } from "../support/resources.ts";
import { run } from "../support/processes.ts";
import { ask } from "../system/daemon-observation.ts";
import { chanceFrom } from "./chance.ts";
import { watchProcesses, type ProcessWatch } from "./process-watch.ts";
import { restoreAndCompare, type RestoreMode } from "./restore-check.ts";
import { formatReport, type SoakReport } from "./soak-report.ts";
import { count, createSoakWorld, note, storeOtherwise, type SoakWorld } from "./soak-world.ts";
import { checkHealed, trouble, troubles, type Trouble } from "./troubles.ts";

/** Read and checked by scripts/soak.mjs. */
interface Options {
  readonly minutes: number;
  readonly seed?: number;
  readonly json: boolean;
  readonly "backup-seconds": number;
  readonly "restore-seconds": number;
  readonly "trouble-seconds": number;
  readonly pause: number;
}
const values = JSON.parse(process.argv[2] ?? "") as Options;
const { minutes } = values;
/** Backups that are kept besides the first. */
const mostBackups = 6;

/** Calls `step` again and again, with about `seconds` between, until the end; what it throws is wrong. */
async function rhythm(world: SoakWorld, until: number, seconds: number, name: string, step: () => Promise<void>): Promise<void> {
  for (;;) {
    const rest = Math.min(seconds * (500 + world.chance.below(1000)), until - performance.now());
    if (rest > 0) await sleep(rest);
    if (performance.now() >= until) return;
    try {
      await step();
    } catch (error) {
      note(world, `${name}: ${String(error).slice(0, 4000)}`);
    }
  }
}

/** Whether something was done to the daemon since the call, or is being done. */
function watchTroubles(world: SoakWorld): () => boolean {
  const before = world.troubles;
  return () => world.troubles !== before || before % 2 === 1;
}

async function takeBackup(world: SoakWorld): Promise<void> {
  const struck = watchTroubles(world);
  const { status, json, stdout, stderr } = await world.daemon.cli(["backup", "primary"], { format: "raw" });
  if (status === 0 && json !== undefined) {
    world.backups.set(String(json.Response["Backup"]), world.markers.acknowledged().length);
    count(world, "backup: complete");
  } else if (struck()) count(world, "backup: struck");
  else note(world, `a backup failed though nothing was struck: ${stdout.slice(-800)}${stderr.slice(-800)}`);
  const [first, ...rest] = [...world.backups.keys()];
  const surplus = rest.length > mostBackups ? world.chance.oneOf(rest.slice(0, -1)) : undefined;
  if (first === undefined || surplus === undefined) return;
  // From here on nobody restores it: it may be gone although the answer is lost.
  world.backups.delete(surplus);
  const deleted = await world.daemon.cli(["delete", "primary", surplus], { format: "raw" });
  count(world, deleted.status === 0 ? "backup: deleted" : "backup: deletion struck");
}

async function oneTrouble(world: SoakWorld, kind: Trouble): Promise<void> {
  count(world, `trouble: ${kind}`);
  console.error(`${new Date().toISOString()} ${kind}`);
  world.troubles += 1;
  try {
    await trouble(world, kind);
    await checkHealed(world);
    await world.markers.more(3);
  } finally {
    world.troubles += 1;
  }
}

/** What all restores together were judged by. */
interface Compared {
  rows: number;
  segments: number;
}

async function oneRestore(world: SoakWorld, compared: Compared, backup: string, target: "end" | "moment", how?: RestoreMode): Promise<void> {
  const result = await restoreAndCompare(world, backup, target, watchTroubles(world), how);
  compared.rows += result.rows;
  compared.segments += result.segments;
  count(world, `restore: ${result.done ? (target === "end" ? "to the end" : "to a moment") : "struck"}`);
  console.error(`${new Date().toISOString()} ${result.what}: ${result.done ? `${result.rows} rows compared` : "struck"}`);
  for (const line of result.wrong) note(world, line);
}

/** All is quiet: what is there is judged by others' tools, and both ends of the catalog are restored. */
async function lastJudgement(world: SoakWorld, compared: Compared, watch: ProcessWatch): Promise<void> {
  const { cluster, daemon } = world;
  if (daemon.pid() !== undefined) await daemon.stop();
  await storeOtherwise(world);
  await daemon.start();
  await checkHealed(world);
  const last = String((await ask(daemon, "backup", "primary"))["Backup"]);
  world.backups.set(last, world.markers.acknowledged().length);
  const repository = join(daemon.baseDir, "primary");
  for (const { Backup } of (await ask(daemon, "list-backup", "primary"))["Backups"] as readonly { Backup: string }[]) {
    const judged = await run("sha256sum", ["--check", "--strict", "--quiet", "backup.sha256"], { cwd: join(repository, "backup", Backup) });
    if (judged.status !== 0) note(world, `backup ${Backup}: ${judged.stdout}${judged.stderr}`);
  }
  for (const label of world.backups.keys()) {
    const { status } = await daemon.cli(["info", "primary", label]);
    if (status !== 0) note(world, `backup ${label} was acknowledged and is gone`);
  }
  await watch.stop();
  await cluster.kill9();
  await daemon.kill9();
  // The primary is gone: from the repository alone.
  // With the oldest every segment since then is copied, and held against the primary's.
  const before = compared.segments;
  await oneRestore(world, compared, [...world.backups.keys()][0] ?? "", "end", "alone, copying WAL");
  if (compared.segments === before) note(world, "no segment of the WAL was compared");
  await oneRestore(world, compared, last, "end", "alone");
  await daemon.start();
  const remains = await remainsIn(repository);
  if (remains.length > 0) note(world, `left over at the end: ${remains.join(", ")}`);
}

async function soak(): Promise<SoakReport> {
  const chance = chanceFrom(values.seed?.toString());
  console.error(`seed ${chance.seed}, ${minutes} minutes`);
  const world = await createSoakWorld(chance, values.pause);
  const { cluster, daemon } = world;
  const watch = watchProcesses(daemon, cluster);
  const compared: Compared = { rows: 0, segments: 0 };
  const until = performance.now() + minutes * 60_000;
  await takeBackup(world);
  let order: Trouble[] = [];
  await Promise.all([
    rhythm(world, until, values["backup-seconds"], "backup", () => takeBackup(world)),
    rhythm(world, until, values["restore-seconds"], "restore", () =>
      oneRestore(world, compared, chance.oneOf([...world.backups.keys()]), chance.oneOf(["end", "moment", "moment"])),
    ),
    rhythm(world, until, values["trouble-seconds"], "trouble", async () => {
      if (order.length === 0) order = chance.shuffled(troubles);
      const kind = order.pop() ?? "restart";
      await oneTrouble(world, kind).catch((error: unknown) => {
        throw new Error(`after "${kind}": ${String(error)}`, { cause: error });
      });
    }),
  ]);
  await world.load.stop();
  await world.markers.stop();
  try {
    await lastJudgement(world, compared, watch);
  } catch (error) {
    note(world, `at the end: ${String(error).slice(0, 4000)}`);
  }
  await watch.stop();
  const counted = (prefix: string): Record<string, number> =>
    Object.fromEntries([...world.counts].filter(([name]) => name.startsWith(prefix)).map(([name, times]) => [name.slice(prefix.length), times]));
  if (world.wrong.length > 0) {
    const log = join("/tmp", `moneta-soak-${chance.seed}.log`);
    writeFileSync(log, daemon.log());
    console.error(`the daemon's log is in ${log}`);
  }
  return {
    seed: chance.seed,
    minutes,
    transactions: world.load.transactions(),
    acknowledgedMarkers: world.markers.acknowledged().length,
    backups: counted("backup: "),
    restores: counted("restore: "),
    rowsCompared: compared.rows,
    segmentsCompared: compared.segments,
    troubles: counted("trouble: "),
    connections: world.proxy.accepted(),
    biggestLagBytes: watch.biggestLagBytes(),
    longestOutageMs: watch.longestOutageMs(),
    processes: watch.kinds(),
    wrong: world.wrong,
  };
}

let status = 1;
try {
  const report = await soak();
  console.log(values.json ? JSON.stringify(report, null, 2) : formatReport(report));
  const restores = Object.entries(report.restores).reduce((sum, [what, times]) => sum + (what === "struck" ? 0 : times), 0);
  status = report.wrong.length === 0 && restores > 0 && report.rowsCompared > 0 ? 0 : 1;
} catch (error) {
  console.error(error);
}
await releaseAll();
process.exit(status);
