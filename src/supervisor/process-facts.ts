/**
 * What the kernel knows of a process (proc(5)), asked for at intervals and remembered. Nothing of it is a file on a disk,
 * but a scrape waits for nobody: it is told what was last seen.
 */
import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../common/index.ts";
import type { ProcessFacts } from "../metrics/index.ts";

/** A process of the daemon, and what it is. */
export type KnownProcess = Pick<ProcessFacts, "kind" | "server" | "command"> & { readonly pid: number };
type Measured = Omit<ProcessFacts, "kind" | "server" | "command">;

/** Ticks of the processor times in a second: USER_HZ, the same on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Fields of `/proc/<pid>/stat` behind the name, which may hold spaces and brackets; numbered from 3 (proc(5)). */
function statFields(text: string): (number: number) => number {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (number) => Number(fields[number - 3] ?? 0);
}

const kilobytes = (text: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0);
const bytesOf = (text: string | undefined, name: string): number | undefined => {
  const found = new RegExp(`^${name}: (\\d+)$`, "m").exec(text ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
};
/** What only the owner may see is not there for others: then it is not known. */
const unlessRefused = <T>(promise: Promise<T>): Promise<T | undefined> => promise.catch(() => undefined);

/** Undefined when the process is gone, or the system has no `/proc`. */
export async function measureProcess(pid: number, bootTime: number): Promise<Measured | undefined> {
  const directory = `/proc/${pid}`;
  try {
    const [stat, status] = await Promise.all(["stat", "status"].map((name) => readFile(`${directory}/${name}`, "utf8")));
    const [io, open] = await Promise.all([unlessRefused(readFile(`${directory}/io`, "utf8")), unlessRefused(readdir(`${directory}/fd`))]);
    const field = statFields(stat ?? "");
    return {
      cpuSeconds: (field(14) + field(15)) / ticksPerSecond,
      threads: field(20),
      started: bootTime + (field(22) * 1000) / ticksPerSecond,
      residentBytes: kilobytes(status ?? "", "VmRSS") * 1024,
      openFiles: open?.length,
      readBytes: bytesOf(io, "read_bytes"),
      writtenBytes: bytesOf(io, "write_bytes"),
    };
  } catch {
    // It ended between two looks, which happens to jobs.
    return undefined;
  }
}

async function readBootTime(): Promise<number> {
  const stat = await unlessRefused(readFile("/proc/stat", "utf8"));
  return Number(/^btime (\d+)$/m.exec(stat ?? "")?.[1] ?? 0) * 1000;
}

export interface ProcessMonitor {
  /** As last seen. */
  readonly facts: readonly ProcessFacts[];
  /** Looks now. */
  refresh(): Promise<void>;
}

/** Looks every `intervalMs` at the processes that `list` names, until the signal fires. */
export function watchProcesses(list: () => readonly KnownProcess[], { clock, intervalMs, signal }: { readonly clock: Clock; readonly intervalMs: number; readonly signal: AbortSignal }): ProcessMonitor {
  let facts: readonly ProcessFacts[] = [];
  let bootTime: number | undefined;
  const refresh = async (): Promise<void> => {
    bootTime ??= await readBootTime();
    const found: ProcessFacts[] = [];
    // One after the other: it is no hurry, and the pool has other things to do.
    for (const { pid, kind, server, command } of list()) {
      const measured = await measureProcess(pid, bootTime);
      if (measured !== undefined) found.push({ kind, server, command, ...measured });
    }
    facts = found;
  };
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await refresh();
      await clock.sleep(intervalMs, signal);
    }
  };
  loop().catch(() => undefined); // Only the signal ends the sleep: nobody asks any more.
  return {
    get facts() {
      return facts;
    },
    refresh,
  };
}
