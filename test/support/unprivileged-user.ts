import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The identity under which servers run when the tests themselves run as root, which PostgreSQL refuses. */
export interface UnprivilegedUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

let cached: UnprivilegedUser | undefined;

/** `nobody` when this process is root, otherwise undefined: then everything runs as the user we already are. */
export function unprivilegedUser(): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  cached ??= {
    name: "nobody",
    uid: Number(execFileSync("id", ["-u", "nobody"], { encoding: "utf8" })),
    gid: Number(execFileSync("id", ["-g", "nobody"], { encoding: "utf8" })),
  };
  return cached;
}

/** Options for child_process.spawn that make the child run as the unprivileged user (nothing when we are one). */
export function asUnprivileged(): { uid?: number; gid?: number } {
  const user = unprivilegedUser();
  return user === undefined ? {} : { uid: user.uid, gid: user.gid };
}

/** Gives a path, and everything under it, to the unprivileged user. */
export function giveToUnprivileged(path: string): void {
  const user = unprivilegedUser();
  if (user === undefined) return;
  const stats = lstatSync(path);
  if (stats.isSymbolicLink()) return;
  chownSync(path, user.uid, user.gid);
  if (!stats.isDirectory()) return;
  chmodSync(path, 0o700);
  for (const name of readdirSync(path)) giveToUnprivileged(join(path, name));
}

/** Whether every directory above a path, and the path itself, may be entered and read by anybody. */
export function readableByAnybody(path: string): boolean {
  let current = resolve(path);
  if ((statSync(current).mode & 0o005) !== 0o005) return false;
  while (current !== "/") {
    current = dirname(current);
    if ((statSync(current).mode & 0o001) === 0) return false;
  }
  return true;
}
