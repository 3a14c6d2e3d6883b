/**
 * Scratch space of one drill: a directory in the workspace that is locked for as long as the drill lives. One that
 * nobody locks was left behind by a drill that was killed, and goes with everything that still runs in it.
 */
import fs from "node:fs";
import { lstat, mkdir, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { lockOpenFile, messageOf, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { drillErrors } from "./errors.ts";
import { endProcessesIn, identifyProcess, type ProcessIdentity } from "./processes.ts";

export interface Scratch {
  readonly path: string;
  /** Where the cluster is restored into. */
  readonly cluster: string;
  /** Directory of the server's Unix socket. */
  readonly socket: string;
  readonly serverLog: string;
  /** The server's pg_hba.conf. */
  readonly hba: string;
  /** Writes down which process the server is, so that it can be ended after a crash of this one. */
  recordServer(pid: number): Promise<void>;
  /** Ends what runs in it, and removes it. Repeatable. */
  remove(): Promise<void>;
}

/** The server has no network, so that every drill can have the same port; it is only part of the socket's name. */
export const drillPort = 5432;

const namePattern = /^drill-[0-9a-f]{12}$/;
const lockName = "lock";
const recordName = "server.json";
/** Length of `sun_path` in Linux's sockaddr_un, without the zero byte at the end (unix(7)). */
const longestSocketPath = 107;
const attempts = 5;

// Bare descriptors: a FileHandle closes itself when it is garbage collected, and the lock would go with it.
const open = promisify(fs.open);
const close = promisify(fs.close);
const fstat = promisify(fs.fstat);

/** Makes scratch space that is ours. Throws DRILL_WORKSPACE_REFUSED. */
export async function openScratch(workspace: string, clock: Clock): Promise<Scratch> {
  const root = await ownWorkspace(workspace);
  for (let attempt = 1; ; attempt += 1) {
    const path = join(root, `drill-${randomBytes(6).toString("hex")}`);
    const socket = join(path, "s");
    if (Buffer.byteLength(join(socket, `.s.PGSQL.${drillPort}`)) > longestSocketPath) {
      throw refuse(
        workspace,
        `its path is too long for a Unix socket in it, which has at most ${longestSocketPath} bytes`,
      );
    }
    await mkdir(path, { mode: 0o700 });
    const fd = await lockOf(path);
    // Somebody who was looking for leftovers was quicker: then it is gone.
    if (fd === undefined && attempt < attempts) continue;
    if (fd === undefined) throw refuse(workspace, "other programs remove what is made in it");
    await mkdir(socket, { mode: 0o700 });
    return scratchAt(path, fd, clock);
  }
}

function scratchAt(path: string, fd: number, clock: Clock): Scratch {
  let held = true;
  return {
    path,
    cluster: join(path, "cluster"),
    socket: join(path, "s"),
    serverLog: join(path, "server.log"),
    hba: join(path, "hba.conf"),
    async recordServer(pid) {
      await writeFile(join(path, recordName), JSON.stringify(await identifyProcess(pid)), { mode: 0o600 });
    },
    async remove() {
      await removeScratch(path, clock);
      if (held) await close(fd);
      held = false;
    },
  };
}

const refuse = (path: string, why: string, cause?: unknown) =>
  drillErrors.workspaceRefused(`the workspace "${path}" cannot be used: ${why}`, { path }, cause);

/** The workspace without links, made if it is missing. What others could change there is none. */
async function ownWorkspace(workspace: string): Promise<string> {
  try {
    await mkdir(workspace, { recursive: true, mode: 0o700 });
    const facts = await stat(workspace);
    if (!facts.isDirectory()) throw refuse(workspace, "it is no directory");
    if (facts.uid !== process.getuid?.()) throw refuse(workspace, "it belongs to another account");
    if ((facts.mode & 0o022) !== 0) throw refuse(workspace, "other accounts may write to it");
    return await realpath(workspace);
  } catch (error) {
    if (drillErrors.workspaceRefused.is(error)) throw error;
    throw refuse(workspace, messageOf(error), error);
  }
}

/** The lock of new scratch space; undefined when it was taken for a leftover meanwhile. */
async function lockOf(path: string): Promise<number | undefined> {
  const lock = join(path, lockName);
  let fd: number;
  try {
    fd = await open(lock, "wx", 0o600);
  } catch (error) {
    if (["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
  const locked = await lockOpenFile(fd);
  const [held, named] = [await fstat(fd), await lstat(lock).catch(() => undefined)];
  if (locked && held.ino === named?.ino) return fd;
  await close(fd);
  return undefined;
}

/** The server before the files: it would write new ones. */
async function removeScratch(path: string, clock: Clock): Promise<void> {
  await endProcessesIn(path, await recordedServer(path), clock);
  for (const name of await readdir(path).catch(() => [])) {
    if (name !== lockName) await rm(join(path, name), { recursive: true, force: true });
  }
  // The lock last: until then it is known whose this is.
  await rm(path, { recursive: true, force: true });
}

async function recordedServer(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const { pid, started, boot } = JSON.parse(
      await readFile(join(path, recordName), "utf8"),
    ) as Partial<ProcessIdentity>;
    return typeof pid === "number" && typeof started === "string" && typeof boot === "string"
      ? { pid, started, boot }
      : undefined;
  } catch {
    // Killed before it had a server, or while this was written: what works in the directory is found all the same.
    return undefined;
  }
}

/** Whether killed drills may have left something in a workspace. */
export async function hasScratch(workspace: string): Promise<boolean> {
  return (await readdir(workspace).catch(() => [])).some((name) => namePattern.test(name));
}

/** Removes what drills left behind that were killed, servers that still run included. Returns the directories. */
export async function removeLeftovers(
  workspace: string,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<string[]> {
  const removed: string[] = [];
  const root = await realpath(workspace).catch(() => undefined);
  if (root === undefined) return removed;
  for (const name of await readdir(root)) {
    const path = join(root, name);
    if (!namePattern.test(name) || (await lstat(path).catch(() => undefined))?.uid !== process.getuid?.()) continue;
    try {
      if (await removeIfLeft(path, clock)) removed.push(path);
    } catch (error) {
      logger.error(`what a drill left behind in "${path}" could not be removed: ${messageOf(error)}`, { path });
    }
  }
  return removed;
}

async function removeIfLeft(path: string, clock: Clock): Promise<boolean> {
  let fd: number;
  try {
    // Made where it is missing: a drill that is just beginning finds it taken and begins again elsewhere.
    fd = await open(join(path, lockName), "a", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  try {
    if (!(await lockOpenFile(fd))) return false;
    await removeScratch(path, clock);
    return true;
  } finally {
    await close(fd);
  }
}
