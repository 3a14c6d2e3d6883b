/**
 * This machine's file system for programs that change it: what they write lies in memory, and is gone with the process that holds the
 * namespace of mounts. Root's business; the kernel needs overlayfs.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { run, startProcess, type Finished, type RunningProcess } from "./processes.ts";
import { temporaryDirectory } from "./temporary-directory.ts";
import { waitFor } from "./wait-for.ts";

export interface ScratchRoot {
  /** Runs a program as root in there, with the directory `shared` as /mnt. */
  run(command: string, ...args: readonly string[]): Promise<Finished>;
  /** The same for a program that must succeed; what it printed. */
  ok(command: string, ...args: readonly string[]): Promise<string>;
  /** Starts one that goes on, in a pid namespace of its own, in which it is the first process. */
  startFirst(account: string, home: string, ...words: readonly string[]): Promise<RunningProcess>;
  /** The processes that see it, without the one that keeps it. */
  inhabitants(): number[];
  end(): Promise<void>;
}

const setUp = `
  mount -t tmpfs -o size=400m tmpfs "$1"
  mkdir "$1/upper" "$1/work" "$1/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
  mount -t proc proc "$1/root/proc"
  mount --rbind /dev "$1/root/dev"
  mount -t tmpfs tmpfs "$1/root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$1/root/tmp"
  mount --bind "$2" "$1/root/mnt"
  echo ready
  exec sleep infinity`;

/** Nothing of the tests' own surroundings. */
const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", HOME: "/root", DEBIAN_FRONTEND: "noninteractive" };

/** A root whose /mnt is the directory `shared`. */
export async function createScratchRoot(shared: string): Promise<ScratchRoot> {
  const place = temporaryDirectory({ prefix: "mroot" }).path;
  const holder = await startProcess("unshare", ["--mount", "--propagation", "private", "sh", "-ec", setUp, "sh", place, shared]);
  await waitFor("the root is mounted", () => !holder.isRunning() || holder.stdout().includes("ready"), { seen: () => holder.stderr() });
  if (!holder.isRunning()) throw new Error(`the root cannot be mounted: ${holder.stderr()}`);
  const within = ["-t", String(holder.pid), "-m", "chroot", `${place}/root`];
  const inside = (words: readonly string[]): Promise<Finished> => run("nsenter", [...within, ...words], { env: environment, cwd: "/" });
  return {
    run: (...words) => inside(words),
    async ok(...words) {
      const { status, stderr, stdout } = await inside(words);
      if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status ?? "a signal"}\n${stdout}${stderr}`);
      return stdout;
    },
    startFirst: (account, home, ...words) =>
      startProcess("nsenter", [...within, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "chroot", `--userspec=${account}`, "/", "env", `HOME=${home}`, ...words], { env: environment, cwd: "/" }),
    inhabitants() {
      const own = namespaceOf(holder.pid);
      return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => pid !== holder.pid && namespaceOf(pid) === own);
    },
    async end() {
      holder.kill("SIGKILL");
      await holder.finished;
    },
  };
}

/** Undefined for a process that is gone. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/** What `requires` must be told: nothing where this process may make such a root. */
export function needsForScratchRoot(): readonly string[] {
  const script = 'd=$(mktemp -d); mount -t tmpfs tmpfs "$d" && mkdir "$d/u" "$d/w" "$d/r" && mount -t overlay overlay -o "lowerdir=/,upperdir=$d/u,workdir=$d/w" "$d/r"; s=$?; umount -R "$d" 2>/dev/null; rmdir "$d"; exit $s';
  const { status } = spawnSync("unshare", ["-m", "--propagation", "private", "sh", "-c", script], { stdio: "ignore" });
  return status === 0 ? [] : ["overlayfs"];
}
