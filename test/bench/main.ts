/** `npm run bench`: see scripts/bench.mjs for how it is started, and doc/benchmarks.md for what it says. */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../support/postgres-cluster.ts";
import { findPostgres } from "../support/postgres-binaries.ts";
import { releaseAll } from "../support/resources.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { lines, makePlain, makeTar } from "./lines/index.ts";
import type { BenchContext, Line } from "./lines/index.ts";
import { compare } from "./measure/index.ts";
import type { Contender, Sample } from "./measure/index.ts";
import { readOptions, usage } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { drawChart, finding, monetaFailed, number, printFinding, printMachine, printVerdicts, readEarlier, withEarlier } from "./report/index.ts";
import type { Finding, Machine, Report } from "./report/index.ts";
import { createBury, createManyRelations, createStandardCluster, dataBytes, findPrograms, settle } from "./setting/index.ts";
import type { Programs } from "./setting/index.ts";

/** The exit status of programs that SIGINT ended. */
const INTERRUPTED = 130;
/** What the targets ask for. */
const leastRuns = 5;
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // The second one does not wait for the orderly end; what is left is removed at the exit.
    if (interrupted.signal.aborted) process.exit(INTERRUPTED);
    interrupted.abort(new Error("interrupted"));
  });
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

// A run that was interrupted may still wait for something.
process.exit(await main());

async function main(): Promise<number> {
  if (process.argv.includes("--help")) {
    say(usage);
    return 0;
  }
  const options = readOptions(process.argv.slice(2), lines.map((line) => line.number));
  if (typeof options === "string") {
    say(`${options}\n\n${usage}`);
    return 2;
  }
  try {
    return await bench(options);
  } finally {
    await releaseAll();
  }
}

async function bench(options: BenchOptions): Promise<number> {
  const postgres = findPostgres(15);
  if (postgres === undefined) throw new Error("PostgreSQL 15 is not installed");
  const programs = await findPrograms(postgres.binDir);
  const machine = describeMachine(postgres.version, programs, await busyCores(5000));
  say(printMachine(machine));
  const earlier = options.with === undefined ? undefined : await readEarlier(options.with, { machine, scale: options.scale });
  const { context, sizeOfStandard } = createContext(options, programs);
  const findings: Finding[] = [];
  for (const line of lines.filter((one) => options.only.includes(one.number))) {
    if (interrupted.signal.aborted) break;
    say(`\n── ${line.number}  ${line.title} ──`);
    const found = await Promise.race([runLine(line, context), untilInterrupted()]);
    if (found === undefined) break;
    findings.push(found);
    say(`\n${printFinding(found)}`);
  }
  if (interrupted.signal.aborted) say("\ninterrupted");
  const bytes = interrupted.signal.aborted ? undefined : await sizeOfStandard();
  const measured: Report = {
    machine,
    runs: options.runs,
    scale: options.scale,
    ...(bytes === undefined ? {} : { dataBytes: bytes }),
    findings: [...findings].sort((a, b) => a.number - b.number),
  };
  const report = withEarlier(measured, earlier);
  say(`\n${printVerdicts(report.findings)}`);
  if (report.runs < leastRuns) say(`\nmedians of ${report.runs}, where the targets ask for ${leastRuns} runs or more: look at them, do not quote them`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.chart !== undefined) {
    await mkdir(dirname(options.chart), { recursive: true });
    await writeFile(options.chart, drawChart(report));
  }
  if (interrupted.signal.aborted) return INTERRUPTED;
  return monetaFailed(findings) ? 1 : 0;
}

/** What is finished is reported all the same; what runs is ended when everything is released. */
function untilInterrupted(): Promise<undefined> {
  return new Promise((resolve) => interrupted.signal.addEventListener("abort", () => resolve(undefined), { once: true }));
}

/** A line that fails is reported, and the others go on. */
async function runLine(line: Line, context: BenchContext): Promise<Finding> {
  try {
    return finding(line, await line.run(context));
  } catch (error) {
    return finding(line, { rounds: [], verdicts: [] }, error instanceof Error ? error.message : String(error));
  }
}

