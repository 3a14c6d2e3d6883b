import { spawnSync } from "node:child_process";
import { asUnprivileged } from "./unprivileged-user.ts";

/**
 * Mounts a tmpfs in namespaces of its own, where an ordinary user may do that, and becomes the program behind it. The
 * second namespace turns the user of the first, who is root there, into an ordinary one again.
 */
const script =
  'mount -t tmpfs -o "size=$1,mode=0700" none "$2" && shift 2 && exec unshare -U --map-user=1000 --map-group=1000 "$@"';

/** Words to start a program with, so that it sees a file system of its own of `size` (as mount(8) takes it) at `path`. */
export function onSmallFilesystem(path: string, size: string): readonly string[] {
  return ["unshare", "-Urm", "sh", "-c", script, "sh", size, path];
}

/** What `requires` must be told: nothing where the kernel lets ordinary users mount in namespaces of their own. */
export function needsForSmallFilesystem(): readonly string[] {
  const [command = "", ...args] = onSmallFilesystem("/mnt", "1m");
  const { status } = spawnSync(command, [...args, "true"], { stdio: "ignore", cwd: "/", ...asUnprivileged() });
  return status === 0 ? [] : ["user namespaces"];
}

/** The path `path` as the process sees it, through proc(5): from outside its mounts are not there. */
export function seenBy(pid: number, path: string): string {
  return `/proc/${pid}/root${path}`;
}
