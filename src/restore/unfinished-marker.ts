/**
 * The file that calls a data directory unfinished, and the lock on it, by which the kernel says whether whoever writes
 * that cluster still lives (doc/adr/unfinished-restore-and-its-lock.md). It counts only while there is no pg_control.
 */
import fs from "node:fs";
import { lstat, readdir, readFile, rm, statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { commonErrors, lockOpenFile, publishFile, type MonetaError } from "../common/index.ts";
import { restoreErrors } from "./errors.ts";

/** File in the data directory of an unfinished restore. Until it has its name it has one that begins with this and a dot. */
export const markerName = "moneta_restore_unfinished.json";

export interface Marker {
  readonly server: string;
  readonly label: string;
  readonly writer: MarkerWriter;
  /** The directories that this restore began: all that is in them is its own. */
  readonly directories: readonly string[];
}

export interface MarkerWriter {
  /** For messages only: names are given again, ids too. */
  readonly host: string;
  readonly pid: number;
  /** The kernel it runs on, from its start to its end (random(4), boot_id); empty where the system does not tell. */
  readonly boot: string;
  /** It holds a lock on the marker for as long as it lives. */
  readonly locked: boolean;
}

/** A marker whose lock is ours. */
export interface HeldMarker {
  release(): Promise<void>;
}

// Bare descriptors: a FileHandle closes itself when it is garbage collected, and the lock would go with it.
const open = promisify(fs.open);
const close = promisify(fs.close);
const fstat = promisify(fs.fstat);
const write = promisify(fs.writeFile);

/** Whoever only looks has the lock for a moment. */
const lookersPatienceMs = 2000;

/**
 * File systems that one kernel alone has mounted (linux/magic.h): ext, XFS, Btrfs, tmpfs, ramfs, ZFS, F2FS, bcachefs,
 * overlay. On all others a lock may be unknown to other machines.
 */
const localFileSystems = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0x2fc12fc1, 0xf2f52010, 0xca451a4e, 0x794c7630,
]);

/** The marker in a data directory; undefined when there is none, or one that cannot be understood: then it is nobody's. */
export async function readMarker(data: string): Promise<Marker | undefined> {
  let marker: unknown;
  try {
    marker = JSON.parse(await readFile(join(data, markerName), "utf8"));
  } catch {
    // No marker, or one that was cut off: then it is not known whose this is, and it stays.
    return undefined;
  }
  const { server, label, writer, directories } = (marker ?? {}) as Partial<Record<keyof Marker, unknown>>;
  const { host, pid, boot, locked } = (writer ?? {}) as Partial<Record<keyof MarkerWriter, unknown>>;
  if (typeof server !== "string" || typeof label !== "string" || !Array.isArray(directories)) return undefined;
  if (typeof host !== "string" || typeof pid !== "number" || typeof boot !== "string" || typeof locked !== "boolean") return undefined;
  const paths = (directories as unknown[]).filter((path) => typeof path === "string");
  return { server, label, writer: { host, pid, boot, locked }, directories: paths };
}

/**
 * Whether the writer has ended. `unknown` where a lock that is free proves nothing: on a file system that another
 * machine may have mounted too, or where there are no locks.
 */
export async function writerState(data: string, { writer }: Marker): Promise<"alive" | "ended" | "unknown"> {
  if (!writer.locked) return "unknown";
  const fd = await openMarker(data);
  try {
    if (!(await lockOpenFile(fd, { mode: "shared" }))) return "alive";
    return (writer.boot !== "" && writer.boot === (await bootId())) || (await isLocal(data)) ? "ended" : "unknown";
  } catch (error) {
    if (commonErrors.fileLockFailed.is(error)) return "unknown";
    throw error;
  } finally {
    await close(fd);
  }
}

/** The marker lies on a file system that no other machine writes to. */
async function isLocal(data: string): Promise<boolean> {
  return localFileSystems.has((await statfs(data)).type);
}

async function bootId(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    // No /proc: then only the file system can say that nobody else is there.
    return "";
  }
}

// Writing, because NFS makes of flock a lock that needs it.
function openMarker(data: string): Promise<number> {
  return open(join(data, markerName), fs.constants.O_RDWR | fs.constants.O_NOFOLLOW);
}

/** Takes the lock of a marker whose writer has ended. Throws RESTORE_DIRECTORY_REFUSED when it is no longer what was seen. */
export async function takeMarker(data: string, seen: Marker): Promise<HeldMarker> {
  const fd = await openMarker(data);
  try {
    if (!(await lockOpenFile(fd, { waitMs: lookersPatienceMs }))) throw takenOver(data, seen);
    const [held, named, now] = [await fstat(fd), await lstat(join(data, markerName)), await readMarker(data)];
    if (held.ino !== named.ino || JSON.stringify(now) !== JSON.stringify(seen)) throw takenOver(data, seen);
  } catch (error) {
    await close(fd);
    throw error;
  }
  return { release: () => close(fd) };
}

function takenOver(data: string, { label }: Marker): MonetaError {
  return restoreErrors.directoryRefused(`"${data}" is being written by another restore of backup ${label}`, { path: data });
}

export type MarkerContent = Omit<Marker, "writer">;

/**
 * Puts a marker into a directory, durably, locked from before anybody can see it. Its name is taken in one step: without
 * `replace` TARGET_EXISTS is thrown when another restore was quicker. Where locks do not work it says so itself.
 */
export async function createMarker(data: string, content: MarkerContent, options: { readonly replace: boolean }): Promise<HeldMarker> {
  const path = join(data, markerName);
  const temporary = `${path}.${process.pid}`;
  await rm(temporary, { force: true });
  const fd = await open(temporary, "wx", 0o600);
  try {
    const locked = await lockWherePossible(fd);
    const marker: Marker = { ...content, writer: { host: hostname(), pid: process.pid, boot: await bootId(), locked } };
    await write(fd, `${JSON.stringify(marker, null, 2)}\n`);
    await publishFile(temporary, path, options);
  } catch (error) {
    await close(fd);
    await rm(temporary, { force: true });
    throw error;
  }
  return { release: () => close(fd) };
}

async function lockWherePossible(fd: number): Promise<boolean> {
  try {
    return await lockOpenFile(fd);
  } catch (error) {
    // A restore is possible all the same; only what it leaves behind if it is killed a person must remove.
    if (commonErrors.fileLockFailed.is(error)) return false;
    throw error;
  }
}

/** Entry of a data directory that is a marker which never got its name. */
export const isNamelessMarker = (name: string): boolean => name.startsWith(`${markerName}.`);

/** Removes what was left by restores that were killed before their marker had its name. */
export async function removeNamelessMarkers(data: string): Promise<void> {
  for (const name of await readdir(data)) if (isNamelessMarker(name)) await rm(join(data, name), { force: true });
}

/** Removes the marker: the first name of a directory that is not called unfinished any more, or is empty now. */
export async function removeMarker(data: string): Promise<void> {
  await rm(join(data, markerName), { force: true });
}
