/** What the kernel says about processes, from the text of its files; see proc(5). */
import { readFileSync, readdirSync } from "node:fs";

/** Linux reports CPU time to user space in hundredths of a second on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** CPU seconds, user and system, of the process itself. */
  readonly own: number;
  /** CPU seconds of its children that ended and were waited for, theirs included. */
  readonly reaped: number;
}

export interface ProcessMemory {
  /** The most that was ever resident, in bytes. */
  readonly peakResident: number;
  readonly resident: number;
}

/** Bytes of a process and of its children that were waited for. */
export interface ProcessIo {
  /** By system calls, whether or not a disk was touched. */
  readonly readCalls: number;
  readonly writtenCalls: number;
  /** Fetched from, and caused to be sent to, the storage. */
  readonly readStorage: number;
  readonly writtenStorage: number;
}

/** /proc/PID/stat. The name in parentheses may itself hold blanks and parentheses. */
export function parseStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  const number = (index: number): number => Number(fields[index]);
  // The field after the name is number 3 of proc(5): parent 4, times 14 to 17.
  const stat = {
    pid: Number.parseInt(text, 10),
    parent: number(1),
    own: (number(11) + number(12)) / TICKS_PER_SECOND,
    reaped: (number(13) + number(14)) / TICKS_PER_SECOND,
  };
  return end > 0 && Object.values(stat).every(Number.isFinite) ? stat : undefined;
}

/** /proc/PID/status. A process that is ending has no memory any more. */
export function parseMemory(text: string): ProcessMemory | undefined {
  const peakResident = kibibytes(text, "VmHWM");
  const resident = kibibytes(text, "VmRSS");
  return peakResident === undefined || resident === undefined ? undefined : { peakResident, resident };
}

/** The proportional share of /proc/PID/smaps_rollup: what the process would give back, shared pages divided. */
export function parseProportional(text: string): number | undefined {
  return kibibytes(text, "Pss");
}

/** /proc/PID/io. */
export function parseIo(text: string): ProcessIo | undefined {
  const values = new Map(text.split("\n").map((line) => line.split(": ") as [string, string]));
  const io = {
    readCalls: Number(values.get("rchar")),
    writtenCalls: Number(values.get("wchar")),
    readStorage: Number(values.get("read_bytes")),
    writtenStorage: Number(values.get("write_bytes")),
  };
  return Object.values(io).every(Number.isFinite) ? io : undefined;
}

function kibibytes(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text);
  return found?.[1] === undefined ? undefined : Number(found[1]) * 1024;
}

/** Everything that runs now. */
export function processTable(): ProcessStat[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name), "stat", parseStat))
    .filter((stat) => stat !== undefined);
}

/** The processes of the table that descend from `roots`, these included. */
export function treeOf(roots: readonly number[], table: readonly ProcessStat[]): ProcessStat[] {
  const children = new Map<number, ProcessStat[]>();
  for (const one of table) children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  const found = new Map<number, ProcessStat>();
  const pending = table.filter((one) => roots.includes(one.pid));
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (found.has(one.pid)) continue;
    found.set(one.pid, one);
    pending.push(...(children.get(one.pid) ?? []));
  }
  return [...found.values()];
}

export const readStat = (pid: number): ProcessStat | undefined => read(pid, "stat", parseStat);
export const readMemory = (pid: number): ProcessMemory | undefined => read(pid, "status", parseMemory);
export const readProportional = (pid: number): number | undefined => read(pid, "smaps_rollup", parseProportional);
export const readIo = (pid: number): ProcessIo | undefined => read(pid, "io", parseIo);

function read<T>(pid: number, file: string, parse: (text: string) => T | undefined): T | undefined {
  try {
    return parse(readFileSync(`/proc/${pid}/${file}`, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It has ended meanwhile, or is another user's.
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}