/** How many cores work for somebody, on average over so many milliseconds. */
async function busyCores(ms: number): Promise<number> {
  const sum = (): { idle: number; all: number } =>
    cpus().reduce(({ idle, all }, { times }) => ({ idle: idle + times.idle, all: all + Object.values(times).reduce((a, b) => a + b, 0) }), { idle: 0, all: 0 });
  const before = sum();
  await sleep(ms);
  const after = sum();
  return cpus().length * (1 - (after.idle - before.idle) / Math.max(1, after.all - before.all));
}

function describeMachine(postgres: string, programs: Programs, busy: number): Machine {
  const [processor] = cpus();
  return {
    when: new Date().toISOString(),
    processor: processor?.model ?? "unknown processor",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.versions.node,
    postgres: /PostgreSQL\) (\S+)/.exec(postgres)?.[1]?.replace(/^/, "PostgreSQL ") ?? postgres,
    busyCores: busy,
    programs: Object.fromEntries(Object.entries(programs.versions).map(([name, version]) => [name, version ?? null])),
  };
}

function createContext(options: BenchOptions, programs: Programs): { context: BenchContext; sizeOfStandard: () => Promise<number | undefined> } {
  const scratch = temporaryDirectory({ prefix: "mbench" }).path;
  // A little more than the cluster has, or the WAL.
  const usedBefore = Math.max(options.scale * 24, options.walMegabytes) * 1024 ** 2;
  const keep = options.keep === undefined ? {} : { keep: options.keep };
  const standard = once("the standard cluster", async () => {
    const cluster = await createStandardCluster({ scale: options.scale, ...keep });
    return { cluster, bytes: await dataBytes(cluster) };
  });
  const small = once("a tenth of the standard cluster", () => createStandardCluster({ scale: Math.max(1, Math.round(options.scale / 10)), ...keep }));
  const relations = once(`a cluster with ${options.relations} relations`, () => createManyRelations({ relations: options.relations, ...keep }));
  const made = new Map<string, Promise<string>>();
  const derived = (kind: string, make: (cluster: Cluster, name: string) => Promise<string>) => (cluster: Cluster) => {
    const key = `${kind}-${cluster.port}`;
    const path = made.get(key) ?? make(cluster, key);
    made.set(key, path);
    return path;
  };
  const context: BenchContext = {
    ...options,
    programs,
    scratch,
    bury: createBury(join(scratch, "buried")),
    standard: async () => (await standard.get()).cluster,
    small: small.get,
    manyRelations: relations.get,
    tar: derived("tar", (cluster, name) => makeTar({ programs, scratch }, cluster, name)),
    plain: derived("plain", (cluster, name) => makePlain({ programs, scratch }, cluster, name)),
    compare: (contenders, more) =>
      compare(contenders, { runs: options.runs, settle: () => settle({ directory: scratch, bytes: usedBefore }), onSample: tell, signal: interrupted.signal, ...more }),
  };
  return { context, sizeOfStandard: async () => (await standard.ifMade())?.bytes };
}

function once<T>(what: string, make: () => Promise<T>): { get: () => Promise<T>; ifMade: () => Promise<T | undefined> } {
  let made: Promise<T> | undefined;
  return {
    get() {
      if (made === undefined) say(`  making ${what} …`);
      made ??= make();
      return made;
    },
    ifMade: async () => made?.catch(() => undefined),
  };
}

function tell(contender: Contender, sample: Sample, round: number): void {
  const which = round === 0 ? "warm-up" : `run ${round}`;
  const what = sample.value === undefined ? "" : `  ${number(sample.value)}`;
  say(`  ${which.padEnd(8)} ${contender.name.padEnd(44)} ${number(sample.wallSeconds).padStart(6)} s  CPU ${number(sample.cpuSeconds).padStart(6)} s${what}`);
}

