/**
 * One daemon owns a repository: an advisory lock (flock(2)) on a file in `base_dir`. It belongs to the open file, so
 * it lives as long as the supervisor or any child that inherited the descriptor, and dies with the last of them by
 * whatever signal.
 */
import fs from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Clock } from "../common/index.ts";
import { lockOpenFile, messageOf, systemClock, throwIfAborted } from "../common/index.ts";
import { repositoryErrors } from "./errors.ts";
import { isCount, parseObject } from "./json-shape.ts";
import { openReserve, storageError, storageErrors } from "../storage/index.ts";
import { ownerLockName } from "./layout.ts";

export interface OwnerLock {
  /** Descriptor to pass to children that must not outlive the lock unnoticed. */
  readonly fd: number;
  /** Closes our descriptor; the lock goes when no child has it any more. */
  release(): Promise<void>;
}

export interface OwnerLockOptions {
  /**
   * How long to wait, in milliseconds, for the children of a supervisor that is dead. A living owner is reported at
   * once, whatever this is. Default 0.
   */
  readonly waitMs?: number;
  /** Called once when it turns out that there is something to wait for. */
  readonly onWait?: (deadOwner: number | undefined) => void;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** Who wrote into the lock file. */
interface Owner {
  readonly pid: number;
  /** Start of the process in clock ticks since boot: tells a process from a later one with the same number. */
  readonly started: string;
}

const pauseMs = 50;

// Bare descriptors: a FileHandle closes itself when it is garbage collected, and the lock would go with it.
const open = promisify(fs.open);
const close = promisify(fs.close);
const read = promisify(fs.read);
const write = promisify(fs.write);
const truncate = promisify(fs.ftruncate);

/** Start time of a process (proc(5), field 22 of stat); undefined when there is no such process. */
async function processStart(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, "latin1");
  } catch {
    // Gone, which is the answer.
    return undefined;
  }
  // The name before it may contain anything, also blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie holds no descriptor any more.
  return fields[0] === "Z" ? undefined : fields[19];
}

/** True when the open file is locked now; false when somebody else has it. */
async function tryLock(fd: number): Promise<boolean> {
  try {
    return await lockOpenFile(fd);
  } catch (error) {
    throw repositoryErrors.ownerLockFailed(messageOf(error), {}, error);
  }
}

async function readOwner(fd: number): Promise<Owner | undefined> {
  const buffer = Buffer.alloc(1024);
  const { bytesRead } = await read(fd, buffer, 0, buffer.length, 0);
  const object = parseObject(buffer.toString("utf8", 0, bytesRead));
  return isCount(object?.pid) && typeof object.started === "string"
    ? { pid: object.pid, started: object.started }
    : undefined;
}

async function isAlive(owner: Owner): Promise<boolean> {
  return (await processStart(owner.pid)) === owner.started;
}

async function writeOwner(fd: number, clock: Clock): Promise<void> {
  const started = (await processStart(process.pid)) ?? "";
  const text = `${JSON.stringify({ pid: process.pid, started, since: new Date(clock.now()).toISOString() })}\n`;
  await truncate(fd, 0);
  await write(fd, Buffer.from(text), 0, text.length, 0);
}

/**
 * Takes the lock of the repository in `baseDir` (made if it is missing, 0700). Throws OWNER_LOCK_HELD with the pid of
 * the owner when it lives, or when the children of a dead one have not ended in time; OWNER_LOCK_FAILED when locks do
 * not work here.
 */
export async function acquireOwnerLock(baseDir: string, options: OwnerLockOptions = {}): Promise<OwnerLock> {
  const { waitMs = 0, onWait, clock = systemClock, signal } = options;
  const path = join(baseDir, ownerLockName);
  const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW;
  const reserve = openReserve(baseDir);
  let fd: number;
  try {
    await mkdir(baseDir, { recursive: true, mode: 0o700 });
    fd = await reserve.spend(() => open(path, flags, 0o600));
  } catch (error) {
    const refused = storageError(error, "open", path);
    // These have nothing to do with locks.
    if (storageErrors.readOnly.is(refused) || storageErrors.full.is(refused)) throw refused;
    throw repositoryErrors.ownerLockFailed(`"${path}" cannot be opened: ${messageOf(error)}`, { path }, error);
  }
  const deadline = clock.monotonic() + waitMs;
  let told = false;
  try {
    while (!(await tryLock(fd))) {
      const owner = await readOwner(fd);
      const alive = owner !== undefined && (await isAlive(owner));
      if (alive) {
        throw repositoryErrors.ownerLockHeld(`"${baseDir}" belongs to the daemon with pid ${owner.pid}`, {
          path,
          pid: owner.pid,
        });
      }
      if (clock.monotonic() >= deadline) {
        const who = owner === undefined ? "an unknown process" : `children of the dead daemon with pid ${owner.pid}`;
        throw repositoryErrors.ownerLockHeld(`"${baseDir}" is still held by ${who}`, { path, pid: owner?.pid ?? null });
      }
      if (!told) onWait?.(owner?.pid);
      told = true;
      await clock.sleep(pauseMs, signal);
      if (signal !== undefined) throwIfAborted(signal);
    }
    await reserve.spend(() => writeOwner(fd, clock));
  } catch (error) {
    await close(fd);
    throw error;
  }
  let held = true;
  const release = async (): Promise<void> => {
    if (!held) return;
    held = false;
    await close(fd);
  };
  return { fd, release };
}
