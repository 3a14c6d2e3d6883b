/** Processes of a drill, known by id and start time (proc(5)), or by the directory that they work in. */
import { readdir, readFile, readlink } from "node:fs/promises";
import type { Clock } from "../common/index.ts";

/** One process and no other: ids are given again, the time of its start since the boot is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after the boot. */
  readonly started: string;
  /** The boot (random(4), boot_id). */
  readonly boot: string;
}

/** Undefined when there is no such process, or no /proc. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const facts = await readFile(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may contain anything; the third is the state, the 22nd the start.
    const fields = facts.slice(facts.lastIndexOf(")") + 2).split(" ");
    const [state, started] = [fields[0], fields[19]];
    // A zombie has ended; who should take note of that is slow, or gone.
    return started === undefined || state === "Z" ? undefined : { pid, started, boot };
  } catch {
    // It is gone.
    return undefined;
  }
}

export async function isRunning(process: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(process.pid);
  return now?.started === process.started && now.boot === process.boot;
}

/** Processes of this account whose working directory is `directory` or lies below it, zombies left out. */
export async function processesIn(directory: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const place = await readlink(`/proc/${name}/cwd`);
      if (place === directory || place.startsWith(`${directory}/`)) found.push(Number(name));
    } catch {
      // It ended meanwhile, or belongs to somebody else.
      continue;
    }
  }
  return found;
}

const lookEveryMs = 50;
/** An immediate shutdown of PostgreSQL takes its processes at most five seconds (SIGKILL_CHILDREN_AFTER_SECS). */
const patienceMs = 10_000;

/** Ends what works in `directory`, and `server` if it runs: as PostgreSQL's immediate shutdown, then by force. */
export async function endProcessesIn(
  directory: string,
  server: ProcessIdentity | undefined,
  clock: Clock,
): Promise<void> {
  const left = async (): Promise<number[]> => {
    const own = server !== undefined && (await isRunning(server)) ? [server.pid] : [];
    return [...new Set([...own, ...(await processesIn(directory))])];
  };
  for (const signal of ["SIGQUIT", "SIGKILL"] as const) {
    for (const pid of await left()) signalProcess(pid, signal);
    const until = clock.monotonic() + patienceMs;
    while ((await left()).length > 0 && clock.monotonic() < until) await clock.sleep(lookEveryMs);
  }
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
