/**
 * What a piece of work costs: seconds on the clock, CPU, memory, bytes. Programs that are started within it are
 * children of this process, and what they used is counted when they have been waited for; a daemon and the server
 * run on, so the difference of their trees is taken.
 */
import { processTable, readIo, readMemory, readProportional, readStat, treeOf } from "./proc.ts";
import type { ProcessIo } from "./proc.ts";

export interface Consumption {
  readonly wallSeconds: number;
  /** User and system seconds of the programs started and of the daemon with its children. */
  readonly cpuSeconds: number;
  /** The same for PostgreSQL. */
  readonly serverCpuSeconds: number;
  /** Bytes of the largest process. */
  readonly largestResident: number;
  /** Bytes of all processes together; shared pages count in each. */
  readonly treeResident: number;
  /** Bytes of all processes together, shared pages divided. Only where it was looked at closely. */
  readonly treeProportional?: number;
  readonly io: ProcessIo;
}

export interface Surroundings {
  /** The pid of a daemon that takes part, as it is during the work. */
  readonly daemon?: () => number | undefined;
  /** The postmaster's. */
  readonly server?: () => number | undefined;
  /** Looks often and at the proportional share too, which itself takes time: not for runs whose clock counts. */
  readonly closely?: boolean;
}

const EVERY_MS = 250;
const CLOSELY_EVERY_MS = 40;

/** Runs `work` once and says what it cost. */
export async function consume(surroundings: Surroundings, work: () => Promise<void>): Promise<Consumption> {
  const roots = (): number[] => [surroundings.daemon?.()].filter((pid) => pid !== undefined);
  const before = account(roots(), surroundings.server?.());
  const others = childrenOfOurs();
  const watch = watchMemory(() => [...roots(), ...childrenOfOurs().filter((pid) => !others.includes(pid) && pid !== surroundings.server?.())], surroundings);
  const start = performance.now();
  try {
    await work();
  } catch (error) {
    watch.stop();
    throw error;
  }
  const wallSeconds = (performance.now() - start) / 1000;
  const memory = watch.stop();
  const after = account(roots(), surroundings.server?.());
  return {
    wallSeconds,
    cpuSeconds: after.cpu - before.cpu,
    serverCpuSeconds: after.serverCpu - before.serverCpu,
    ...memory,
    io: difference(after.io, before.io),
  };
}

interface Account {
  readonly cpu: number;
  readonly serverCpu: number;
  readonly io: ProcessIo;
}

const nothing: ProcessIo = { readCalls: 0, writtenCalls: 0, readStorage: 0, writtenStorage: 0 };

function account(daemons: readonly number[], server: number | undefined): Account {
  const table = processTable();
  const tree = treeOf(daemons, table);
  // The kernel adds the bytes of a child to its parent's when that has waited for it, as it does with the seconds.
  const io = [process.pid, ...tree.map(({ pid }) => pid)].map((pid) => readIo(pid) ?? nothing).reduce(sum, nothing);
  return {
    cpu: (readStat(process.pid)?.reaped ?? 0) + cpuOf(tree),
    serverCpu: server === undefined ? 0 : cpuOf(treeOf([server], table)),
    io,
  };
}

const cpuOf = (tree: readonly { own: number; reaped: number }[]): number => tree.reduce((seconds, one) => seconds + one.own + one.reaped, 0);

const sum = (a: ProcessIo, b: ProcessIo): ProcessIo => combine(a, b, (x, y) => x + y);
const difference = (a: ProcessIo, b: ProcessIo): ProcessIo => combine(a, b, (x, y) => x - y);

function combine(a: ProcessIo, b: ProcessIo, of: (x: number, y: number) => number): ProcessIo {
  return {
    readCalls: of(a.readCalls, b.readCalls),
    writtenCalls: of(a.writtenCalls, b.writtenCalls),
    readStorage: of(a.readStorage, b.readStorage),
    writtenStorage: of(a.writtenStorage, b.writtenStorage),
  };
}

/** Servers that stand ready for other lines are among them, and were there before the work began. */
function childrenOfOurs(): number[] {
  return processTable()
    .filter(({ parent }) => parent === process.pid)
    .map(({ pid }) => pid);
}

interface Memory {
  readonly largestResident: number;
  readonly treeResident: number;
  readonly treeProportional?: number;
}

function watchMemory(roots: () => number[], { closely = false }: Surroundings): { stop(): Memory } {
  let largestResident = 0;
  let treeResident = 0;
  let treeProportional = 0;
  const look = (): void => {
    const pids = treeOf(roots(), processTable()).map(({ pid }) => pid);
    const memory = pids.map(readMemory).filter((one) => one !== undefined);
    largestResident = Math.max(largestResident, ...memory.map((one) => one.peakResident));
    treeResident = Math.max(treeResident, total(memory.map((one) => one.resident)));
    if (closely) treeProportional = Math.max(treeProportional, total(pids.map((pid) => readProportional(pid) ?? 0)));
  };
  const timer = setInterval(look, closely ? CLOSELY_EVERY_MS : EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return { largestResident, treeResident, ...(closely ? { treeProportional } : {}) };
    },
  };
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
