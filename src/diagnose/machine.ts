/** The machine and its limits, as the system tells them to anybody. */
import { readFile } from "node:fs/promises";
import { availableParallelism, freemem, hostname, loadavg, machine, release, totalmem, type, uptime, version } from "node:os";
import { messageOf, roomAt } from "../common/index.ts";
import type { PartContent } from "./bounded-text.ts";
import { jsonText } from "./part.ts";

/** Small files of the system; one that is not there, as outside a container, is null. */
async function textOf(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    // The answer: there is no such thing here.
    return null;
  }
}

/** Versions of Moneta, Node and the system, processors and memory. `versions` is that of the process. */
export async function describeMachine(moneta: string, versions: Readonly<Record<string, string | undefined>>): Promise<PartContent> {
  const osRelease = (await textOf("/etc/os-release")) ?? "";
  const named = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? null;
  return {
    text: jsonText({
      moneta,
      node: versions,
      system: { name: named, type: type(), release: release(), version: version(), machine: machine(), hostname: hostname() },
      processors: { usable: availableParallelism(), load: loadavg() },
      memoryBytes: { total: totalmem(), free: freemem() },
      controlGroup: { memoryMax: await textOf("/sys/fs/cgroup/memory.max"), cpuMax: await textOf("/sys/fs/cgroup/cpu.max") },
      uptimeSeconds: Math.round(uptime()),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    }),
  };
}

/** What the kernel allows the process `pid`: proc(5), what a shell calls ulimit. */
export async function describeLimits(pid: number): Promise<PartContent> {
  return { text: await readFile(`/proc/${pid}/limits`, "utf8") };
}

/** Room on the file systems of `paths`, each path once: bytes and inodes, or why that cannot be said. */
export async function describeRoom(paths: readonly string[]): Promise<PartContent> {
  const rooms: Record<string, unknown> = {};
  for (const path of new Set(paths)) {
    try {
      rooms[path] = await roomAt(path);
    } catch (error) {
      rooms[path] = { error: messageOf(error) };
    }
  }
  return { text: jsonText(rooms) };
}
