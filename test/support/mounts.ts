/** File systems that a test mounts over directories; root's business. What is still mounted at its end is taken away. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { registerResource } from "./resources.ts";
import { unprivilegedUser } from "./unprivileged-user.ts";

export interface Mount {
  /** Takes it away at once, whoever uses it (umount -l). Repeatable. */
  unmount(): void;
}

function mounted(directory: string, ...args: readonly string[]): Mount {
  execFileSync("mount", [...args, directory]);
  let there = true;
  const unmount = (): void => {
    if (!there) return;
    there = false;
    forget();
    execFileSync("umount", ["-l", directory]);
  };
  const forget = registerResource({ name: `the mount on ${directory}`, release: () => Promise.resolve(unmount()), abandon: unmount });
  return { unmount };
}

/** A file system in memory that belongs to the unprivileged user; `size` as mount(8) takes it. */
export function mountMemory(directory: string, size: string, inodes: number): Mount {
  const { uid = 0, gid = 0 } = unprivilegedUser() ?? {};
  return mounted(directory, "-t", "tmpfs", "-o", `size=${size},nr_inodes=${inodes},mode=0700,uid=${uid},gid=${gid}`, "none");
}

/** Another directory in the place of this one. */
export function mountInstead(directory: string, other: string): Mount {
  return mounted(directory, "--bind", other);
}

/** The directory as it is, but read-only for whoever opens something in it from now on. */
export function mountReadOnly(directory: string): Mount {
  const mount = mounted(directory, "--bind", directory);
  // Somebody may have opened a file through it in this instant.
  for (let attempt = 1; ; attempt += 1) {
    const { status, stderr } = spawnSync("mount", ["-o", "remount,bind,ro", directory], { encoding: "utf8" });
    if (status === 0) return mount;
    if (!stderr.includes("busy") || attempt === 100) throw new Error(`mount -o remount,bind,ro ${directory}: ${stderr}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
}

export interface FrozenAtWill extends Mount {
  /** Whoever writes from now on waits, and cannot be killed: as on a disk or a server of files that does not answer. */
  freeze(): void;
  thaw(): void;
}

/** An ext4 of its own in a file, `size` as truncate(1) takes it, that belongs to the unprivileged user. */
export function mountImage(directory: string, image: string, size: string): FrozenAtWill {
  execFileSync("truncate", ["-s", size, image]);
  execFileSync("mkfs.ext4", ["-q", "-F", image]);
  const mount = mounted(directory, "-o", "loop", image);
  const { uid = 0, gid = 0 } = unprivilegedUser() ?? {};
  chownSync(directory, uid, gid);
  chmodSync(directory, 0o700);
  let frozen = false;
  const thaw = (): void => {
    if (!frozen) return;
    frozen = false;
    forget();
    execFileSync("fsfreeze", ["-u", directory]);
  };
  let forget = (): void => undefined;
  return {
    ...mount,
    freeze() {
      execFileSync("fsfreeze", ["-f", directory]);
      frozen = true;
      forget = registerResource({ name: `the freeze of ${directory}`, release: () => Promise.resolve(thaw()), abandon: thaw });
    },
    thaw,
  };
}

/** What `requires` must be told: nothing where this process may mount a file by a loop device. */
export function needsForImages(): readonly string[] {
  const script = 'd=$(mktemp -d) && truncate -s 8M "$d/i" && mkfs.ext4 -q -F "$d/i" && mkdir "$d/m" && mount -o loop "$d/i" "$d/m"; s=$?; umount "$d/m" 2>/dev/null; rm -rf "$d"; exit $s';
  const { status } = spawnSync("unshare", ["-m", "sh", "-c", script], { stdio: "ignore" });
  return status === 0 ? [] : ["loop devices"];
}

/** What `requires` must be told: nothing where this process may mount. */
export function needsForMounts(): readonly string[] {
  const { status } = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
  return status === 0 ? [] : ["the right to mount"];
}
