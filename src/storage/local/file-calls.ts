/**
 * The calls to the operating system that a local storage makes, in one place so that a test can make any of them fail.
 * Callbacks instead of FileHandle: a backup of many small files opens and closes a million of them.
 */
import fs from "node:fs";
import { promisify } from "node:util";

export interface FileCalls {
  open(path: Buffer, flags: number, mode: number): Promise<number>;
  /** Bytes written, which may be fewer than asked for. `position` null appends. */
  write(fd: number, data: Uint8Array, position: number | null): Promise<number>;
  /** Bytes read into the start of `into`; 0 at the end of the file. */
  read(fd: number, into: Uint8Array, position: number): Promise<number>;
  fsync(fd: number): Promise<void>;
  ftruncate(fd: number, length: number): Promise<void>;
  fchmod(fd: number, mode: number): Promise<void>;
  fstat(fd: number): Promise<fs.Stats>;
  close(fd: number): Promise<void>;
  stat(path: Buffer): Promise<fs.Stats>;
  lstat(path: Buffer): Promise<fs.Stats>;
  chmod(path: Buffer, mode: number): Promise<void>;
  mkdir(path: Buffer, mode: number): Promise<void>;
  rmdir(path: Buffer): Promise<void>;
  unlink(path: Buffer): Promise<void>;
  symlink(target: Buffer, path: Buffer): Promise<void>;
  /** A further name, `path`, for the file `existing`. */
  link(existing: Buffer, path: Buffer): Promise<void>;
  rename(from: Buffer, to: Buffer): Promise<void>;
  readlink(path: Buffer): Promise<Buffer>;
  statfs(path: Buffer): Promise<fs.StatsFs>;
}

const open = promisify(fs.open);
const write = promisify(fs.write);
const read = promisify(fs.read);
const mkdir = promisify(fs.mkdir);
const symlink = promisify(fs.symlink);
const readlink = promisify(fs.readlink);
const stat = promisify(fs.stat);
const lstat = promisify(fs.lstat);
const fstat = promisify(fs.fstat);
const statfs = promisify(fs.statfs);

export const systemCalls: FileCalls = {
  open: (path, flags, mode) => open(path, flags, mode),
  write: async (fd, data, position) => (await write(fd, data, 0, data.length, position)).bytesWritten,
  read: async (fd, into, position) => (await read(fd, into, 0, into.length, position)).bytesRead,
  fsync: promisify(fs.fsync),
  ftruncate: promisify(fs.ftruncate),
  fchmod: promisify(fs.fchmod),
  fstat: (fd) => fstat(fd),
  close: promisify(fs.close),
  stat: (path) => stat(path),
  lstat: (path) => lstat(path),
  chmod: promisify(fs.chmod),
  mkdir: async (path, mode) => {
    await mkdir(path, { mode });
  },
  rmdir: promisify(fs.rmdir),
  unlink: promisify(fs.unlink),
  symlink: (target, path) => symlink(target, path),
  link: promisify(fs.link),
  rename: promisify(fs.rename),
  readlink: (path) => readlink(path, "buffer"),
  statfs: (path) => statfs(path),
};

/** Writes all of `data` at `position`, however many calls the system needs. */
export async function writeFully(
  calls: FileCalls,
  fd: number,
  data: Uint8Array,
  position: number | null,
): Promise<void> {
  let done = await calls.write(fd, data, position);
  while (done < data.length) {
    done += await calls.write(fd, data.subarray(done), position === null ? null : position + done);
  }
}
