/** The processes of a daemon as the kernel sees them: proc(5). */
import { readdir, readFile } from "node:fs/promises";
import { messageOf } from "../common/index.ts";
import type { PartContent } from "./bounded-text.ts";
import { jsonText } from "./part.ts";

/** A process, and what it is there for. */
export interface DiagnosedProcess {
  readonly pid: number;
  readonly kind: string;
  /** Empty where it belongs to none. */
  readonly server: string;
  readonly command: string;
}

/** Lines of `/proc/<pid>/status` that tell how a process is. */
const told = /^(Name|State|Threads|VmPeak|VmSize|VmHWM|VmRSS|RssAnon|VmSwap|voluntary_ctxt_switches|nonvoluntary_ctxt_switches):\s+(.*)$/gm;

async function look({ command, kind, pid, server }: DiagnosedProcess): Promise<Record<string, unknown>> {
  const who = { pid, kind, server, command };
  try {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    const open = await readdir(`/proc/${pid}/fd`);
    const figures: Record<string, string> = {};
    for (const [, name = "", value = ""] of status.matchAll(told)) figures[name] = value;
    return { ...who, ...figures, openFiles: open.length };
  } catch (error) {
    // It ended between two looks, which happens to jobs.
    return { ...who, error: messageOf(error) };
  }
}

/** Memory, threads and open files of each. */
export async function describeProcesses(processes: readonly DiagnosedProcess[]): Promise<PartContent> {
  const found: Record<string, unknown>[] = [];
  for (const process of processes) found.push(await look(process));
  return { text: jsonText(found) };
}
